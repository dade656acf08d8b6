/** What operators ask of a cluster: decisions on a view, pure; each throws {@link ChangeRefused} where it is not allowed. */
import { After } from '../proto/generated/node/v1/cluster.ts';
import { drainMovesPerS } from './limits.ts';
import { hasRoom, placesOf } from './members.ts';
import { isRunning, type Operation } from './operation.ts';
import { wayBack } from './operation-step.ts';
import { ChangeRefused, type ClusterChange, type Plan } from './plan.ts';
import { predictStallMs, type SlotCost } from './prediction.ts';
import { ownersWithout } from './suspicion.ts';
import { frozenAt, isServing, nodeOf, slotsOf, type View } from './view.ts';
import type { ClusterOutcome, ViewDecision } from './view-log.ts';

export const operationId = (view: View): string => `op-${view.number + 1}`;

export interface Pace {
  readonly movesPerS: number;
  readonly canaryS: number;
}

/** The plan, if the view still is the one that it was made on. */
export const apply =
  (plan: Plan, change: ClusterChange, pace: Pace): ViewDecision =>
  (view, now) => {
    if (view.number !== plan.view)
      throw new ChangeRefused(
        'VIEW_CHANGED',
        `the plan was made on view ${plan.view}, this is ${view.number}: plan again`,
      );
    refuseFrozen(view, now);
    refuseBusy(view);
    const until = change.pinsForS === 0 ? 0 : now + change.pinsForS * 1_000;
    return started({
      id: operationId(view),
      kind: 'apply',
      weights: Object.entries(change.weights).map(([id, weight]) => ({ id, weight })),
      pins: [...change.pins].map(([slot, node]) => ({ slot, node, reason: change.reason, until })),
      unpin: [...change.unpin],
      remove: [...change.remove],
      moves: plan.moves.map(({ slot, to, reason, bytes, stallMs }) => ({ slot, to, reason, bytes, stallMs })),
      movesPerS: pace.movesPerS,
      canaryS: pace.canaryS,
    });
  };

export interface DrainWish {
  readonly node: string;
  readonly deadlineS: number;
  readonly after: After;
}

/** Empties a node, and lets it leave. Nothing if that is under way. */
export const drain =
  (wish: DrainWish, costOf: (slot: number) => SlotCost | undefined): ViewDecision =>
  (view, now) => {
    const node = nodeOf(view, wish.node);
    if (node === undefined) throw new ChangeRefused('NOT_FOUND', `there is no node ${wish.node}`);
    if (drainOf(view, wish.node) !== undefined) return undefined;
    const { state } = node;
    if (!isServing(node)) throw new ChangeRefused('WRONG_STATE', `${wish.node} is ${state}: there is nothing to drain`);
    refuseFrozen(view, now);
    refuseBusy(view, 'drain');
    if (!hasRoom(placesOf(view, now, [wish.node])))
      throw new ChangeRefused(
        'WRONG_STATE',
        `${wish.node} is the last node that serves: its slots would have nowhere to go`,
      );
    const to = ownersWithout(view, wish.node, now);
    return started({
      id: operationId(view),
      kind: 'drain',
      node: wish.node,
      moves: slotsOf(view, wish.node).map((slot) => {
        const cost = costOf(slot);
        const stallMs = predictStallMs(view, cost);
        return { slot, to: to[slot] ?? '', reason: 'drain', bytes: cost?.bytes ?? 0, stallMs };
      }),
      movesPerS: drainMovesPerS,
      canaryS: 0,
      deadlineAt: now + wish.deadlineS * 1_000,
      after: wish.after,
    });
  };

/** The drain of that node that is under way, or that it left by. */
export function drainOf(view: View, node: string): Operation | undefined {
  const drains = view.operations.filter((one) => one.kind === 'drain' && one.node === node && !one.back);
  const hasLeft = nodeOf(view, node)?.state === 'left';
  return drains.findLast((one) => isRunning(one) || (hasLeft && one.state === 'done'));
}

/** Takes an operation back: moves, weights and pins. Nothing if that is under way, or done. */
export const rollBack =
  (id: string): ViewDecision =>
  (view, now) => {
    const operation = view.operations.find((one) => one.id === id);
    if (operation === undefined) throw new ChangeRefused('NOT_FOUND', `there is no operation ${id}, or it is too old`);
    if (operation.back || operation.state === 'rolled_back') return undefined;
    if (operation.kind === 'join')
      throw new ChangeRefused(
        'WRONG_STATE',
        'the cluster evened its shares by itself and would again: freeze it, or plan',
      );
    refuseFrozen(view, now);
    const others = view.operations.filter((one) => isRunning(one) && one.id !== id && one.kind !== 'join');
    if (others.length > 0) throw busy(others);
    const gone = [operation.kind === 'drain' ? operation.node : undefined, ...operation.remove].find(
      (node) => node !== undefined && !isServing(nodeOf(view, node)),
    );
    if (gone !== undefined)
      throw new ChangeRefused('WRONG_STATE', `${gone} has left: start it, and it gets its share again`);
    const changedSince = view.operations.some(
      (one) => one.kind === 'apply' && one.startedAt > operation.startedAt && !one.back && one.state !== 'rolled_back',
    );
    if (changedSince && operation.kind === 'apply')
      throw new ChangeRefused('WRONG_STATE', 'later plans were applied on top of it: roll these back first');
    return { $case: 'turned', value: { id, error: '', moves: wayBack(view, operation) } };
  };

export const freeze =
  (expiresS: number): ViewDecision =>
  (_view, now) => ({ $case: 'frozen', value: { until: now + expiresS * 1_000 } });

export const unfreeze: ViewDecision = (view, now) =>
  frozenAt(view, now) === undefined ? undefined : { $case: 'unfrozen', value: {} };

function refuseFrozen(view: View, now: number): void {
  const freeze = frozenAt(view, now);
  if (freeze === undefined) return;
  const until = new Date(freeze.until).toISOString();
  throw new ChangeRefused(
    'WRONG_STATE',
    `frozen by ${freeze.by} until ${until} (${freeze.reason}): hunt ring unfreeze ends it`,
  );
}

/** One change at a time; several nodes may be drained together, and what the cluster does by itself gives way. */
function refuseBusy(view: View, besides?: Operation['kind']): void {
  const others = view.operations.filter(
    (one) => isRunning(one) && one.kind !== 'join' && (one.kind !== besides || one.back),
  );
  if (others.length > 0) throw busy(others);
}

const busy = (others: readonly Operation[]): ChangeRefused =>
  new ChangeRefused(
    'WRONG_STATE',
    `${others.map((one) => one.id).join(', ')} is under way: wait for its end, or roll it back`,
  );

const started = (
  value: Partial<Extract<ClusterOutcome, { $case: 'started' }>['value']> & { id: string; kind: Operation['kind'] },
): ClusterOutcome => ({
  $case: 'started',
  value: {
    node: '',
    weights: [],
    pins: [],
    unpin: [],
    remove: [],
    moves: [],
    movesPerS: 1,
    canaryS: 0,
    deadlineAt: 0,
    after: After.EXIT,
    ...value,
  },
});
