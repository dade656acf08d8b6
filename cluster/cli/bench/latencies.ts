/** A histogram of a tenth of a millisecond a bucket: constant memory at any rate. */
const bucketMs = 0.1;
const buckets = 100_000; // 10 s; what took longer counts as that.

export class Latencies {
  #counts = new Uint32Array(buckets);
  #count = 0;
  get count(): number {
    return this.#count;
  }
  add(ms: number): void {
    const bucket = Math.min(buckets - 1, Math.max(0, Math.floor(ms / bucketMs)));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count++;
  }
  /** The upper edge of the bucket in which the quantile lies; 0 when there is nothing. */
  quantile(q: number): number {
    let rest = Math.ceil(this.#count * q);
    if (rest === 0) return 0;
    for (let i = 0; i < buckets; i++) {
      rest -= this.#counts[i] as number;
      if (rest <= 0) return Math.round((i + 1) * bucketMs * 10) / 10;
    }
    return buckets * bucketMs;
  }
}
