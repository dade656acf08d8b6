/**
 * The ordered store under index and pages: LMDB, in the log process alone. A port with as much of LMDB as they use, so that a
 * simulation can keep it in memory and lose its unsynced end. Nothing in it is the truth (I8).
 */
import { type Database, open } from 'lmdb';

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

export const openLmdb: OpenStore = (folder) => {
  const env = open({ path: folder, maxDbs: tablesMax, separateFlushed: true, noSubdir: false, ...binary });
  const tables: Database<Buffer, Buffer>[] = [];
  // LMDB keeps one snapshot for all reads of a turn: without a new one, a read in the turn of the commit would not see it.
  const committed = (): void => {
    env.resetReadTxn();
    for (const table of tables) table.resetReadTxn();
  };
  return {
    table(name) {
      const table = env.openDB<Buffer, Buffer>(name, binary);
      tables.push(table);
      return table;
    },
    async batch(puts) {
      await env.batch(puts);
      committed();
    },
    async transaction(puts) {
      await env.transaction(puts);
      committed();
    },
    async flushed() {
      await env.flushed;
    },
    async close() {
      await env.flushed;
      await env.close();
    },
  };
};
