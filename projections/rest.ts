import type { Timers } from '../runtime/kernel/timer.ts';

/** A wait that somebody may cut short: every loop of the projector rests on one, so that news and the end wake it. */
export class Rest {
  readonly #timers: Timers;
  #wake: (() => void) | undefined;
  #isAwake = false;
  #isOver = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Resolves after `ms`, or at the next {@link wake}; at once if it was woken since the last wait, or is over. */
  async for(ms: number): Promise<void> {
    if (this.#isAwake || this.#isOver) {
      this.#isAwake = false;
      return;
    }
    await new Promise<void>((resolve) => {
      const cancel = this.#timers.after(ms, () => this.#wake?.());
      this.#wake = () => {
        this.#wake = undefined;
        cancel();
        resolve();
      };
    });
    this.#isAwake = false;
  }

  wake(): void {
    this.#isAwake = true;
    this.#wake?.();
  }

  /** No wait takes time any more. */
  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }
}

/** Doubles from `firstMs` to `maxMs`, spread, so that processes that lost the same server do not come back in step. */
export class Backoff {
  #ms: number;

  constructor(
    readonly random: { next(): number },
    readonly firstMs: number,
    readonly maxMs: number,
  ) {
    this.#ms = firstMs;
  }

  next(): number {
    const ms = this.#ms * (0.5 + this.random.next() / 2);
    this.#ms = Math.min(this.maxMs, this.#ms * 2);
    return ms;
  }

  reset(): void {
    this.#ms = this.firstMs;
  }
}
