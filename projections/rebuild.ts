import { type Position, type Slot, slotCount } from '../proto/ids.ts';
import type { EventLog } from '../runtime/log/event-log.ts';
import { checkpointOf, readCheckpoint, startRebuild, unparkSlot } from './checkpoint.ts';
import type { Connection } from './connection.ts';
import { countSnapshots } from './hunt-rows.ts';
import { newsChannel } from './ownership.ts';
import { Primary } from './primary.ts';
import { Projector, type ProjectorOptions } from './projector.ts';
import { Backoff, Rest } from './rest.ts';
import { ensureSchema } from './schema.ts';
import { sentenceOf } from './sql-fault.ts';
import type { Statement } from './statement.ts';

/**
 * Makes all rows anew while play and projectors go on. Each checkpoint is set back to the beginning under a new generation,
 * and the projectors do the rest: nobody builds upon rows of earlier generations, which stay until they are replaced; the
 * list shows a slot as it was until the slot has come to where the log ended. One more projector helps for the time. If this
 * process dies, those that remain finish the work.
 */
export interface RebuildProgress {
  /** From 0 to 1. */
  readonly done: number;
  readonly events: number;
}
export interface RebuildResult {
  readonly hunts: number;
  readonly events: number;
  readonly seconds: number;
}

export type RebuildOptions = Omit<ProjectorOptions, 'log' | 'logName'> & {
  readonly log: Pick<EventLog, 'ends' | 'read' | 'readSlot'>;
};

/** The rows cannot be made anew from what there is. */
export class RebuildFault extends Error {
  override readonly name = 'RebuildFault';
}

const lookMs = 250;
const retryFirstMs = 100;
const retryMaxMs = 2_000;
const slots: readonly Slot[] = Array.from({ length: slotCount }, (_, slot) => slot as Slot);

export async function rebuildAll(
  options: RebuildOptions,
  progress: (progress: RebuildProgress) => void = () => {},
): Promise<RebuildResult> {
  const began = options.clock.monotonic();
  const primary = new Primary(options.pgUrls);
  await requestRebuild(options, primary);
  const projector = new Projector(options);
  try {
    const { hunts, events } = await untilRebuilt(options, primary, projector, progress);
    return { hunts, events, seconds: (options.clock.monotonic() - began) / 1000 };
  } finally {
    await projector.stop();
  }
}

/** From here on it is the projectors' work, whatever becomes of this process. */
export async function requestRebuild(options: Pick<RebuildOptions, 'log'>, primary: Primary): Promise<void> {
  await checkHistory(options.log);
  const connection = await primary.connect();
  try {
    await ensureSchema(connection, { adopt: true });
    const ends = await options.log.ends();
    for (const slot of slots) {
      await transact(connection, [startRebuild(slot, ends[slot] ?? (0 as Position)), unparkSlot(slot)]);
    }
    await tellProjectors(connection, 'all');
  } finally {
    connection.close();
  }
}

/** Nothing is set back that could not be made again. */
async function checkHistory(log: Pick<EventLog, 'readSlot'>): Promise<void> {
  for (const slot of slots) {
    const { oldest } = await log.readSlot(slot, 0 as Position, 1);
    if (oldest > 0)
      throw new RebuildFault(
        `the history of slot ${slot} before position ${oldest} is neither in the log nor in the archive: restore the archive first; nothing was changed`,
      );
  }
}

async function untilRebuilt(
  options: RebuildOptions,
  primary: Primary,
  projector: Projector,
  progress: (progress: RebuildProgress) => void,
): Promise<{ hunts: number; events: number }> {
  const { timers, random, journal } = options;
  const rest = new Rest(timers);
  const backoff = new Backoff(random, retryFirstMs, retryMaxMs);
  let connection: Connection | undefined;
  try {
    for (;;) {
      const [fault] = projector.state().faults;
      if (fault !== undefined) throw new RebuildFault(fault.message);
      try {
        if (connection?.isOpen !== true) connection = await primary.connect();
        const { pending, events } = await look(connection);
        progress({ done: 1 - pending / slotCount, events });
        if (pending === 0 && projector.state().isListed)
          return { events, hunts: await sumOf(connection, countSnapshots, 'hunts') };
        backoff.reset();
        await rest.for(lookMs);
      } catch (error) {
        connection?.close();
        journal.warn({ fault: sentenceOf(error) }, 'the rebuild waits for PostgreSQL');
        await rest.for(backoff.next());
      }
    }
  } finally {
    connection?.close();
  }
}

async function look(connection: Connection): Promise<{ pending: number; events: number }> {
  const answers = await connection.run(slots.map(readCheckpoint));
  const checkpoints = answers.map(({ rows }, slot) => checkpointOf(slot as Slot, rows[0]));
  return {
    pending: checkpoints.filter((checkpoint) => checkpoint === undefined || checkpoint.rebuildTo !== undefined).length,
    events: checkpoints.reduce((sum, checkpoint) => sum + (checkpoint?.events ?? 0), 0),
  };
}

async function sumOf(connection: Connection, ask: (slot: Slot) => Statement, column: string): Promise<number> {
  const answers = await connection.run(slots.map(ask));
  return answers.reduce((sum, { rows }) => sum + Number(rows[0]?.[column] ?? 0), 0);
}

export async function transact(connection: Connection, statements: readonly Statement[]): Promise<void> {
  try {
    await connection.run([{ text: 'BEGIN', values: [] }, ...statements]);
    await connection.one({ text: 'COMMIT', values: [] });
  } catch (error) {
    await connection.rollBack();
    throw error;
  }
}

/** Projectors that have nothing to do would not look at their checkpoints. */
export async function tellProjectors(connection: Connection, what: Slot | 'all'): Promise<void> {
  await connection.one({ text: 'SELECT pg_notify($1, $2)', values: [newsChannel, String(what)] });
}
