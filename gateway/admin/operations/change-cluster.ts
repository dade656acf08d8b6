/** What operators ask of the cluster, checked bodies in, answers out; HTTP and gRPC do the same. */
import type { z } from 'zod';
import type { Claims } from '../../token/claims.ts';
import type { Answer } from '../idempotency.ts';
import type { ClusterPlanAnswer, OperationRow } from '../ports.ts';
import type { applyBody, drainBody, freezeBody, planBody } from '../schemas.ts';
import type { Operations } from './operations.ts';

export const planCluster = (ops: Operations, body: z.output<typeof planBody>): Promise<ClusterPlanAnswer> =>
  ops.ports.cluster.plan({
    weights: body.weights,
    pins: body.pins,
    unpin: body.unpin,
    remove: body.remove,
    reason: body.reason ?? '',
    pinsForS: body.expires_s ?? 0,
  });

export async function applyPlan(ops: Operations, caller: Claims, body: z.output<typeof applyBody>): Promise<Answer> {
  const { plan_id: planId, moves_per_s: movesPerS, canary_s: canaryS } = body;
  return accepted(await ops.ports.cluster.apply({ planId, movesPerS, canaryS }, caller.sub));
}

export async function rollBack(ops: Operations, caller: Claims, id: string): Promise<Answer> {
  return accepted(await ops.ports.cluster.rollBack(id, caller.sub));
}

export async function drainNode(
  ops: Operations,
  caller: Claims,
  node: string,
  body: z.output<typeof drainBody>,
): Promise<Answer> {
  const after = body.stay ? 'stay' : body.restart ? 'restart' : 'exit';
  return accepted(await ops.ports.cluster.drain({ node, deadlineS: body.deadline_s, after }, caller.sub));
}

export async function freezeCluster(
  ops: Operations,
  caller: Claims,
  body: z.output<typeof freezeBody>,
): Promise<Answer> {
  return { status: 200, body: { frozen: await ops.ports.cluster.freeze(body.reason, body.expires_s, caller.sub) } };
}

export async function unfreezeCluster(ops: Operations, caller: Claims): Promise<Answer> {
  await ops.ports.cluster.unfreeze(caller.sub);
  return { status: 200, body: { frozen: null } };
}

const accepted = (operation: OperationRow): Answer => ({
  status: 202,
  body: operation,
  location: `/v1/cluster/operations/${operation.id}`,
});
