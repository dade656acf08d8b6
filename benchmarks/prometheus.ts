/** Reads /metrics pages: counters and histograms of several processes added up, and what they grew by between two readings. */
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { rounded } from './quantiles.ts';

export class Metrics {
  private constructor(readonly samples: ReadonlyMap<string, number>) {}

  static parse(...pages: readonly string[]): Metrics {
    const samples = new Map<string, number>();
    for (const page of pages) {
      for (const line of page.split('\n')) {
        if (line === '' || line.startsWith('#')) continue;
        const split = line.lastIndexOf(' ');
        const name = line.slice(0, split);
        samples.set(name, (samples.get(name) ?? 0) + Number(line.slice(split + 1)));
      }
    }
    return new Metrics(samples);
  }

  /** The pages of all processes of a role, added up. */
  static async ofRole(cluster: ClusterProcess, role: 'node' | 'gateway' | 'log'): Promise<Metrics> {
    const names = cluster
      .file()
      .processes.filter((row) => row.role === role && row.http !== undefined)
      .map((row) => row.name);
    return Metrics.parse(...(await Promise.all(names.map((name) => cluster.metrics(name)))));
  }

  /** The sum over all labels. */
  total(name: string): number {
    let sum = 0;
    for (const [key, value] of this.samples) if (key === name || key.startsWith(`${name}{`)) sum += value;
    return sum;
  }

  since(earlier: Metrics): Metrics {
    return new Metrics(
      new Map([...this.samples].map(([key, value]) => [key, value - (earlier.samples.get(key) ?? 0)])),
    );
  }

  /**
   * A quantile of a histogram in ms: the upper bound of its bucket, so never flattering. NaN when nothing was observed, infinity
   * beyond the last bound.
   */
  quantileMs(name: string, share: number): number {
    const buckets = new Map<number, number>();
    for (const [key, value] of this.samples) {
      if (!key.startsWith(`${name}_bucket{`)) continue;
      const bound = /le="([^"]+)"/.exec(key)?.[1];
      if (bound === undefined) continue;
      const le = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound);
      buckets.set(le, (buckets.get(le) ?? 0) + value);
    }
    const count = buckets.get(Number.POSITIVE_INFINITY) ?? 0;
    if (count === 0) return Number.NaN;
    for (const [le, value] of [...buckets].sort(([a], [b]) => a - b))
      if (value >= share * count) return rounded(le * 1_000, 3);
    return Number.POSITIVE_INFINITY;
  }

  meanMs(name: string): number {
    return rounded((1_000 * this.total(`${name}_sum`)) / this.total(`${name}_count`), 3);
  }
}
