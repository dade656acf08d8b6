import type { Slot } from '../proto/ids.ts';

/**
 * The slots that have something to do, first come, first served; a slot is with one lane at a time. Bounded by nature: a slot
 * stands in it once.
 */
export class SlotLine {
  readonly #ready = new Set<Slot>();
  readonly #busy = new Set<Slot>();
  /** Came again while a lane had them. */
  readonly #again = new Set<Slot>();
  readonly #takers: ((slot: Slot | undefined) => void)[] = [];
  readonly #quiet = new Map<Slot, (() => void)[]>();
  #isClosed = false;

  add(slot: Slot): void {
    if (this.#isClosed) return;
    if (this.#busy.has(slot)) {
      this.#again.add(slot);
      return;
    }
    this.#ready.add(slot);
    this.#serve();
  }

  /** Out of the line; resolves when no lane has it any more. */
  remove(slot: Slot): Promise<void> {
    this.#ready.delete(slot);
    this.#again.delete(slot);
    if (!this.#busy.has(slot)) return Promise.resolve();
    return new Promise((resolve) => {
      const waiting = this.#quiet.get(slot) ?? [];
      this.#quiet.set(slot, waiting);
      waiting.push(resolve);
    });
  }

  /** The next slot; undefined once the line is closed. */
  take(): Promise<Slot | undefined> {
    return new Promise((resolve) => {
      this.#takers.push(resolve);
      this.#serve();
    });
  }

  /** The lane is done with it. */
  done(slot: Slot): void {
    this.#busy.delete(slot);
    for (const resolve of this.#quiet.get(slot) ?? []) resolve();
    this.#quiet.delete(slot);
    if (this.#again.delete(slot)) this.add(slot);
  }

  close(): void {
    this.#isClosed = true;
    this.#ready.clear();
    this.#again.clear();
    this.#serve();
  }

  #serve(): void {
    if (this.#isClosed) {
      for (const resolve of this.#takers.splice(0)) resolve(undefined);
      return;
    }
    for (const slot of this.#ready) {
      const resolve = this.#takers.shift();
      if (resolve === undefined) return;
      this.#ready.delete(slot);
      this.#busy.add(slot);
      resolve(slot);
    }
  }
}
