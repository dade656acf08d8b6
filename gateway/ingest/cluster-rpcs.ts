/** The methods of the Admin service that see and change the cluster, for operators: the same operations as over HTTP. */
import {
  type AdminService,
  ApplyRequest,
  ClusterChange,
  type ClusterPlan,
  type ClusterReply,
  DrainRequest,
  FreezeRequest,
  type Operation,
  OperationRequest,
} from '../../proto/generated/hunt/v1/admin.ts';
import type { Answer } from '../admin/idempotency.ts';
import { judge } from '../admin/judge.ts';
import {
  applyPlan,
  drainNode,
  freezeCluster,
  planCluster,
  rollBack,
  unfreezeCluster,
} from '../admin/operations/change-cluster.ts';
import type { Operations } from '../admin/operations/operations.ts';
import type { OperationRow } from '../admin/ports.ts';
import { applyBody, drainBody, freezeBody, planBody } from '../admin/schemas.ts';
import type { Claims } from '../token/claims.ts';
import { decode, type Rpc, type RpcCall } from './rpc.ts';

type ClusterMethod =
  | 'getCluster'
  | 'planCluster'
  | 'applyCluster'
  | 'drainNode'
  | 'getOperation'
  | 'rollBack'
  | 'freezeCluster'
  | 'unfreezeCluster';

export function clusterRpcs(
  ops: Operations,
  enter: (call: RpcCall) => Promise<Claims>,
): Record<ClusterMethod & keyof typeof AdminService, Rpc> {
  const { cluster } = ops.ports;
  return {
    getCluster: async (call) => {
      await enter(call);
      return await clusterReply(ops);
    },
    planCluster: async (call) => {
      await enter(call);
      const { weights, pins, unpin, remove } = decode(ClusterChange, call.request);
      const body = judge(planBody, { weights, pins: { ...pins }, unpin, remove });
      const plan = await planCluster(ops, body);
      return {
        planId: plan.plan_id,
        view: plan.view,
        moves: plan.moves.map(({ stall_ms, ...move }) => ({ ...move, stallMs: stall_ms })),
        slotsAfter: { ...plan.slots_after },
        imbalanceAfter: plan.imbalance_after,
      } satisfies ClusterPlan;
    },
    applyCluster: async (call) => {
      const caller = await enter(call);
      const { planId, movesPerS, canaryS } = decode(ApplyRequest, call.request);
      const body = judge(applyBody, {
        plan_id: planId,
        moves_per_s: movesPerS === 0 ? undefined : movesPerS,
        canary_s: canaryS === 0 ? undefined : canaryS,
      });
      return operationOf(await applyPlan(ops, caller, body));
    },
    drainNode: async (call) => {
      const caller = await enter(call);
      const { node, deadlineS, stay } = decode(DrainRequest, call.request);
      const body = judge(drainBody, { deadline_s: deadlineS === 0 ? undefined : deadlineS, stay });
      return operationOf(await drainNode(ops, caller, node, body));
    },
    getOperation: async (call) => {
      await enter(call);
      return operationMessage(cluster.operation(decode(OperationRequest, call.request).id));
    },
    rollBack: async (call) => {
      const caller = await enter(call);
      return operationOf(await rollBack(ops, caller, decode(OperationRequest, call.request).id));
    },
    freezeCluster: async (call) => {
      const caller = await enter(call);
      const { reason, expiresS } = decode(FreezeRequest, call.request);
      await freezeCluster(ops, caller, judge(freezeBody, { reason, expires_s: expiresS }));
      return await clusterReply(ops);
    },
    unfreezeCluster: async (call) => {
      await unfreezeCluster(ops, await enter(call));
      return await clusterReply(ops);
    },
  };
}

const operationOf = (answer: Answer): Operation => operationMessage(answer.body as OperationRow);

const operationMessage = (row: OperationRow): Operation => ({
  id: row.id,
  kind: row.kind,
  state: row.state,
  movesTotal: row.moves_total,
  movesDone: row.moves_done,
  startedAt: row.started_at,
  error: row.error ?? '',
  node: row.node ?? '',
  stallMsMax: row.stall_ms_max,
});

async function clusterReply(ops: Operations): Promise<ClusterReply> {
  const view = await ops.ports.cluster.describe();
  return {
    cluster: view.cluster,
    profile: view.profile,
    view: view.view,
    frozen: view.frozen ?? undefined,
    nodes: view.nodes.map((node) => ({ ...node })),
    owners: [...view.owners],
    epochs: [...view.epochs],
    pins: Object.fromEntries(Object.entries(view.pins).map(([slot, node]) => [Number(slot), node])),
    projectionLagEvents: view.lag.projection?.events ?? 0,
    projectionLagSeconds: view.lag.projection?.seconds ?? 0,
    operations: view.operations.map(operationMessage),
  };
}
