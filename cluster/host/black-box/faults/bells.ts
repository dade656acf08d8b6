/**
 * A hunt whose treasures are released by alarms, one every few seconds: whatever happens to what wakes alarms, each bell must ring
 * once, and within a minute of its time.
 */
import { systemClock } from '../../../../runtime/kernel/clock.ts';
import type { ClusterProcess } from '../cluster-process.ts';
import { until } from '../deadline.ts';
import { type Fault, fault } from '../judge/fault.ts';
import type { FullEvent } from '../wire.ts';

/** The agenda arms everything again once a minute. */
const lateMsMax = 61_000;
const bells = 500;

export interface Bell {
  readonly id: string;
  readonly dueAt: number;
}

export class Bells {
  private constructor(
    private readonly cluster: ClusterProcess,
    readonly hunt: number,
    readonly all: readonly Bell[],
  ) {}

  static async hang(cluster: ClusterProcess, everyMs: number): Promise<Bells> {
    const begun = systemClock.now();
    const all = Array.from({ length: bells }, (_, i) => ({ id: `bell-${i}`, dueAt: begun + (i + 1) * everyMs }));
    const { hunt_id } = await cluster.createHunt({
      title: 'Bells',
      window: { opens: '2020-01-01T00:00:00Z' },
      stages: [{ id: 'never', title: 'Never', complete: { scan: { code: 'NEVER-FOUND' } } }],
      treasures: all.map(({ id, dueAt }) => ({ id, title: id, opens: new Date(dueAt).toISOString() })),
    });
    return new Bells(cluster, hunt_id, all);
  }

  /** Resolves when a bell has rung that was due after `since` (ms since 1970). */
  async rungSince(since: number, ms = lateMsMax): Promise<void> {
    await until(`a bell that is due after ${new Date(since).toISOString()} to ring`, ms, async () => {
      const rung = releases(await this.cluster.history(this.hunt));
      return this.all.some(({ id, dueAt }) => dueAt > since && rung.has(id));
    });
  }

  /** How late the latest bell rang of those that were due in that time (ms since 1970) and have rung. */
  async latestMs(from: number, to: number): Promise<number> {
    const rung = releases(await this.cluster.history(this.hunt));
    return Math.max(
      0,
      ...this.all
        .filter(({ dueAt }) => dueAt >= from && dueAt < to)
        .flatMap(({ id, dueAt }) => (rung.get(id) ?? []).map((at) => at - dueAt)),
    );
  }

  async judge(): Promise<Fault[]> {
    return judgeBells(this.all, await this.cluster.history(this.hunt), systemClock.now());
  }
}

/** When each bell rang: as often as the log says. */
function releases(history: readonly FullEvent[]): Map<string, number[]> {
  const rung = new Map<string, number[]>();
  for (const event of history) {
    if (event.type !== 'TreasureReleased') continue;
    const id = event.treasure as string;
    rung.set(id, [...(rung.get(id) ?? []), event.at]);
  }
  return rung;
}

export function judgeBells(all: readonly Bell[], history: readonly FullEvent[], now: number): Fault[] {
  const faults: Fault[] = [];
  const rung = releases(history);
  for (const { id, dueAt } of all) {
    const times = rung.get(id) ?? [];
    if (times.length > 1) faults.push(fault('rung twice', `${id} rang ${times.length} times`));
    const [first] = times;
    if (first === undefined && now > dueAt + lateMsMax)
      faults.push(fault('not rung', `${id} was due ${now - dueAt} ms ago`));
    if (first !== undefined && first < dueAt) faults.push(fault('rung early', `${id} rang ${dueAt - first} ms early`));
    if (first !== undefined && first > dueAt + lateMsMax)
      faults.push(fault('rung late', `${id} rang ${first - dueAt} ms late`));
  }
  return faults;
}
