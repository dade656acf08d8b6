import { huntActor } from '../actors/hunt/actor.ts';
import type { StoredEvent } from '../actors/hunt/event.ts';
import { decodeRecord } from '../runtime/activation/record.ts';
import type { LogRecord } from '../runtime/log/event-log.ts';
import type { Checkpoint, Parked } from './checkpoint.ts';
import type { HuntCache } from './hunt-cache.ts';
import { ContradictionError, HuntFold, type SavedMember, type SavedSnapshot } from './hunt-fold.ts';
import type { PlayerRow, SnapshotRow, TreasureRow } from './hunt-rows.ts';
import { timeOfLast } from './record-time.ts';

/**
 * Folds one batch of a slot's records: several hunts, each by its own events. A hunt whose event cannot be read or folded is
 * parked as of the record before, and holds nobody else up.
 */
export interface SavedHunts {
  snapshots(huntIds: readonly number[]): Promise<readonly (SavedSnapshot | undefined)[]>;
  members(
    asked: readonly { readonly huntId: number; readonly generation: number; readonly memberIds: readonly string[] }[],
  ): Promise<readonly (readonly SavedMember[])[]>;
}

export interface BatchChange {
  readonly snapshots: readonly SnapshotRow[];
  readonly players: readonly PlayerRow[];
  readonly treasures: readonly TreasureRow[];
  readonly parked: readonly Parked[];
  /** Events of hunts in the batch, parked ones' too. */
  readonly events: number;
  /** Of the batch's last event that could be read; 0: none. */
  readonly at: number;
  /** As the tables will have them once the change is written. */
  readonly folds: readonly HuntFold[];
}

interface Decoded {
  readonly version: number;
  readonly events: readonly StoredEvent[];
}
interface Failure {
  readonly version: number;
  readonly error: unknown;
}
/** One hunt's part of the batch. */
interface Part {
  readonly huntId: number;
  readonly records: Decoded[];
  failure: Failure | undefined;
}

export const huntKind = huntActor.kind;

export function eventsIn(record: LogRecord): number {
  return record.stream.kind === huntKind ? record.count : 0;
}

export async function foldBatch(
  records: readonly LogRecord[],
  checkpoint: Checkpoint,
  isParked: (huntId: number) => boolean,
  cache: HuntCache,
  saved: SavedHunts,
): Promise<BatchChange> {
  const { parts, events, at } = decodeAll(records, isParked);
  const folds = await loadAll(parts, checkpoint, cache, saved);
  const parked: Parked[] = [];
  const good: HuntFold[] = [];
  for (const part of parts) {
    const fold = await foldOne(part, folds.get(part.huntId), checkpoint, cache, saved);
    if (fold !== undefined) good.push(fold);
    if (part.failure !== undefined) parked.push(parkedBy(part.huntId, part.failure, checkpoint, at));
  }
  const rows = good.map((fold) => fold.take());
  return {
    snapshots: rows.flatMap(({ snapshot }) => (snapshot === undefined ? [] : [snapshot])),
    players: rows.flatMap(({ players }) => players),
    treasures: rows.flatMap(({ treasures }) => treasures),
    parked,
    events,
    at,
    folds: good,
  };
}

export const parkedBy = (
  huntId: number,
  { version, error }: Failure,
  { generation }: Pick<Checkpoint, 'generation'>,
  at: number,
): Parked => ({
  huntId,
  kind: 'poison',
  generation,
  version,
  reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
  at,
});

function decodeAll(
  records: readonly LogRecord[],
  isParked: (huntId: number) => boolean,
): { parts: readonly Part[]; events: number; at: number } {
  const parts = new Map<number, Part>();
  let events = 0;
  for (const record of records) {
    const { kind, id } = record.stream;
    if (kind !== huntKind) continue;
    events += record.count;
    if (isParked(id)) continue;
    let part = parts.get(id);
    if (part === undefined) {
      part = { huntId: id, records: [], failure: undefined };
      parts.set(id, part);
    }
    if (part.failure !== undefined) continue;
    try {
      part.records.push(decodeHuntRecord(record));
    } catch (error) {
      part.failure = { version: record.version, error };
    }
  }
  return { parts: [...parts.values()], events, at: lastTimeOf(records) };
}

