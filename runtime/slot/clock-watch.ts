import type { Clock } from '../kernel/clock.ts';
import type { Cancel, Timers } from '../kernel/timer.ts';

const tickMs = 250;

/**
 * Notices that this process was stopped (SIGSTOP, a suspended machine): the monotonic clock then jumps between two looks.
 * Who comes back from that may have lost everything it owned, and does not know it yet.
 */
export class ClockWatch {
  #seen: number;
  readonly #cancel: Cancel;

  constructor(
    readonly clock: Clock,
    timers: Timers,
    readonly jumpMs: number,
    readonly jumped: (ms: number) => void,
  ) {
    this.#seen = clock.monotonic();
    this.#cancel = timers.every(tickMs, () => this.look());
  }

  /** Called before anything is answered, for input may be read before the timer runs. */
  look(): void {
    const now = this.clock.monotonic();
    const gap = now - this.#seen - tickMs;
    this.#seen = now;
    if (gap > this.jumpMs) this.jumped(gap);
  }

  close(): void {
    this.#cancel();
  }
}
