/** Judges one run by what clients saw and what the log holds. Each question has a checker of its own; this asks them all. */

import { foldBoard, judgeBoard } from '../host/black-box/judge/board.ts';
import { judgeHistory } from '../host/black-box/judge/history.ts';
import type { BoardRow } from '../host/black-box/wire.ts';
import { checkDurability } from './checkers/durability-checker.ts';
import { checkEffects } from './checkers/effect-checker.ts';
import { type Comparison, compareAll, Fold } from './checkers/fold.ts';
import { checkLog } from './checkers/log-checker.ts';
import { checkRecency, comparisonsOf, Told, tellings } from './checkers/read-checker.ts';
import { checkRefusals } from './checkers/refusal-checker.ts';
import { checkAlarms, checkRules } from './checkers/rule-checker.ts';
import { liveActor, storedPages } from './checkers/state-checker.ts';
import { checkStream } from './checkers/stream-checker.ts';
import type { SimCluster } from './cluster.ts';
import type { DiskWatch } from './disk-watch.ts';
import type { Evidence, HuntEvidence } from './evidence.ts';
import type { History, HuntMade } from './history.ts';
import { worldBeganAt } from './sim-process.ts';

export interface Circumstances {
  /** When the safety phase ended; ms since 1970. */
  readonly nowMs: number;
  /** What was acknowledged may be gone, so that only the log and what is made of it are judged. */
  readonly isLossy: boolean;
  /** No clock was set. */
  readonly areClocksSound: boolean;
  /** When the history's time was 0; ms since 1970. As simulated, unless said. */
  readonly beganAt?: number;
}

export function judgeRun(
  history: History,
  evidence: Evidence,
  /** Whose memory and disk can be looked into: nobody's, where processes are real. */
  cluster: Pick<SimCluster, 'nodes'> & Partial<Pick<SimCluster, 'diskWatch'>>,
  { nowMs, isLossy, areClocksSound, beganAt = worldBeganAt }: Circumstances,
): string[] {
  const faults = [...checkLog(evidence), ...(isLossy ? [] : (cluster.diskWatch?.faults ?? []))];
  for (const made of history.hunts) {
    const found = evidence.hunts.get(made.hunt);
    if (found !== undefined) {
      faults.push(...judgeStates(made, found, cluster, nowMs, isLossy ? [] : history.seen));
      if (!isLossy)
        faults.push(...judgeClients(history, made, found, cluster.diskWatch, areClocksSound ? beganAt : undefined));
    } else if (!isLossy) faults.push(`hunt ${made.hunt} was created, and the log has nothing of it`);
  }
  return faults;
}

const ofHunt = <T extends { readonly hunt: number }>(all: readonly T[], hunt: number): T[] =>
  all.filter((one) => one.hunt === hunt);

/** What clients were told, by the log. */
function judgeClients(
  history: History,
  { hunt, rules }: HuntMade,
  found: HuntEvidence,
  diskWatch: DiskWatch | undefined,
  /** Undefined: a clock was set. */
  clocksBeganAt: number | undefined,
): string[] {
  const commands = ofHunt(history.commands, hunt);
  const steered = ofHunt(history.steered, hunt);
  const seen = ofHunt(history.seen, hunt);
  const each = tellings(commands, steered, seen);
  const told = new Told(each);
  return [
    ...(diskWatch === undefined ? [] : checkDurability(hunt, [...each, ...ofHunt(history.shown, hunt)], diskWatch)),
    ...checkEffects(found, commands, ofHunt(history.conflicts, hunt), ofHunt(history.outdated, hunt), steered),
    ...checkRecency(hunt, seen, told),
    // A clock that was set may have made it true for a moment that nobody can know of.
    ...(clocksBeganAt === undefined ? [] : checkRefusals(found, commands, told, clocksBeganAt)),
    ...ofHunt(history.followed, hunt).flatMap((followed) => checkStream(found, followed, rules.entry === 'solo')),
  ];
}

/** The log by itself, and every copy of the state by the log. */
function judgeStates(
  { hunt, rules }: HuntMade,
  found: HuntEvidence,
  cluster: Pick<SimCluster, 'nodes'>,
  nowMs: number,
  seen: History['seen'],
): string[] {
  const comparisons: Comparison[] = [...comparisonsOf(ofHunt(seen, hunt)), ...storedPages(found)];
  for (const { name, running } of cluster.nodes) {
    const activation = running?.host.find({ kind: 'hunt', id: hunt });
    if (activation?.life.kind === 'active' && activation.flights.size === 0)
      comparisons.push(liveActor(name, activation));
  }
  return [
    ...judgeHistory(found.events).map(
      ({ kind, detail, version }) => `hunt ${hunt} at version ${version}: ${kind}: ${detail}`,
    ),
    ...checkRules(found, rules),
    ...checkAlarms(found, rules, nowMs),
    ...checkBoard(hunt, found, rules.entry),
    ...compareAll(hunt, found.stored, comparisons),
  ];
}

/** Scores are the sums of their events, computed by somebody who knows nothing of the engine. */
function checkBoard(hunt: number, { stored, events }: HuntEvidence, entry: 'solo' | 'team'): string[] {
  const fold = new Fold(hunt);
  for (const event of stored) fold.step(event);
  if (fold.header.rules === undefined) return [];
  const { entries } = fold.ask('scoreboard', { limit: 100, offset: 0 }, 0) as { entries: BoardRow[] };
  return judgeBoard(entries, foldBoard(events, entry)).map(({ detail }) => `hunt ${hunt}: board: ${detail}`);
}
