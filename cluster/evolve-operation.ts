/** What the events of the cluster's stream do to its operations, and what these do to weights, pins and states of nodes. Pure (I3). */
import type {
  CanaryJudged,
  MovesCancelled,
  OperationEnded,
  OperationStarted,
  OperationTurned,
  SlotsAssigned,
  SlotsMoving,
  SlotsServed,
} from '../proto/generated/node/v1/cluster.ts';
import {
  begun,
  ended,
  isRunning,
  type Move,
  movesOf,
  type Operation,
  type OperationState,
  operationsKept,
  withMove,
} from './operation.ts';
import { type MemberNode, nodeOf, type Pin, type View } from './view.ts';

type Said = { readonly at: number; readonly by: string; readonly reason: string };

export function started(view: View, event: OperationStarted, said: Said): View {
  const pinned = [...event.pins.map((pin) => pin.slot), ...event.unpin];
  const before = {
    weights: new Map(event.weights.map(({ id }) => [id, nodeOf(view, id)?.weight ?? 0])),
    pins: new Map(pinned.map((slot) => [slot, view.pins.get(slot)])),
  };
  const pins = new Map(view.pins);
  for (const slot of event.unpin) pins.delete(slot);
  for (const { slot, node, reason, until } of event.pins) pins.set(slot, { node, reason, until, by: said.by });
  const weights = new Map(event.weights.map(({ id, weight }) => [id, weight]));
  const nodes = view.nodes.map((node): MemberNode => {
    const weight = weights.get(node.id) ?? node.weight;
    const leaves = event.kind === 'drain' ? node.id === event.node : event.remove.includes(node.id);
    return leaves && node.state === 'active'
      ? { ...node, weight, state: 'draining', since: said.at }
      : { ...node, weight };
  });
  // What the cluster does by itself gives way to what somebody wants of it.
  const settled = view.operations.map((operation) =>
    isRunning(operation) && operation.kind === 'join'
      ? ended(operation, 'failed', said.at, `gave way to ${event.id}`)
      : operation,
  );
  const moving = new Map(
    [...view.moving].filter(([, { operation }]) => settled.some((one) => one.id === operation && isRunning(one))),
  );
  return {
    ...view,
    nodes,
    pins,
    moving,
    operations: kept([...settled, begun(event, said, view.owners, before)]),
  };
}

export function moving(view: View, event: SlotsMoving, at: number): View {
  const all = new Map(view.moving);
  let next = view;
  for (const { node, slots } of event.slots) {
    for (const slot of slots) {
      if (view.owners[slot] === node) continue;
      all.set(slot, { to: node, operation: event.operation, since: at });
      const from = view.owners[slot] ?? '';
      next = withOperation(next, event.operation, (operation) => ({
        ...withMove(operation, slot, { state: 'moving', to: node, from, since: at }),
        steppedAt: at,
      }));
    }
  }
  return { ...next, moving: all };
}

export function cancelled(view: View, { operation, slots }: MovesCancelled, at: number): View {
  const all = new Map(view.moving);
  for (const slot of slots) if (all.get(slot)?.operation === operation) all.delete(slot);
  return withOperation({ ...view, moving: all }, operation, (one) =>
    slots.reduce(
      (changed, slot) =>
        changed.moves.some((move) => move.slot === slot && move.state === 'moving')
          ? withMove(changed, slot, { state: 'waiting', since: at })
          : changed,
      one,
    ),
  );
}

/** The view has the new owners already. */
export function assigned(view: View, event: SlotsAssigned, at: number): View {
  if (event.operation === '') return view;
  return withOperation(view, event.operation, (operation) =>
    event.slots
      .flatMap(({ node, slots }) => slots.map((slot) => ({ node, slot })))
      .reduce(
        (changed, { node, slot }) =>
          withMove(changed, slot, { state: 'assigned', to: node, since: at, stoppedMs: event.stoppedMs }),
        operation,
      ),
  );
}

export function served(view: View, event: SlotsServed, at: number): View {
  const operations = view.operations.map((operation) => {
    let changed = operation;
    for (const { slot, epoch, stallMs } of event.slots) {
      const move = operation.moves.find((one) => one.slot === slot);
      if (move?.state !== 'assigned' || move.to !== event.node || view.epochs[slot] !== epoch) continue;
      changed = {
        ...withMove(changed, slot, { state: 'served', since: at, measuredMs: stallMs }),
        stallMsMax: Math.max(changed.stallMsMax, stallMs),
      };
    }
    return changed;
  });
  return { ...view, operations };
}

