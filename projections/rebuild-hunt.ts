import { type Slot, type StreamId, slotOf, type Version } from '../proto/ids.ts';
import type { LogRecord } from '../runtime/log/event-log.ts';
import { decodeHuntRecord, huntKind, parkedBy } from './batch-fold.ts';
import { catalogRowOf, writeCatalog } from './catalog-rows.ts';
import { checkpointOf, holdParked, lockCheckpoint, park, raiseGeneration, unpark } from './checkpoint.ts';
import type { Connection } from './connection.ts';
import { huntBytesMax } from './hunt-cache.ts';
import { HuntFold } from './hunt-fold.ts';
import { dropLeftOvers, type SnapshotRow, writePlayers, writeSnapshots, writeTreasures } from './hunt-rows.ts';
import { Primary } from './primary.ts';
import {
  RebuildFault,
  type RebuildOptions,
  type RebuildProgress,
  type RebuildResult,
  tellProjectors,
  transact,
} from './rebuild.ts';
import { savedHunts } from './saved-hunts.ts';
import { ensureSchema } from './schema.ts';
import type { Statement } from './statement.ts';

/**
 * Makes the rows of one hunt anew from its stream, beside the projectors: the hunt is parked meanwhile, so that they pass its
 * events over; at the end its slot stands still for the moment in which the last events are folded, and takes it back. The
 * remedy for a hunt that was parked.
 */
const pageBytes = 1024 * 1024;

export async function rebuildHunt(
  options: RebuildOptions,
  huntId: number,
  progress: (progress: RebuildProgress) => void = () => {},
): Promise<RebuildResult> {
  const began = options.clock.monotonic();
  const stream: StreamId = { kind: huntKind, id: huntId };
  const { head, oldest } = await options.log.read(stream, 1 as Version, 1);
  if (head === 0) throw new RebuildFault(`there is no hunt ${huntId} in the log`);
  if (oldest > 1)
    throw new RebuildFault(
      `the events of hunt ${huntId} before version ${oldest} are neither in the log nor in the archive: restore the archive first; nothing was changed`,
    );
  const connection = await new Primary(options.pgUrls).connect();
  try {
    await ensureSchema(connection);
    const rebuild = await HuntRebuild.begin(connection, options.log, stream);
    await rebuild.run((version) => progress({ done: version / Math.max(head, version), events: version }));
    return { hunts: 1, events: rebuild.version, seconds: (options.clock.monotonic() - began) / 1000 };
  } finally {
    connection.close();
  }
}

/** An event of the hunt that cannot be read or folded. */
class PoisonError extends Error {
  override readonly name = 'PoisonError';
  constructor(
    readonly version: Version,
    readonly error: unknown,
  ) {
    super(`version ${version} cannot be folded`);
  }
}

class HuntRebuild {
  readonly #slot: Slot;
  #fold: HuntFold;
  #snapshot: SnapshotRow | undefined;

  private constructor(
    readonly connection: Connection,
    readonly log: RebuildOptions['log'],
    readonly stream: StreamId,
    readonly generation: number,
  ) {
    this.#slot = slotOf(stream.id);
    this.#fold = new HuntFold(stream.id, generation);
  }

  /** From here on the projectors pass the hunt over, and an earlier rebuild of it gets no further. */
  static async begin(connection: Connection, log: RebuildOptions['log'], stream: StreamId): Promise<HuntRebuild> {
    const slot = slotOf(stream.id);
    const generation = (await lock(connection, slot)) + 1;
    const parked = { huntId: stream.id, kind: 'rebuild' as const, generation, version: 1, at: 0 };
    await commit(connection, [raiseGeneration(slot), park({ ...parked, reason: 'its rows are being made anew' })]);
    await tellProjectors(connection, slot);
    return new HuntRebuild(connection, log, stream, generation);
  }

  get version(): number {
    return this.#fold.version;
  }

  async run(progress: (version: number) => void): Promise<void> {
    try {
      await this.#foldUpTo(Number.POSITIVE_INFINITY, progress);
      await this.#finish();
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      await this.#giveUp(error);
    } finally {
      const listed = this.#snapshot === undefined ? [] : writeCatalog([catalogRowOf(this.#snapshot)]);
      if (this.connection.isOpen) await this.connection.run(listed);
    }
    progress(this.version);
  }

