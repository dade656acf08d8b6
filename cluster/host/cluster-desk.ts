/**
 * The cluster as operators see and change it, behind HTTP and gRPC.
 *
 * Owns: nothing; a plan's id holds the plan, so that any gateway can apply what another one planned. Does not own: how changes
 * are carried out (cluster/coordinator.ts does that on a node, so that no gateway need live that long).
 */
import type {
  ApplyWish,
  ClusterChangeWish,
  ClusterDesk,
  ClusterFreeze,
  ClusterPlanAnswer,
  DrainWish,
  OperationRow,
} from '../../gateway/admin/ports.ts';
import { Problem } from '../../gateway/admin/problem.ts';
import { After } from '../../proto/generated/node/v1/cluster.ts';
import type { Version } from '../../proto/ids.ts';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { EventLog } from '../../runtime/log/event-log.ts';
import type { Operation } from '../operation.ts';
import { ChangeRefused, type ClusterChange, type Plan, planChange } from '../plan.ts';
import { apply, drain, drainOf, freeze, rollBack, unfreeze } from '../undertakings.ts';
import { clusterStream, type View } from '../view.ts';
import { type ViewDecision, type ViewLog, ViewUnavailableError } from '../view-log.ts';
import { showClusterEvents } from './cluster-events.ts';
import type { DescribedCluster } from './describe-cluster.ts';
import { operationRow } from './operation-row.ts';

const sayMsMax = 8_000;

const afterOf: Readonly<Record<DrainWish['after'], After>> = {
  exit: After.EXIT,
  stay: After.STAY,
  restart: After.RESTART,
};

export class ClusterControl implements ClusterDesk {
  constructor(
    private readonly viewLog: ViewLog,
    private readonly described: DescribedCluster,
    private readonly log: Pick<EventLog, 'read'>,
    private readonly clock: Clock,
  ) {}

  describe() {
    return this.described.describe();
  }

  async plan(wish: ClusterChangeWish): Promise<ClusterPlanAnswer> {
    await this.#fresh();
    await this.described.refresh();
    const { view } = this.viewLog;
    const plan = this.#planned(view, changeOf(wish));
    return {
      plan_id: `${view.number}.${Buffer.from(JSON.stringify(wish)).toString('base64url')}`,
      view: view.number,
      moves: plan.moves.map(({ slot, from, to, reason, bytes, stallMs }) => ({
        slot,
        from,
        to,
        reason,
        bytes,
        stall_ms: stallMs,
      })),
      slots_after: plan.slotsAfter,
      imbalance_after: plan.imbalanceAfter,
    };
  }

  async apply({ planId, movesPerS, canaryS }: ApplyWish, by: string): Promise<OperationRow> {
    const { number, wish } = readPlanId(planId);
    const change = changeOf(wish);
    await this.#fresh();
    const { view } = this.viewLog;
    if (view.number !== number) throw viewChanged(`the plan was made on view ${number}, this is ${view.number}`);
    const plan = this.#planned(view, change);
    return await this.#undertake(apply(plan, change, { movesPerS, canaryS }), by, wish.reason);
  }

  operation(id: string): OperationRow {
    const operation = this.viewLog.view.operations.find((one) => one.id === id);
    if (operation === undefined) throw new Problem('NOT_FOUND', `there is no operation ${id}, or it is too long ago`);
    return operationRow(operation, true);
  }

  async rollBack(id: string, by: string): Promise<OperationRow> {
    const view = await this.#say(rollBack(id), by, `rollback of ${id}`);
    return operationRow(view.operations.find((one) => one.id === id) as Operation, false);
  }

  async freeze(reason: string, expiresS: number, by: string): Promise<ClusterFreeze> {
    const view = await this.#say(freeze(expiresS), by, reason);
    return view.frozen ?? { reason, by, until: this.clock.now() + expiresS * 1_000 };
  }

  async unfreeze(by: string): Promise<void> {
    await this.#say(unfreeze, by, 'unfreeze');
  }

  async drain({ node, deadlineS, after }: DrainWish, by: string): Promise<OperationRow> {
    await this.described.refresh();
    const wish = { node, deadlineS, after: afterOf[after] };
    const present = drainOf(this.viewLog.view, node);
    if (present !== undefined) return operationRow(present, false);
    return await this.#undertake(
      drain(wish, (slot) => this.described.costOf(slot)),
      by,
      `drain of ${node}`,
      (view) => drainOf(view, node),
    );
  }

  async history(from: number, limit: number) {
    const events: object[] = [];
    let at = from + 1;
    let head = 0;
    for (;;) {
      const page = await this.log.read(clusterStream, at as Version);
      head = page.head;
      for (const record of page.records)
        for (const shown of showClusterEvents(record))
          if (shown.view >= at && events.length < limit) events.push(shown);
      if (page.next === undefined || events.length >= limit) break;
      at = page.next;
    }
    const last = from + events.length;
    return { events, next: last < head ? last : null };
  }

  #planned(view: View, change: ClusterChange): Plan {
    try {
      return planChange(view, change, this.clock.now(), (slot) => this.described.costOf(slot));
    } catch (error) {
      throw asProblem(error);
    }
  }

  /** An operator reads the writes of others too, also through another gateway. */
  async #fresh(): Promise<void> {
    try {
      await this.viewLog.catchUp();
    } catch (error) {
      throw asProblem(error);
    }
  }

  async #undertake(
    decide: ViewDecision,
    by: string,
    reason: string,
    existing: (view: View) => Operation | undefined = () => undefined,
  ): Promise<OperationRow> {
    let id = '';
    const view = await this.#say(
      (present, now) => {
        const outcome = decide(present, now);
        id = outcome?.$case === 'started' ? outcome.value.id : (existing(present)?.id ?? '');
        return outcome;
      },
      by,
      reason,
    );
    return operationRow(view.operations.find((one) => one.id === id) as Operation, false);
  }

  async #say(decide: ViewDecision, by: string, reason: string): Promise<View> {
    try {
      return await this.viewLog.append(decide, { deadlineMs: sayMsMax, by, reason });
    } catch (error) {
      throw asProblem(error);
    }
  }
}

const changeOf = (wish: ClusterChangeWish): ClusterChange => ({
  ...wish,
  pins: new Map(Object.entries(wish.pins).map(([slot, node]) => [Number(slot), node])),
});

const viewChanged = (why: string) => new Problem('VIEW_CHANGED', `${why}: plan again`);

function readPlanId(planId: string): { number: number; wish: ClusterChangeWish } {
  const match = /^(\d{1,15})\.([A-Za-z0-9_-]+)$/.exec(planId);
  try {
    if (match === null) throw new Error('no plan');
    const wish = JSON.parse(Buffer.from(match[2] as string, 'base64url').toString('utf8')) as ClusterChangeWish;
    for (const part of [wish.weights, wish.pins, wish.unpin, wish.remove])
      if (typeof part !== 'object' || part === null) throw new Error('no plan');
    return { number: Number(match[1]), wish };
  } catch {
    throw viewChanged('there is no plan with that id');
  }
}

function asProblem(error: unknown): unknown {
  if (error instanceof ChangeRefused) {
    const errors = error.path === '' ? {} : { errors: [{ path: error.path, message: error.message }] };
    return new Problem(error.code, error.message, errors);
  }
  if (error instanceof ViewUnavailableError) return new Problem('UNAVAILABLE', error.message);
  if (error instanceof Error && error.name === 'LogUnavailableError')
    return new Problem('BUSY', 'the log cannot be reached, and with it the view cannot be changed: try again');
  return error;
}
