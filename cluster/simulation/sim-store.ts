/**
 * The log's ordered store in memory, with LMDB's promises: a transaction is there whole or not at all, for this process and
 * after it was killed; a loss of power takes back what was not flushed yet, from the newest on.
 */
import type { KeyRange, OpenStore, Store, Table } from '../../runtime/log/embedded/store.ts';
import type { Seeded } from './seeded.ts';
import { type SimProcess, usPerMs } from './sim-process.ts';

/** Median of a commit and of a flush. */
const commitUs = 500;
const flushUs = 8 * usPerMs;

interface Change {
  readonly table: SimTable;
  readonly key: string;
  readonly value: Buffer | undefined;
}

/** Keys as latin1 text, which sorts as the bytes do. */
const text = (key: Buffer): string => key.toString('latin1');

class SimTable implements Table {
  readonly values = new Map<string, Buffer>();
  readonly #sorted: string[] = [];

  constructor(readonly store: SimStore) {}

  get(key: Buffer): Buffer | undefined {
    const value = this.values.get(text(key));
    return value === undefined ? undefined : Buffer.from(value);
  }

  *getRange({ start, end, reverse = false, limit = Number.POSITIVE_INFINITY }: KeyRange): Iterable<{
    key: Buffer;
    value: Buffer;
  }> {
    const keys = this.#sorted;
    const [from, to] = [text(start), text(end)];
    let left = limit;
    let at = lowerBound(keys, from);
    if (reverse && keys[at] !== from) at--;
    for (; left > 0; at += reverse ? -1 : 1) {
      const key = keys[at];
      if (key === undefined || (reverse ? key <= to : key >= to)) return;
      left--;
      yield { key: Buffer.from(key, 'latin1'), value: Buffer.from(this.values.get(key) as Buffer) };
    }
  }

  put(key: Buffer, value: Buffer): void {
    this.store.change({ table: this, key: text(key), value: Buffer.from(value) });
  }

  remove(key: Buffer): void {
    this.store.change({ table: this, key: text(key), value: undefined });
  }

  set(key: string, value: Buffer | undefined): void {
    if (value !== undefined) {
      if (!this.values.has(key)) this.#sorted.splice(lowerBound(this.#sorted, key), 0, key);
      this.values.set(key, value);
    } else if (this.values.delete(key)) this.#sorted.splice(lowerBound(this.#sorted, key), 1);
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One folder's store: outlives its processes. */
class SimStore {
  readonly tables = new Map<string, SimTable>();
  #writing: Change[] | undefined;
  /** How to take back what is not flushed, newest last. */
  #undo: Change[][] = [];

  table(name: string): SimTable {
    let table = this.tables.get(name);
    if (table === undefined) {
      table = new SimTable(this);
      this.tables.set(name, table);
    }
    return table;
  }

  change(change: Change): void {
    if (this.#writing === undefined) throw new Error('a write outside of a transaction');
    this.#writing.push(change);
  }

  collect(puts: () => void): readonly Change[] {
    const changes: Change[] = [];
    this.#writing = changes;
    try {
      puts();
    } finally {
      this.#writing = undefined;
    }
    return changes;
  }

  commit(changes: readonly Change[]): void {
    const undo: Change[] = [];
    for (const { table, key, value } of changes) {
      undo.push({ table, key, value: table.values.get(key) });
      table.set(key, value);
    }
    this.#undo.push(undo);
  }

  flushedUpTo(commits: number): void {
    this.#undo.splice(0, commits);
  }

  get unflushed(): number {
    return this.#undo.length;
  }

  losePower(keep: number): void {
    for (const undo of this.#undo.splice(keep).reverse())
      for (const { table, key, value } of undo.reverse()) table.set(key, value);
    this.#undo = [];
  }
}

export class SimStores {
  readonly #stores = new Map<string, SimStore>();

  constructor(readonly chance: Seeded) {}

  /** What a folder of that process opens. */
  of(process: SimProcess): { openStore: OpenStore; removeStore(folder: string): Promise<void> } {
    return {
      openStore: (folder) => this.#open(process, folder),
      removeStore: async (folder) => void this.#stores.delete(folder),
    };
  }

  losePower(): void {
    for (const store of this.#stores.values()) store.losePower(this.chance.int(store.unflushed + 1));
  }

  /** Everything that a folder holds is gone: somebody deleted it. */
  remove(folder: string): void {
    this.#stores.delete(folder);
  }

  #open(process: SimProcess, folder: string): Store {
    let store = this.#stores.get(folder);
    if (store === undefined) {
      store = new SimStore();
      this.#stores.set(folder, store);
    }
    return new OpenedStore(process, store, this.chance);
  }
}

class OpenedStore implements Store {
  /** Commits are in order, and so are flushes. */
  #last: Promise<void> = Promise.resolve();
  #flushing: Promise<void> = Promise.resolve();

  constructor(
    readonly process: SimProcess,
    readonly store: SimStore,
    readonly chance: Seeded,
  ) {}

  table(name: string): Table {
    return this.store.table(name);
  }

  batch(puts: () => void): Promise<void> {
    const changes = this.store.collect(puts);
    return this.#next(() => this.store.commit(changes));
  }

  transaction(puts: () => void): Promise<void> {
    return this.#next(() => this.store.commit(this.store.collect(puts)));
  }

  flushed(): Promise<void> {
    return this.#flushing;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#flushing;
  }

  #next(run: () => void): Promise<void> {
    const before = this.#last;
    this.#last = (async () => {
      await before.catch(() => undefined);
      await this.#wait(commitUs);
      run();
      this.#flush();
    })();
    return this.#last;
  }

  #flush(): void {
    const before = this.#flushing;
    this.#flushing = (async () => {
      await before;
      const { unflushed } = this.store;
      if (unflushed === 0) return;
      await this.#wait(flushUs);
      this.store.flushedUpTo(unflushed);
    })();
  }

  #wait(us: number): Promise<void> {
    return new Promise((resolve) => this.process.later(this.chance.wait(us), 'store', resolve));
  }
}
