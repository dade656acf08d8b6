/**
 * The version vector: how many of a stream's events each `node@incarnation` sequenced. Its sum is the version; along a
 * log the vectors form a chain, and two that cannot be compared prove a fork (I2).
 */
export interface VectorEntry {
  node: string;
  count: number;
}

/** Entries of one vector, the folded ones' `_` included. */
export const vectorEntriesMax = 16;
export const foldedKey = '_';

export class VersionVector {
  /** Sorted by node. */
  #entries: VectorEntry[] = [];
  #last: VectorEntry | undefined;

  constructor(entries: readonly VectorEntry[] = []) {
    this.reset(entries);
  }

  reset(entries: readonly VectorEntry[]): void {
    this.#entries = entries.map(({ node, count }) => ({ node, count }));
    this.#last = undefined;
  }

  /** One more event of `node`. A new key that finds no room first folds the oldest into `_`, which keeps the sum. */
  raise(node: string): void {
    if (this.#last?.node !== node) this.#last = this.#entries.find((entry) => entry.node === node) ?? this.#add(node);
    this.#last.count++;
  }

  /** A copy, for an event. */
  entries(): VectorEntry[] {
    return this.#entries.map(({ node, count }) => ({ node, count }));
  }

  sum(): number {
    let sum = 0;
    for (const entry of this.#entries) sum += entry.count;
    return sum;
  }

  #add(node: string): VectorEntry {
    while (this.#entries.length >= vectorEntriesMax) this.#foldOldest();
    const entry = { node, count: 0 };
    this.#insert(entry);
    return entry;
  }

  #foldOldest(): void {
    let oldest: VectorEntry | undefined;
    for (const entry of this.#entries) {
      if (entry.node !== foldedKey && (oldest === undefined || isOlder(entry.node, oldest.node))) oldest = entry;
    }
    if (oldest === undefined) return;
    this.#entries.splice(this.#entries.indexOf(oldest), 1);
    const folded = this.#entries.find((entry) => entry.node === foldedKey);
    if (folded === undefined) this.#insert({ node: foldedKey, count: oldest.count });
    else folded.count += oldest.count;
  }

  #insert(entry: VectorEntry): void {
    const at = this.#entries.findIndex((other) => other.node > entry.node);
    this.#entries.splice(at === -1 ? this.#entries.length : at, 0, entry);
  }
}

function isOlder(a: string, b: string): boolean {
  const difference = incarnationOf(a) - incarnationOf(b);
  return difference < 0 || (difference === 0 && a < b);
}

function incarnationOf(node: string): number {
  const incarnation = Number(node.slice(node.lastIndexOf('@') + 1));
  return Number.isFinite(incarnation) ? incarnation : 0;
}

/**
 * Gives every event of one record its whole vector: the first bears it, each later one stands for one more of `owner`.
 * `events` must be all events of the record, in order; they are changed in place and returned.
 */
export function expandVectors<E extends { vector: VectorEntry[] }>(events: readonly E[], owner: string): readonly E[] {
  const vector = new VersionVector(events[0]?.vector ?? []);
  for (let i = 1; i < events.length; i++) {
    vector.raise(owner);
    (events[i] as E).vector = vector.entries();
  }
  return events;
}
