/**
 * What the cluster does by itself, besides removing the dead: slots of nodes that stopped or never came go to the others, and
 * a node that came (back) gets its share again, as an operation like any other. Pure decisions on a view.
 */
import { After } from '../proto/generated/node/v1/cluster.ts';
import {
  accuserGraceMs,
  flapMemoryMs,
  homecomingMs,
  homecomingMsMax,
  joinCanaryS,
  joinGraceMs,
  joiningGraceMs,
  joinMovesPerS,
  leftGraceMs,
} from './limits.ts';
import { isSuspect, placesOf } from './members.ts';
import { level } from './move-plan.ts';
import { isRunning } from './operation.ts';
import type { Step } from './operation-step.ts';
import { predictStallMs } from './prediction.ts';
import { ownersWithout } from './suspicion.ts';
import { frozenAt, type MemberNode, nodeOf, pinsAt, slotRanges, slotsOf, type View } from './view.ts';

const lookAgainMs = 1_000;

export function nextChore(view: View, me: string, now: number): Step {
  return adopt(view, me, now) ?? comeHome(view, now) ?? { kind: 'wait', until: now + lookAgainMs };
}

/** Only who has been here for a while judges who is missing: where all start together, the others are still coming. */
function adopt(view: View, me: string, now: number): Step | undefined {
  if (now - (nodeOf(view, me)?.since ?? now) < accuserGraceMs) return undefined;
  const missing = view.nodes.find((node) => now - node.since > patienceFor(node) && view.owners.includes(node.id));
  if (missing === undefined) return undefined;
  const slots = slotRanges(ownersWithout(view, missing.id, now));
  if (slots.length === 0) return undefined;
  return {
    kind: 'append',
    outcome: { $case: 'assigned', value: { slots, operation: '', stoppedMs: 0 } },
    reason: `${missing.id} is ${missing.state} and does not serve its slots`,
  };
}

function patienceFor(node: MemberNode): number {
  switch (node.state) {
    case 'active':
    case 'draining':
      return Number.POSITIVE_INFINITY;
    case 'joining':
      return joiningGraceMs;
    case 'left':
      return leftGraceMs;
    case 'dead':
      return 0;
  }
}

/** How long a node must have been here before it is given slots: longer each time that it was removed of late. */
export function settlesAt(node: MemberNode, now: number): number {
  const lately = node.removals.filter((at) => at > now - flapMemoryMs).length;
  if (lately === 0) return node.since;
  return node.since + Math.min(homecomingMsMax, homecomingMs * 2 ** (lately - 1));
}

function comeHome(view: View, now: number): Step | undefined {
  if (frozenAt(view, now) !== undefined || view.operations.some(isRunning)) return undefined;
  // A node that is about to get its slots back by starting again is not in the way of others.
  if (view.nodes.some((node) => node.state === 'joining' && now - node.since < joinGraceMs)) return undefined;
  const unsettled = view.nodes.filter(
    (node) => slotsOf(view, node.id).length === 0 && (settlesAt(node, now) > now || isSuspect(node, now)),
  );
  const places = placesOf(
    view,
    now,
    unsettled.map((node) => node.id),
  );
  const wanted = level(view.owners, places, pinsAt(view, now));
  const moves = wanted.flatMap((to, slot) =>
    to !== undefined && to !== view.owners[slot]
      ? [{ slot, to, reason: 'share', bytes: 0, stallMs: predictStallMs(view, undefined) }]
      : [],
  );
  if (moves.length === 0) return undefined;
  const node = [...new Set(moves.map((move) => move.to))].length === 1 ? (moves[0]?.to ?? '') : '';
  return {
    kind: 'append',
    outcome: {
      $case: 'started',
      value: {
        id: `op-${view.number + 1}`,
        kind: 'join',
        node,
        weights: [],
        pins: [],
        unpin: [],
        remove: [],
        moves,
        movesPerS: joinMovesPerS,
        canaryS: joinCanaryS,
        deadlineAt: 0,
        after: After.EXIT,
      },
    },
    reason: node === '' ? 'shares are uneven' : `${node} gets its share`,
  };
}