  async #foldUpTo(last: number, progress: (version: number) => void): Promise<void> {
    for (let more = true; more; ) {
      const { records, next } = await this.log.read(this.stream, (this.version + 1) as Version, pageBytes);
      more = next !== undefined && next <= last;
      await this.#apply(records.filter(({ version }) => version <= last));
      await this.#write();
      progress(this.version);
    }
  }

  async #apply(records: readonly LogRecord[]): Promise<void> {
    for (const record of records) {
      let events: ReturnType<typeof decodeHuntRecord>['events'];
      try {
        ({ events } = decodeHuntRecord(record));
      } catch (error) {
        throw new PoisonError(record.version, error);
      }
      const memberIds = this.#fold.missing(events);
      const asked = { huntId: this.stream.id, generation: this.generation, memberIds };
      const [rows] = memberIds.length === 0 ? [] : await savedHunts(this.connection).members([asked]);
      try {
        this.#fold.supply(rows ?? []);
        this.#fold.apply(events);
      } catch (error) {
        throw new PoisonError(record.version, error);
      }
    }
  }

  /** The rows are made up to the event before; the hunt stays parked, by its own fault now. */
  async #giveUp({ version, error }: PoisonError): Promise<never> {
    this.#fold = new HuntFold(this.stream.id, this.generation);
    await this.#foldUpTo(version - 1, () => {});
    const parked = parkedBy(this.stream.id, { version, error }, { generation: this.generation }, 0);
    await transact(this.connection, [park(parked), ...dropLeftOvers(this.#slot, this.generation, this.stream.id)]);
    await tellProjectors(this.connection, this.#slot);
    throw new RebuildFault(`hunt ${this.stream.id} stays parked at version ${version}: ${parked.reason}`);
  }

  async #write(): Promise<void> {
    const isOurs = await this.#held([holdParked(this.stream.id, this.generation, this.version + 1), ...this.#rows()]);
    if (!isOurs) throw this.#overtaken();
    if (this.#fold.bytes > huntBytesMax) this.#fold.forgetMembers();
  }

  #rows(): Statement[] {
    const { snapshot, players, treasures } = this.#fold.take();
    if (snapshot !== undefined) this.#snapshot = snapshot;
    return [
      ...writeSnapshots(snapshot === undefined ? [] : [snapshot]),
      ...writePlayers(players),
      ...writeTreasures(treasures),
    ];
  }

  /** The slot stands still: what its checkpoint has passed is in the log, and all of that is folded before it moves again. */
  async #finish(): Promise<void> {
    await lock(this.connection, this.#slot);
    try {
      for (let more = true; more; ) {
        const { records, next } = await this.log.read(this.stream, (this.version + 1) as Version, pageBytes);
        more = next !== undefined;
        await this.#apply(records);
      }
      const [unparked] = await this.connection.run([
        unpark(this.stream.id, this.generation),
        raiseGeneration(this.#slot),
        ...this.#rows(),
        ...dropLeftOvers(this.#slot, this.generation, this.stream.id),
      ]);
      if (unparked?.count !== 1) throw this.#overtaken();
      await this.connection.one({ text: 'COMMIT', values: [] });
    } catch (error) {
      await this.connection.rollBack();
      throw error;
    }
    await tellProjectors(this.connection, this.#slot);
  }

  async #held(statements: readonly Statement[]): Promise<boolean> {
    try {
      const answers = await this.connection.run([{ text: 'BEGIN', values: [] }, ...statements]);
      const isOurs = answers[1]?.count === 1;
      await this.connection.one({ text: isOurs ? 'COMMIT' : 'ROLLBACK', values: [] });
      return isOurs;
    } catch (error) {
      await this.connection.rollBack();
      throw error;
    }
  }

  #overtaken(): RebuildFault {
    return new RebuildFault(`another rebuild has taken hunt ${this.stream.id} over: leave it to that one`);
  }
}

/** Begins a transaction in which the slot's checkpoint stands still. Returns the slot's generation. */
async function lock(connection: Connection, slot: Slot): Promise<number> {
  const [, answer] = await connection.run([{ text: 'BEGIN', values: [] }, lockCheckpoint(slot)]);
  const checkpoint = checkpointOf(slot, answer?.rows[0]);
  if (checkpoint !== undefined) return checkpoint.generation;
  await connection.rollBack();
  throw new RebuildFault(`slot ${slot} has no checkpoint`);
}

async function commit(connection: Connection, statements: readonly Statement[]): Promise<void> {
  try {
    await connection.run(statements);
    await connection.one({ text: 'COMMIT', values: [] });
  } catch (error) {
    await connection.rollBack();
    throw error;
  }
}
