/**
 * What is to happen, in the order of simulated time (whole microseconds). Owns the agenda of the whole world and the
 * present time; does not own who runs what: an entry's owner decides whether it may run now (it may have crashed, or be
 * stopped). Two entries of one time run in the order in which they were made, so the order is a function of the seed.
 */
export interface Owner {
  readonly name: string;
  /** run: now. later: keep it until the owner asks for it. never: the owner that made it is gone. */
  admit(entry: Entry): 'run' | 'later' | 'never';
}

export interface Entry {
  readonly at: number;
  readonly order: number;
  readonly owner: Owner | undefined;
  /** The owner's life in which it was made. */
  readonly life: number;
  readonly what: string;
  readonly run: () => void;
  isCancelled: boolean;
}

export class Schedule {
  readonly #heap: Entry[] = [];
  #order = 0;
  now = 0;

  get size(): number {
    return this.#heap.length;
  }

  at(at: number, what: string, run: () => void, owner?: Owner, life = 0): Entry {
    const entry: Entry = {
      at: Math.max(this.now, Math.round(at)),
      order: this.#order++,
      owner,
      life,
      what,
      run,
      isCancelled: false,
    };
    this.#push(entry);
    return entry;
  }

  after(us: number, what: string, run: () => void, owner?: Owner, life = 0): Entry {
    return this.at(this.now + us, what, run, owner, life);
  }

  /** The next entry that runs, with the time set to it; undefined when nothing is left up to `until`. */
  next(until: number): Entry | undefined {
    for (let top = this.#heap[0]; top !== undefined && top.at <= until; top = this.#heap[0]) {
      this.#pop();
      if (top.isCancelled) continue;
      this.now = top.at;
      const admitted = top.owner?.admit(top) ?? 'run';
      if (admitted === 'run') return top;
    }
    this.now = until;
    return undefined;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, heap[parent] as Entry)) break;
      heap[at] = heap[parent] as Entry;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Entry, heap[child] as Entry)) child++;
      if (!before(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
