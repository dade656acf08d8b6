/** For tests of the edge: a cluster of one node that remembers what it was asked, and refuses what it is told to refuse. */
import type {
  ApplyWish,
  ClusterChangeWish,
  ClusterDescription,
  ClusterDesk,
  ClusterFreeze,
  ClusterPlanAnswer,
  DrainWish,
  OperationRow,
} from './ports.ts';
import { Problem } from './problem.ts';

export class ScriptedCluster implements ClusterDesk {
  readonly asked: { readonly what: string; readonly wish: unknown; readonly by?: string }[] = [];
  /** What the next change is refused with. */
  refusal: Problem | undefined;
  frozen: ClusterFreeze | null = null;

  #note(what: string, wish: unknown, by?: string): void {
    this.asked.push({ what, wish, ...(by === undefined ? {} : { by }) });
    const { refusal } = this;
    this.refusal = undefined;
    if (refusal !== undefined) throw refusal;
  }

  describe(): ClusterDescription {
    return {
      cluster: 'local',
      profile: 'embedded',
      view: 3,
      frozen: this.frozen,
      nodes: [
        { id: 'n1', state: 'active', weight: 1, incarnation: 2, addr: '/tmp/n1', slots: 256, hunts: 1, since: 1 },
      ],
      owners: Array.from({ length: 256 }, () => 'n1'),
      epochs: Array.from({ length: 256 }, () => 1),
      pins: { 17: 'n1' },
      lag: { projection: { events: 0, seconds: 0, worst_slot: 0 } },
      operations: [this.#row('op-3', 'apply')],
      parked: [],
      unserved: [],
      moving: {},
    };
  }

  async plan(wish: ClusterChangeWish): Promise<ClusterPlanAnswer> {
    this.#note('plan', wish);
    const move = { slot: 4, from: 'n1', to: 'n2', reason: 'weight', bytes: 2_048, stall_ms: 30.5 };
    return { plan_id: '3.abc', view: 3, moves: [move], slots_after: { n1: 255, n2: 1 }, imbalance_after: 1.05 };
  }

  async apply(wish: ApplyWish, by: string): Promise<OperationRow> {
    this.#note('apply', wish, by);
    return this.#row('op-4', 'apply', 'canary');
  }

  operation(id: string): OperationRow {
    this.#note('operation', id);
    if (id !== 'op-4') throw new Problem('NOT_FOUND', `there is no operation ${id}`);
    return { ...this.#row(id, 'apply'), moves: [{ slot: 4, from: 'n1', to: 'n2', state: 'served', reason: 'weight' }] };
  }

  async rollBack(id: string, by: string): Promise<OperationRow> {
    this.#note('rollback', id, by);
    return this.#row(id, 'apply', 'running');
  }

  async freeze(reason: string, expiresS: number, by: string): Promise<ClusterFreeze> {
    this.#note('freeze', { reason, expiresS }, by);
    this.frozen = { reason, by, until: 1_000 };
    return this.frozen;
  }

  async unfreeze(by: string): Promise<void> {
    this.#note('unfreeze', undefined, by);
    this.frozen = null;
  }

  async drain(wish: DrainWish, by: string): Promise<OperationRow> {
    this.#note('drain', wish, by);
    return { ...this.#row('op-5', 'drain', 'running'), node: wish.node };
  }

  async history(from: number, limit: number) {
    this.#note('history', { from, limit });
    return { events: [{ view: from + 1, type: 'Frozen', at: 5, by: 'olga', reason: 'night', detail: {} }], next: null };
  }

  #row(id: string, kind: string, state = 'done'): OperationRow {
    return {
      id,
      kind,
      state,
      moves_total: 1,
      moves_done: state === 'done' ? 1 : 0,
      stall_ms_max: 12.5,
      started_at: 1_000,
      by: 'olga',
      reason: 'more memory',
    };
  }
}
