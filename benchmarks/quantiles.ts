/**
 * Latencies without keeping them one by one: a histogram whose buckets grow by 1 %, so that any quantile is right within 1 %.
 * Owns a fixed array; adding never allocates, so measuring does not disturb what is measured.
 */
const lowestMs = 0.01;
const growth = 1.01;
const buckets = 2_048; // 0.01 ms * 1.01^2048 is two months.
const logGrowth = Math.log(growth);

export class Quantiles {
  readonly #counts = new Float64Array(buckets);
  count = 0;
  max = 0;

  add(ms: number): void {
    const bucket = ms <= lowestMs ? 0 : Math.min(buckets - 1, Math.ceil(Math.log(ms / lowestMs) / logGrowth));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.count++;
    if (ms > this.max) this.max = ms;
  }

  /** The smallest bucket bound below which at least that share lies; NaN when nothing was added. */
  at(share: number): number {
    if (this.count === 0) return Number.NaN;
    const target = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (let bucket = 0; bucket < buckets; bucket++) {
      seen += this.#counts[bucket] as number;
      if (seen >= target) return Math.min(this.max, lowestMs * growth ** bucket);
    }
    return this.max;
  }

  /** p50, p99 and the worst, in ms with two digits. */
  summary(): { readonly p50_ms: number; readonly p99_ms: number; readonly max_ms: number } {
    return { p50_ms: rounded(this.at(0.5)), p99_ms: rounded(this.at(0.99)), max_ms: rounded(this.max) };
  }

  reset(): void {
    this.#counts.fill(0);
    this.count = 0;
    this.max = 0;
  }
}

export const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));