export const judged = (view: View, { operation, healthy, detail }: CanaryJudged): View =>
  withOperation(view, operation, (one) =>
    one.state === 'canary' && one.canary === undefined
      ? { ...one, canary: { healthy, detail }, state: healthy ? 'running' : 'canary' }
      : one,
  );

/** Weights and pins are as they were at once; the slots follow at the operation's pace. */
export function turned(view: View, event: OperationTurned, at: number): View {
  const operation = view.operations.find((one) => one.id === event.id);
  if (operation === undefined) return view;
  const pins = new Map(view.pins);
  for (const [slot, pin] of operation.before.pins) {
    if (pin === undefined) pins.delete(slot);
    else pins.set(slot, pin satisfies Pin);
  }
  const nodes = view.nodes.map((node): MemberNode => {
    const weight = operation.before.weights.get(node.id) ?? node.weight;
    const stays = node.state === 'draining' && leavesBy(operation, node.id);
    return stays ? { ...node, weight, state: 'active', since: at } : { ...node, weight };
  });
  const moving = new Map([...view.moving].filter(([, one]) => one.operation !== event.id));
  return withOperation({ ...view, nodes, pins, moving }, event.id, (one) => ({
    ...one,
    state: 'running',
    back: true,
    endedAt: undefined,
    error: event.error === '' ? one.error : event.error,
    moves: movesOf(event.moves, view.owners, at),
    steppedAt: 0,
  }));
}

export function operationEnded(view: View, event: OperationEnded, at: number): View {
  const operation = view.operations.find((one) => one.id === event.id);
  const moving = new Map([...view.moving].filter(([, one]) => one.operation !== event.id));
  // What was to leave and did not goes on serving.
  const nodes = view.nodes.map(
    (node): MemberNode =>
      operation !== undefined && node.state === 'draining' && leavesBy(operation, node.id)
        ? { ...node, state: 'active', since: at }
        : node,
  );
  return withOperation({ ...view, nodes, moving }, event.id, (one) =>
    ended(one, event.state as OperationState, at, event.error),
  );
}

export function nodeLeft(view: View, id: string, operation: string, at: number): View {
  if (operation === '') return nodeBroke(view, id, `${id} stopped`, at);
  return withOperation(view, operation, (one) => (one.kind === 'drain' ? ended(one, 'done', at) : one));
}

/** Operations that cannot go on without that node end here; others find out by themselves what became of their moves. */
export function nodeBroke(view: View, id: string, why: string, at: number): View {
  const operations = view.operations.map((one) => {
    if (!isRunning(one)) return one;
    if (one.node === id && !one.back) return ended(one, 'failed', at, why);
    // What is drained need not arrive at a certain place: wherever it went, it has left.
    if (one.kind !== 'drain' || one.back) return one;
    const moves = one.moves.map((move): Move => {
      if (move.state !== 'assigned' || move.to !== id) return move;
      return { ...move, state: 'served', to: view.owners[move.slot] ?? move.to, since: at };
    });
    return { ...one, moves };
  });
  const over = new Set(operations.filter((one) => !isRunning(one)).map((one) => one.id));
  const moving = new Map([...view.moving].filter(([, one]) => !over.has(one.operation)));
  return { ...view, operations, moving };
}

/** Nothing of what was under way goes on. */
export const interrupted = (view: View, why: string, at: number): View => ({
  ...view,
  operations: view.operations.map((one) => (isRunning(one) ? ended(one, 'failed', at, why) : one)),
});

export const backToWaiting = (view: View, slots: readonly number[]): View => ({
  ...view,
  operations: view.operations.map((one) =>
    isRunning(one)
      ? slots.reduce(
          (changed, slot) =>
            changed.moves.some((move) => move.slot === slot && move.state === 'moving')
              ? withMove(changed, slot, { state: 'waiting' })
              : changed,
          one,
        )
      : one,
  ),
});

/** Whether that operation makes the node leave. */
export const leavesBy = (operation: Operation, id: string): boolean =>
  operation.kind === 'drain' ? operation.node === id : operation.remove.includes(id);

const withOperation = (view: View, id: string, change: (operation: Operation) => Operation): View => ({
  ...view,
  operations: view.operations.map((operation) => (operation.id === id ? change(operation) : operation)),
});

function kept(all: readonly Operation[]): readonly Operation[] {
  const over = all.filter((one) => !isRunning(one)).slice(-operationsKept);
  return all.filter((one) => isRunning(one) || over.includes(one));
}