/** Of parked hunts too: it says how far the slot is, not what was folded. */
function lastTimeOf(records: readonly LogRecord[]): number {
  for (let i = records.length - 1; i >= 0; i--) {
    const record = records[i] as LogRecord;
    const at = record.stream.kind === huntKind ? timeOfLast(record) : undefined;
    if (at !== undefined) return at;
  }
  return 0;
}

/** Throws for what cannot be read, and for a record that is not what the log says of it. */
export function decodeHuntRecord(record: LogRecord): Decoded {
  const { events } = decodeRecord(record.bytes, huntActor.events);
  if (events.length !== record.count || events[0]?.version !== record.version)
    throw new ContradictionError(
      `the record of versions ${record.version} to ${record.version + record.count - 1} holds ${events.length} events from version ${events[0]?.version}`,
    );
  return { version: record.version, events };
}

/**
 * All hunts of the batch by two round trips: the snapshots that are not at hand, then the members that are touched. One
 * whose rows cannot be read is not among them, and its part has failed.
 */
async function loadAll(
  parts: readonly Part[],
  checkpoint: Checkpoint,
  cache: HuntCache,
  saved: SavedHunts,
): Promise<Map<number, HuntFold>> {
  const folds = new Map<number, HuntFold>();
  for (const { huntId } of parts) {
    const kept = cache.get(huntId);
    // It leaves the cache while it is worked upon: what is in there is as the tables have it.
    cache.drop(huntId);
    if (kept !== undefined) folds.set(huntId, kept);
  }
  const absent = parts.filter(({ huntId }) => !folds.has(huntId));
  const snapshots = absent.length === 0 ? [] : await saved.snapshots(absent.map(({ huntId }) => huntId));
  absent.forEach((part, i) => {
    tryFor(part, () => folds.set(part.huntId, begin(part.huntId, snapshots[i], checkpoint)));
  });

  const asked = parts.flatMap((part) => {
    const fold = folds.get(part.huntId);
    const memberIds = fold?.missing(part.records.flatMap(({ events }) => events)) ?? [];
    return fold === undefined || memberIds.length === 0 ? [] : [{ part, fold, memberIds }];
  });
  if (asked.length === 0) return folds;
  const answers = await saved.members(
    asked.map(({ fold, memberIds }) => ({ huntId: fold.huntId, generation: fold.generation, memberIds })),
  );
  asked.forEach(({ part, fold }, i) => {
    if (!tryFor(part, () => fold.supply(answers[i] ?? []))) folds.delete(part.huntId);
  });
  return folds;
}

/** Rows of before the slot's last rebuild are not built upon. */
function begin(huntId: number, snapshot: SavedSnapshot | undefined, checkpoint: Checkpoint): HuntFold {
  return snapshot === undefined || snapshot.generation < checkpoint.baseGeneration
    ? new HuntFold(huntId, checkpoint.generation)
    : new HuntFold(huntId, snapshot.generation, snapshot);
}

function tryFor(part: Part, run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch (error) {
    part.failure = { version: part.records[0]?.version ?? 0, error };
    return false;
  }
}

/**
 * Folding changes the state in place, so after a failure the hunt is read again: once to see whether its rows, rather than
 * what was kept in memory, are at fault, and once more to fold what came before the record that fails.
 */
async function foldOne(
  part: Part,
  kept: HuntFold | undefined,
  checkpoint: Checkpoint,
  cache: HuntCache,
  saved: SavedHunts,
): Promise<HuntFold | undefined> {
  if (kept === undefined) return undefined;
  if (applyAll(kept, part.records) === undefined) return kept;
  const again = await reload(part, checkpoint, cache, saved);
  if (again === undefined) return undefined;
  const failure = applyAll(again, part.records);
  if (failure === undefined) return again;
  part.failure = failure;
  const before = part.records.filter(({ version }) => version < failure.version);
  const good = await reload({ ...part, records: before }, checkpoint, cache, saved);
  return good === undefined || applyAll(good, before) !== undefined ? undefined : good;
}

async function reload(
  part: Part,
  checkpoint: Checkpoint,
  cache: HuntCache,
  saved: SavedHunts,
): Promise<HuntFold | undefined> {
  cache.drop(part.huntId);
  return (await loadAll([part], checkpoint, cache, saved)).get(part.huntId);
}

function applyAll(fold: HuntFold, records: readonly Decoded[]): Failure | undefined {
  for (const { version, events } of records) {
    try {
      fold.apply(events);
    } catch (error) {
      return { version, error };
    }
  }
  return undefined;
}
