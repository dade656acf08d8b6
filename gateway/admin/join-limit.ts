/**
 * Bounds guessing of join codes: per address a bucket of failed codes. Only codes are refused once it is empty; schools
 * share one address, and their players go on. Owns a bounded map of the addresses that failed lately.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../runtime/kernel/clock.ts';
import { Problem } from './problem.ts';

export const failedCodesMax = 10;
export const failedCodesWindowMs = 60_000;
/** Addresses that are remembered. */
export const failingAddressesMax = 20_000;

export class JoinLimit {
  readonly #clock: Clock;
  /** When each of the latest failures was, oldest first. */
  readonly #failures = new LRUCache<string, number[]>({ max: failingAddressesMax });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws RATE_LIMITED with the time until the next code may be tried. */
  check(address: string): void {
    const recent = this.#recent(address);
    if (recent.length < failedCodesMax) return;
    const retryMs = Math.max(1, Math.ceil((recent[0] as number) + failedCodesWindowMs - this.#clock.monotonic()));
    throw new Problem(
      'RATE_LIMITED',
      `${failedCodesMax} wrong join codes a minute came from this address: wait ${Math.ceil(retryMs / 1000)} s`,
      { retryMs },
    );
  }

  failed(address: string): void {
    this.#failures.set(address, [...this.#recent(address), this.#clock.monotonic()].slice(-failedCodesMax));
  }

  #recent(address: string): number[] {
    const since = this.#clock.monotonic() - failedCodesWindowMs;
    return (this.#failures.get(address) ?? []).filter((at) => at > since);
  }
}
