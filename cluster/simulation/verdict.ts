/** Judges one run by what clients saw and what the log holds. Each question has a checker of its own; this asks them all. */

import { foldBoard, judgeBoard } from '../host/black-box/judge/board.ts';
import { judgeHistory } from '../host/black-box/judge/history.ts';
import type { BoardRow } from '../host/black-box/wire.ts';
import { checkEffects } from './checkers/effect-checker.ts';
import { type Comparison, compareAll, Fold } from './checkers/fold.ts';
import { checkLog } from './checkers/log-checker.ts';
import { checkRecency, comparisonsOf, Told, tellings } from './checkers/read-checker.ts';
import { checkAlarms, checkRules } from './checkers/rule-checker.ts';
import { liveActor, storedPages } from './checkers/state-checker.ts';
import { checkStream } from './checkers/stream-checker.ts';
import type { SimCluster } from './cluster.ts';
import type { Evidence, HuntEvidence } from './evidence.ts';
import type { History, HuntMade } from './history.ts';

export function judgeRun(history: History, evidence: Evidence, cluster: SimCluster, nowMs: number): string[] {
  const faults = checkLog(evidence);
  for (const made of history.hunts) {
    const found = evidence.hunts.get(made.hunt);
    if (found === undefined) faults.push(`hunt ${made.hunt} was created, and the log has nothing of it`);
    else faults.push(...judgeHunt(history, made, found, cluster, nowMs));
  }
  return faults;
}

function judgeHunt(
  history: History,
  { hunt, rules }: HuntMade,
  found: HuntEvidence,
  cluster: SimCluster,
  nowMs: number,
): string[] {
  const ofHunt = <T extends { readonly hunt: number }>(all: readonly T[]): T[] =>
    all.filter((one) => one.hunt === hunt);
  const commands = ofHunt(history.commands);
  const steered = ofHunt(history.steered);
  const seen = ofHunt(history.seen);
  const comparisons: Comparison[] = [...comparisonsOf(seen), ...storedPages(found)];
  for (const { name, running } of cluster.nodes) {
    const activation = running?.host.find({ kind: 'hunt', id: hunt });
    if (activation?.life.kind === 'active' && activation.flights.size === 0)
      comparisons.push(liveActor(name, activation));
  }
  return [
    ...judgeHistory(found.events).map(
      ({ kind, detail, version }) => `hunt ${hunt} at version ${version}: ${kind}: ${detail}`,
    ),
    ...checkEffects(found, commands, ofHunt(history.conflicts), steered),
    ...checkRules(found, rules),
    ...checkAlarms(found, rules, nowMs),
    ...checkRecency(hunt, seen, new Told(tellings(commands, steered, seen))),
    ...ofHunt(history.followed).flatMap((followed) => checkStream(found, followed, rules.entry === 'solo')),
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
