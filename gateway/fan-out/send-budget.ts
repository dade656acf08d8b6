/**
 * Whose turn it is. Owns: the FIFO of hunts with undelivered events, and the chores that yield to them. Live events have a
 * slice of the loop first; replays, private views and boards share a smaller one behind it, and wait altogether while
 * live delivery is behind and their share of writes is used up. No timers: what does not fit goes on in the next turn.
 */
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';

/** Live delivery in one turn of the loop. */
export const liveSliceMs = 4;
/** Everything else in one turn. */
export const choreSliceMs = 1;

export interface Live {
  /** Delivers until `until` (monotonic); answers whether all is delivered. */
  flush(until: number): boolean;
}

/** Goes on until it returns `false`. One call is a small step: a socket, a block. */
export type Chore = () => boolean;

export class SendBudget {
  #dirty: Live[] = [];
  readonly #isDirty = new Set<Live>();
  #chores: Chore[] = [];
  #scheduled = false;

  constructor(
    private readonly clock: Clock,
    private readonly timers: Timers,
  ) {}

  /** Whether live events wait: who can wait, waits. */
  get behind(): boolean {
    return this.#dirty.length > 0;
  }

  live(hub: Live): void {
    if (this.#isDirty.has(hub)) return;
    this.#isDirty.add(hub);
    this.#dirty.push(hub);
    this.#schedule();
  }

  chore(step: Chore): void {
    this.#chores.push(step);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.timers.soon(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    const until = this.clock.monotonic() + liveSliceMs;
    let taken = 0;
    while (taken < this.#dirty.length) {
      const hub = this.#dirty[taken++] as Live;
      this.#isDirty.delete(hub);
      if (!hub.flush(until)) {
        // Its turn comes again behind the others: one hot hunt does not hold up the rest.
        this.#isDirty.add(hub);
        this.#dirty.push(hub);
        break;
      }
      if (this.clock.monotonic() >= until) break;
    }
    this.#dirty = this.#dirty.slice(taken);
    this.#runChores();
    if (this.#dirty.length > 0 || this.#chores.length > 0) this.#schedule();
  };

  #runChores(): void {
    if (this.#chores.length === 0) return;
    const until = this.clock.monotonic() + choreSliceMs;
    let taken = 0;
    const chores = this.#chores;
    this.#chores = [];
    while (taken < chores.length) {
      const step = chores[taken++] as Chore;
      if (step()) this.#chores.push(step);
      if (this.clock.monotonic() >= until) break;
    }
    // Those that had no turn come first, then those that are not done.
    this.#chores = [...chores.slice(taken), ...this.#chores];
  }
}
