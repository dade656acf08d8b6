/**
 * What comes next in an operation: a pure function of the view and the time, so that whoever coordinates finds the same, and
 * goes on where another one died. Every answer is one event, appended onto the very view that it was decided on.
 */
import { After, type PlannedMove } from '../proto/generated/node/v1/cluster.ts';
import { assign } from './assignment.ts';
import { handoffMsMax, movesInFlightMax, serveMsMax, verdictMsMax } from './limits.ts';
import { isSuspect, placesOf } from './members.ts';
import { isRunning, type Move, type Operation } from './operation.ts';
import { ownersWithout } from './suspicion.ts';
import { frozenAt, isServing, nodeOf, slotRanges, slotsOf, type View } from './view.ts';
import type { ClusterOutcome } from './view-log.ts';

/** An event to append now, or when to ask again unless the view changes before. */
export type Step =
  | { readonly kind: 'append'; readonly outcome: ClusterOutcome; readonly reason: string }
  | { readonly kind: 'wait'; readonly until: number };

const append = (outcome: ClusterOutcome, reason: string): Step => ({ kind: 'append', outcome, reason });
const wait = (until: number): Step => ({ kind: 'wait', until });
const lookAgainMs = 1_000;
/** A faster pace names several slots in one event: the fewer events, the less those who hand over wait for one another. */
const stepsPerS = 6;

export function nextStep(view: View, operation: Operation, now: number): Step {
  if (!isRunning(operation)) return wait(Number.POSITIVE_INFINITY);
  if (operation.state === 'canary') return canaryStep(view, operation, now);
  const isDrain = operation.kind === 'drain' && !operation.back;
  const open = operation.moves.filter((move) =>
    isDrain ? view.owners[move.slot] === operation.node : view.owners[move.slot] !== move.to,
  );
  const underWay = operation.moves.filter((move) => move.state === 'moving' || move.state === 'assigned');
  const stuck = underWay.find((move) => isStuck(move, now));
  if (isDrain) {
    if (open.length === 0 && underWay.length === 0) return leaveStep(view, operation, now);
    if (operation.deadlineAt > 0 && now >= operation.deadlineAt && frozenAt(view, now) === undefined)
      return leaveStep(view, operation, now);
  } else {
    const lost = operation.moves.find((move) => move.state !== 'served' && !isServing(nodeOf(view, move.to)));
    if (lost !== undefined) return failStep(operation, `${lost.to} is not there to take slot ${lost.slot}`);
    if (open.length === 0 && underWay.length === 0) return doneStep(view, operation);
  }
  if (stuck !== undefined) return stuckStep(operation, stuck);
  const freeze = frozenAt(view, now);
  if (freeze !== undefined) return wait(freeze.until);
  const waiting = open.filter((move) => move.state === 'waiting');
  const room = movesInFlightMax - underWay.length;
  if (waiting.length === 0 || room <= 0) return wait(nextStuckAt(underWay, now));
  const atOnce = Math.max(1, Math.floor(operation.movesPerS / stepsPerS));
  const due = operation.steppedAt + (1_000 * atOnce) / operation.movesPerS;
  if (now < due) return wait(due);
  return beginStep(view, operation, waiting.slice(0, Math.min(room, atOnce)), now);
}

function canaryStep(view: View, operation: Operation, now: number): Step {
  const [first] = operation.moves;
  if (first === undefined) return doneStep(view, operation);
  if (operation.canary?.healthy === false) return turnStep(view, operation, operation.canary.detail);
  if (!isServing(nodeOf(view, first.to))) return turnStep(view, operation, `${first.to} is not there any more`);
  switch (first.state) {
    case 'waiting': {
      const freeze = frozenAt(view, now);
      return freeze === undefined ? beginStep(view, operation, [first], now) : wait(freeze.until);
    }
    case 'moving':
    case 'assigned':
      if (!isStuck(first, now)) return wait(nextStuckAt([first], now));
      return turnStep(view, operation, stuckWords(first));
    case 'served': {
      const node = nodeOf(view, first.to);
      if (node !== undefined && isSuspect(node, now)) return turnStep(view, operation, `${first.to} is suspected`);
      const verdictAt = first.since + operation.canaryS * 1_000 + verdictMsMax;
      if (now < verdictAt) return wait(Math.min(verdictAt, now + lookAgainMs));
      return turnStep(view, operation, `${first.to} did not say how slot ${first.slot} fares`);
    }
  }
}

