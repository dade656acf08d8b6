/**
 * One strike on one bed: calm, the fault, play goes on, rest, verdict. Owns nothing; what it finds is a row of the table of
 * faults. A trial that goes wrong is a row with violations, not an exception.
 */
import { systemClock } from '../../../../runtime/kernel/clock.ts';
import type { FaultBed } from './bed.ts';
import { type Latency, noticed, ratioOf, type Tolerance } from './latency.ts';
import { OperatorView } from './operator-view.ts';
import { seenBy, seenSince, toldOf } from './seen.ts';
import type { Away, Strike } from './strike.ts';
import { type Verdict, verdictOf } from './verdict.ts';

/** Until everybody's next action is accepted, once everything is there again. */
const goOnMsMax = 20_000;

export interface Trial {
  readonly profile: string;
  readonly strike: string;
  readonly play: Strike['play'];
  readonly proof: string;
  readonly awayMs: number;
  /** `unnoticed`: from the fault; `waits`: from the moment at which all was there again, until everybody had an action accepted. */
  readonly goesOnMs: number;
  readonly calm: Latency;
  readonly during: Latency;
  readonly saw: string;
  readonly bellsLateMs: number;
  readonly actions: number;
  readonly verdict: Verdict;
  /** Warnings and checks that failed meanwhile; only when asked for. */
  readonly operator: readonly string[];
  /** Empty: as it should be. */
  readonly violations: readonly string[];
}

export interface TrialOptions {
  readonly tolerance: Tolerance;
  /** Of everybody, before and after. */
  readonly calmActs: number;
  /** Watch logs and probes, too. */
  readonly watch?: boolean;
}

export async function runTrial(bed: FaultBed, strike: Strike, options: TrialOptions): Promise<Trial> {
  const violations: string[] = [];
  const attempt = async <T>(step: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await step();
    } catch (error) {
      violations.push((error as Error).message);
      return undefined;
    }
  };
  const seenBefore = seenBy(bed.crowd);
  const begun = { monotonic: performance.now(), wall: systemClock.now() };
  const view = options.watch === true ? new OperatorView(bed.cluster) : undefined;
  bed.crowd.play();
  await attempt(() => bed.allPlay(options.calmActs));
  const away = await attempt(() => strike.run(bed));
  await attempt(() => bed.allPlay(1));
  const end = performance.now();
  if (away !== undefined) await attempt(async () => strike.after?.(bed, away));
  await attempt(() => bed.allPlay(options.calmActs));
  const over = performance.now();
  await attempt(() => bed.crowd.rest());
  const faults = (await attempt(() => bed.judge())) ?? [];
  const verdict = verdictOf(faults);
  violations.push(...verdict.faults);

  const { awayAt, awayUntil, backAt, proof } = away ?? never(begun.monotonic, end);
  const calm = bed.latency([
    [begun.monotonic, awayAt],
    [end, over],
  ]);
  const during = bed.latency([[awayAt, end]]);
  const goesOnMs = strike.play === 'unnoticed' ? bed.sentAndAckedAfter(awayAt) : bed.ackedAfter(backAt);
  if (away !== undefined) {
    if (goesOnMs > goOnMsMax) violations.push(`play went on after ${goesOnMs.toFixed(0)} ms`);
    if (strike.play === 'unnoticed') violations.push(...[noticed(calm, during, options.tolerance) ?? []].flat());
    else if (bed.ackedWithin(awayAt, awayUntil) > 0)
      violations.push(`${bed.ackedWithin(awayAt, awayUntil)} actions were acknowledged while it was away`);
  }
  return {
    profile: bed.profile,
    strike: strike.name,
    play: strike.play,
    proof,
    awayMs: backAt - awayAt,
    goesOnMs,
    calm,
    during,
    saw: toldOf(seenSince(seenBefore, seenBy(bed.crowd))),
    bellsLateMs: (await attempt(() => bed.bells.latestMs(begun.wall, systemClock.now()))) ?? Number.NaN,
    actions: calm.acks + during.acks,
    verdict,
    operator: view?.told() ?? [],
    violations,
  };
}

const never = (from: number, to: number): Away => ({
  awayAt: from,
  awayUntil: to,
  backAt: to,
  proof: 'it did not happen',
});

export const ratio = ({ calm, during }: Trial): number => ratioOf(calm, during);
