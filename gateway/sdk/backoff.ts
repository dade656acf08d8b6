/** Waits between tries: full jitter, 0 .. min(cap, base × 2^n), so that thousands that fell together do not return together. */
export class Backoff {
  #tries = 0;
  constructor(
    readonly baseMs: number,
    readonly capMs: number,
    readonly random: () => number,
  ) {}

  get tries(): number {
    return this.#tries;
  }
  next(): number {
    return this.random() * Math.min(this.capMs, this.baseMs * 2 ** Math.min(this.#tries++, 30));
  }
  reset(): void {
    this.#tries = 0;
  }
}
