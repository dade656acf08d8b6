import type { Position, Slot } from '../proto/ids.ts';
import type { EventLog, LogRecord, SlotPage } from '../runtime/log/event-log.ts';
import { type BatchChange, foldBatch, huntKind, parkedBy } from './batch-fold.ts';
import {
  advance,
  type Checkpoint,
  checkpointOf,
  endRebuild,
  type Parked,
  park,
  parkedOf,
  readCheckpoint,
  readParked,
} from './checkpoint.ts';
import type { Connection } from './connection.ts';
import type { HuntCache } from './hunt-cache.ts';
import { dropLeftOvers, writePlayers, writeSnapshots, writeTreasures } from './hunt-rows.ts';
import { savedHunts } from './saved-hunts.ts';
import { faultOf, sentenceOf } from './sql-fault.ts';
import type { Statement } from './statement.ts';

/**
 * One slot on its way from the log into its rows: a batch is read from the checkpoint on, folded, and written in one
 * transaction with the checkpoint itself.
 *
 * Owns: what it knows of the slot's checkpoint and parked hunts. Keeps: the checkpoint moves only from where it was read, so
 * nothing is lost or written twice, whoever else believes to own the slot. After any fault it is made anew from the rows.
 */
export class SlotFault extends Error {
  override readonly name = 'SlotFault';
}

/** Records of one batch; folded they may take twenty times as much. */
export const batchBytesMax = 1024 * 1024;

export type BatchOutcome =
  /** `caughtUp`: the log held no more when it was read. */
  | { readonly kind: 'applied'; readonly change: BatchChange; readonly from: Position; readonly caughtUp: boolean }
  | { readonly kind: 'idle' }
  /** Somebody else has moved the checkpoint. */
  | { readonly kind: 'stale' };

export class SlotWriter {
  #checkpoint: Checkpoint;
  readonly #parked: Map<number, Parked>;
  /** PostgreSQL refused values of a batch that ends there: record by record until then, to find whose they are. */
  #narrowTo: Position | undefined;
  #catchUpTo: Position | undefined;

  private constructor(checkpoint: Checkpoint, parked: readonly Parked[]) {
    this.#checkpoint = checkpoint;
    this.#parked = new Map(parked.map((one) => [one.huntId, one]));
  }

  /** Undefined: there is no such row, the schema is to be made again. */
  static async open(connection: Connection, slot: Slot): Promise<SlotWriter | undefined> {
    const [found, parked] = await connection.run([readCheckpoint(slot), readParked(slot)]);
    const checkpoint = checkpointOf(slot, found?.rows[0]);
    return checkpoint === undefined ? undefined : new SlotWriter(checkpoint, (parked?.rows ?? []).map(parkedOf));
  }

  get checkpoint(): Checkpoint {
    return this.#checkpoint;
  }
  get parked(): readonly Parked[] {
    return [...this.#parked.values()];
  }
  /** The rows are as young as the log was when this began: what they say may be shown. */
  get hasCaughtUp(): boolean {
    const { position, rebuildTo } = this.#checkpoint;
    return this.#catchUpTo !== undefined && position >= Math.max(this.#catchUpTo, rebuildTo ?? 0);
  }

  async next(log: Pick<EventLog, 'readSlot'>, connection: Connection, cache: HuntCache): Promise<BatchOutcome> {
    const { slot, position } = this.#checkpoint;
    const page = await log.readSlot(slot, position, batchBytesMax);
    this.#check(page);
    this.#catchUpTo ??= page.end;
    if (page.next <= position) return { kind: 'idle' };
    const { records, next } = this.#narrowed(page);
    let change = await foldBatch(
      records,
      this.#checkpoint,
      (huntId) => this.#parked.has(huntId),
      cache,
      savedHunts(connection),
    );
    let isWritten: boolean;
    try {
      isWritten = await this.#write(connection, change, next);
    } catch (error) {
      if (faultOf(error) !== 'data') throw error;
      if (records.length > 1) {
        this.#narrowTo = page.next;
        return await this.next(log, connection, cache);
      }
      change = this.#refused(records, change, error);
      isWritten = await this.#write(connection, change, next);
    }
    if (!isWritten) return { kind: 'stale' };
    for (const fold of change.folds) cache.put(fold);
    for (const parked of change.parked) this.#parked.set(parked.huntId, parked);
    const events = this.#checkpoint.events + change.events;
    this.#checkpoint = { ...this.#checkpoint, position: next, events };
    if (this.#narrowTo !== undefined && next >= this.#narrowTo) this.#narrowTo = undefined;
    return { kind: 'applied', change, from: position, caughtUp: next >= page.end };
  }

  /** What no retry mends. */
  #check({ end, oldest }: SlotPage): void {
    const { slot, position } = this.#checkpoint;
    const remedy = 'then make the rows anew: hunt projections rebuild --all';
    if (position > end)
      throw new SlotFault(
        `slot ${slot}: the rows are of position ${position} and the log ends at ${end}: it is another log, or has lost its end. If this log is the right one, ${remedy}`,
      );
    if (position < oldest)
      throw new SlotFault(
        `slot ${slot}: the rows are of position ${position} and neither log nor archive reaches further back than ${oldest}: restore the archive, ${remedy}`,
      );
  }

  #narrowed({ records, next }: SlotPage): { records: readonly LogRecord[]; next: Position } {
    const [first, second] = records;
    if (this.#narrowTo === undefined || first === undefined) return { records, next };
    return { records: [first], next: second?.position ?? next };
  }

  /** The one record whose values PostgreSQL refuses parks its hunt. */
  #refused(records: readonly LogRecord[], change: BatchChange, error: unknown): BatchChange {
    const parked = records
      .filter(({ stream }) => stream.kind === huntKind)
      .map(({ stream, version }) =>
        parkedBy(stream.id, { version, error: sentenceOf(error) }, this.#checkpoint, change.at),
      );
    return { ...change, snapshots: [], players: [], treasures: [], folds: [], parked };
  }

  async #write(connection: Connection, change: BatchChange, next: Position): Promise<boolean> {
    const { events, at, snapshots, players, treasures, parked } = change;
    return await this.#transact(connection, [
      // First: whoever is too late waits here, or learns it before it has written anything.
      advance(this.#checkpoint, next, events, at),
      ...writeSnapshots(snapshots),
      ...writePlayers(players),
      ...writeTreasures(treasures),
      ...parked.map(park),
    ]);
  }

  /** After a rebuild: rows that the log does not know go, and the slot counts as rebuilt. */
  async finishRebuild(connection: Connection): Promise<boolean> {
    const { rebuildTo, position, baseGeneration } = this.#checkpoint;
    if (rebuildTo === undefined || position < rebuildTo) return true;
    const { slot } = this.#checkpoint;
    const isDone = await this.#transact(connection, [
      endRebuild(this.#checkpoint),
      ...dropLeftOvers(slot, baseGeneration),
    ]);
    if (isDone) this.#checkpoint = { ...this.#checkpoint, rebuildTo: undefined };
    return isDone;
  }

  /** The first statement must find its row, else nothing is done. */
  async #transact(connection: Connection, statements: readonly Statement[]): Promise<boolean> {
    try {
      const answers = await connection.run([{ text: 'BEGIN', values: [] }, ...statements]);
      if (answers[1]?.count !== 1) {
        await connection.rollBack();
        return false;
      }
      await connection.one({ text: 'COMMIT', values: [] });
      return true;
    } catch (error) {
      await connection.rollBack();
      throw error;
    }
  }
}
