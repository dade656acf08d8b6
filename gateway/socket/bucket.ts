/** A token bucket: `perSecond` on average, `burst` at once. `perSecond: 0` = no limit. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export class Bucket {
  #tokens: number;
  #at: number;

  constructor(
    private readonly rate: Rate,
    now: number,
  ) {
    this.#tokens = rate.burst;
    this.#at = now;
  }

  /**
   * Takes one token; answers 0, or in how many ms the whole burst is there again. Less would be true as well, but who
   * comes back for one token is refused with its very next message. `now` is monotonic.
   */
  take(now: number): number {
    if (this.rate.perSecond === 0) return 0;
    this.#fill(now);
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 0;
    }
    return Math.max(1, Math.ceil(((Math.max(1, this.rate.burst) - this.#tokens) / this.rate.perSecond) * 1000));
  }

  /** Whether forgetting it would change nothing. */
  full(now: number): boolean {
    this.#fill(now);
    return this.#tokens >= this.rate.burst;
  }

  #fill(now: number): void {
    this.#tokens = Math.min(this.rate.burst, this.#tokens + ((now - this.#at) / 1000) * this.rate.perSecond);
    this.#at = now;
  }
}

/** Buckets by name, which forget the full ones when they become many. */
export class Buckets {
  readonly #byKey = new Map<string, Bucket>();
  #sweepAt = 1024;

  constructor(private readonly rate: Rate) {}

  take(key: string, now: number): number {
    if (this.rate.perSecond === 0) return 0;
    let bucket = this.#byKey.get(key);
    if (bucket === undefined) {
      if (this.#byKey.size >= this.#sweepAt) this.#forget(now);
      bucket = new Bucket(this.rate, now);
      this.#byKey.set(key, bucket);
    }
    return bucket.take(now);
  }

  #forget(now: number): void {
    for (const [key, bucket] of this.#byKey) if (bucket.full(now)) this.#byKey.delete(key);
    this.#sweepAt = Math.max(1024, this.#byKey.size * 2);
  }
}
