/**
 * The ordered store under index and pages: LMDB, in the log process alone. A port with as much of LMDB as they use, so that a
 * simulation can keep it in memory and lose its unsynced end. Nothing in it is the truth (I8).
 */
import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Database, open } from 'lmdb';
import { systemClock } from '../../kernel/clock.ts';
import { systemTimers } from '../../kernel/timer.ts';
import { noSpace, storeRoomBytes } from './disk.ts';

export interface KeyRange {
  readonly start: Buffer;
  /** Not in the range. */
  readonly end: Buffer;
  /** From `start` downwards. */
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** Keys in the order of their bytes. What is read was committed; `put` and `remove` stand in a {@link Store.batch} or transaction. */
export interface Table {
  get(key: Buffer): Buffer | undefined;
  getRange(range: KeyRange): Iterable<{ readonly key: Buffer; readonly value: Buffer }>;
  put(key: Buffer, value: Buffer): unknown;
  remove(key: Buffer): unknown;
}

export interface Store {
  table(name: string): Table;
  /** What `puts` writes is committed as a whole; resolves when every later read sees it. */
  batch(puts: () => void): Promise<void>;
  /** As {@link batch}, but `puts` runs in the transaction: its reads see all that was committed before. */
  transaction(puts: () => void): Promise<void>;
  /** Resolves when what was committed so far survives power loss. */
  flushed(): Promise<void>;
  close(): Promise<void>;
}

export type OpenStore = (folder: string) => Store;

const tablesMax = 4;
const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
/** After a commit that failed, so long none is tried: whoever saves tries again and again, and LMDB says each failure on stderr. */
const restMs = 1_000;
/** LMDB resolves nothing that waits for the disk after a commit that failed. */
const flushedMsMax = 10_000;
const closeMsMax = 2_000;

export const openLmdb: OpenStore = (folder) => {
  if (!existsSync(folder)) checkRoom(dirname(folder));
  // A batch of its own a turn, which LMDB makes unless told not to, is a promise that nobody holds: its failure would end the process.
  const settings = { maxDbs: tablesMax, separateFlushed: true, noSubdir: false, eventTurnBatching: false };
  const env = open({ path: folder, ...settings, ...binary });
  const tables: Database<Buffer, Buffer>[] = [];
  let failed: { readonly error: Error; readonly at: number } | undefined;
  // LMDB keeps one snapshot for all reads of a turn: without a new one, a read in the turn of the commit would not see it.
  const committed = (): void => {
    env.resetReadTxn();
    for (const table of tables) table.resetReadTxn();
  };
  const commit = async (write: () => Promise<unknown>): Promise<void> => {
    checkRoom(folder);
    if (failed !== undefined && systemClock.monotonic() - failed.at < restMs) throw failed.error;
    try {
      await write();
    } catch (error) {
      const cause = await causeOf(error);
      if (cause === undefined) throw error;
      failed = { error: cause, at: systemClock.monotonic() };
      throw cause;
    }
    failed = undefined;
    committed();
  };
  return {
    table(name) {
      const table = env.openDB<Buffer, Buffer>(name, binary);
      tables.push(table);
      return table;
    },
    batch: (puts) => commit(() => env.batch(puts)),
    transaction: (puts) => commit(() => env.transaction(puts)),
    async flushed() {
      if (await isLate(env.flushed, flushedMsMax)) throw new Error(`${folder} does not reach the disk`);
    },
    async close() {
      if (failed === undefined) await isLate(env.flushed, closeMsMax);
      await isLate(env.close(), closeMsMax);
    },
  };
};

/** Throws where a commit might find no space: see {@link storeRoomBytes}. Whoever else fills the disk at that moment is not foreseen. */
function checkRoom(folder: string): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < storeRoomBytes) throw noSpace(bavail * bsize, storeRoomBytes);
}

/** What LMDB met when it committed; undefined: it is another fault. */
async function causeOf(error: unknown): Promise<Error | undefined> {
  const { commitError } = error as { commitError?: Promise<never> };
  if (commitError === undefined) return undefined;
  return await commitError.catch((met: Error) => met);
}

async function isLate(work: Promise<unknown>, ms: number): Promise<boolean> {
  let cancel = (): void => {};
  const late = new Promise<boolean>((resolve) => {
    cancel = systemTimers.after(ms, () => resolve(true));
  });
  return await Promise.race([work.then(() => false), late]).finally(cancel);
}
