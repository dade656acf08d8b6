/** Nothing is told before it is durable (I1): by when each version had reached the disk, and when somebody was told of it. */
import type { DiskWatch } from '../disk-watch.ts';

export interface Telling {
  /** Simulated microseconds. */
  readonly at: number;
  readonly version: number;
}

const toldMax = 3;

export function checkDurability(hunt: number, told: readonly Telling[], diskWatch: DiskWatch): string[] {
  const isEarly = ({ at, version }: Telling): boolean =>
    version > 0 && (diskWatch.since(hunt, version) ?? Number.POSITIVE_INFINITY) > at;
  return told
    .filter(isEarly)
    .slice(0, toldMax)
    .map(({ at, version }) => {
      const since = diskWatch.since(hunt, version);
      return `hunt ${hunt}: somebody was told of version ${version} at ${ms(at)}; it was on disk ${since === undefined ? 'at no time' : `at ${ms(since)}`}`;
    });
}

const ms = (us: number): string => `${(us / 1_000).toFixed(3)} ms`;
