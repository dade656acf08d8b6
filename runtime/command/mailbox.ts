/**
 * The commands that wait for one activation, in the order in which they came (I5: bounded by its holder).
 *
 * A command that waits for a page or for an earlier event holds back the later ones of its own lane (its player), and
 * nobody else's.
 */
export interface Waiting {
  /** Whose order it is part of; empty for reads, which have none. */
  readonly lane: string;
  /** Loads that it waits for. */
  blocked: number;
}

/** taken: it is done with; held: it stays, and its lane with it; stop: it stays, and the turn ends. */
export type Take = 'taken' | 'held' | 'stop';

export class Mailbox<W extends Waiting> {
  #entries: W[] = [];

  get size(): number {
    return this.#entries.length;
  }

  push(entry: W): void {
    this.#entries.push(entry);
  }

  /** Offers the entries that do not wait, in order, to `take`, until it says stop. */
  offer(take: (entry: W) => Take): void {
    const entries = this.#entries;
    let heldLanes: Set<string> | undefined;
    let kept = 0;
    let i = 0;
    for (; i < entries.length; i++) {
      const entry = entries[i] as W;
      if (entry.blocked === 0 && (heldLanes === undefined || !heldLanes.has(entry.lane))) {
        const taken = take(entry);
        if (taken === 'taken') continue;
        if (taken === 'stop') break;
      }
      if (entry.lane !== '') {
        heldLanes ??= new Set();
        heldLanes.add(entry.lane);
      }
      entries[kept++] = entry;
    }
    for (; i < entries.length; i++) entries[kept++] = entries[i] as W;
    entries.length = kept;
  }

  /** Takes everything out. */
  empty(): readonly W[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }
}