const patience = (move: Move): number => (move.state === 'assigned' ? serveMsMax : handoffMsMax);
const isStuck = (move: Move, now: number): boolean =>
  (move.state === 'moving' || move.state === 'assigned') && now >= move.since + patience(move);
const nextStuckAt = (moves: readonly Move[], now: number): number =>
  Math.max(now, Math.min(now + lookAgainMs, ...moves.map((move) => move.since + patience(move))));
const stuckWords = ({ slot, from, to, state }: Move): string =>
  state === 'assigned' ? `${to} does not come to serve slot ${slot}` : `${from} does not hand slot ${slot} over`;

function beginStep(view: View, operation: Operation, moves: readonly Move[], now: number): Step {
  const slots = moves.flatMap((move) => {
    const to = targetOf(view, operation, move, now);
    return to === undefined || to === view.owners[move.slot] ? [] : [{ node: to, slots: [move.slot] }];
  });
  if (slots.length === 0) return wait(now + lookAgainMs);
  return append({ $case: 'moving', value: { operation: operation.id, slots } }, moves[0]?.reason ?? '');
}

/** A slot that is drained goes to somebody else if its place is not to be had any more. */
function targetOf(view: View, operation: Operation, move: Move, now: number): string | undefined {
  const target = nodeOf(view, move.to);
  if (target?.state === 'active' && !isSuspect(target, now)) return move.to;
  return operation.kind === 'drain' && !operation.back ? placeFor(view, move.slot, now) : undefined;
}

function placeFor(view: View, slot: number, now: number): string | undefined {
  const without = view.owners.map((owner, other) => (other === slot ? undefined : owner));
  return assign(without, placesOf(view, now))[slot];
}

/** What it still owns then (its time may be over) moves without being handed over. */
function leaveStep(view: View, operation: Operation, now: number): Step {
  const id = operation.node ?? '';
  if (!isServing(nodeOf(view, id))) return failStep(operation, `${id} is gone`);
  const left = slotsOf(view, id);
  if (left.length === 0)
    return append({ $case: 'left', value: { id, operation: operation.id, after: operation.after } }, operation.reason);
  const slots = slotRanges(ownersWithout(view, id, now));
  if (slots.length === 0) return wait(now + lookAgainMs);
  return append({ $case: 'assigned', value: { slots, operation: operation.id, stoppedMs: 0 } }, 'the deadline is over');
}

/** Nodes that were to be removed leave once they own nothing. */
function doneStep(view: View, operation: Operation): Step {
  if (!operation.back) {
    const leaving = operation.remove.find((id) => isServing(nodeOf(view, id)));
    if (leaving !== undefined)
      return append(
        { $case: 'left', value: { id: leaving, operation: operation.id, after: After.EXIT } },
        operation.reason,
      );
  }
  const state = operation.back ? 'rolled_back' : 'done';
  return append({ $case: 'ended', value: { id: operation.id, state, error: '' } }, '');
}

const failStep = (operation: Operation, error: string): Step =>
  append({ $case: 'ended', value: { id: operation.id, state: 'failed', error } }, error);

/** A drain goes on with the others and comes back to it; an operator's plan is not carried out by halves without a word. */
const stuckStep = (operation: Operation, move: Move): Step =>
  operation.kind === 'drain' && move.state === 'moving'
    ? append({ $case: 'cancelled', value: { operation: operation.id, slots: [move.slot] } }, stuckWords(move))
    : failStep(operation, stuckWords(move));

/** The way back: every slot that has left its owner returns to it. */
export function wayBack(view: View, operation: Operation): PlannedMove[] {
  return operation.moves
    .filter((move) => view.owners[move.slot] === move.to && move.from !== '' && move.from !== move.to)
    .filter((move) => isServing(nodeOf(view, move.from)))
    .map(({ slot, from, bytes, stallMs }) => ({ slot, to: from, reason: 'rollback', bytes, stallMs }));
}

const turnStep = (view: View, operation: Operation, error: string): Step =>
  append({ $case: 'turned', value: { id: operation.id, error, moves: wayBack(view, operation) } }, error);
