import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Claims } from '../../token/claims.ts';
import { clusterAnswer, clusterHistoryAnswer, frozenAnswer, operationAnswer, planAnswer } from '../answer-schemas.ts';
import { replyKeyed } from '../keyed-reply.ts';
import {
  applyPlan,
  drainNode,
  freezeCluster,
  planCluster,
  rollBack,
  unfreezeCluster,
} from '../operations/change-cluster.ts';
import type { Operations } from '../operations/operations.ts';
import { operatorsDoor } from '../request-context.ts';
import { applyBody, drainBody, freezeBody, historyQuery, planBody } from '../schemas.ts';

const tags = ['cluster'];
const config = { door: operatorsDoor };
const named = z.object({ id: z.string() });

/** The view, and what changes it. For operators alone. */
export const clusterRoutes =
  (ops: Operations): FastifyPluginAsyncZod =>
  async (app) => {
    app.get(
      '/v1/cluster',
      {
        config,
        schema: { summary: 'The view: nodes, owners, epochs, operations, lag', tags, response: { 200: clusterAnswer } },
      },
      async (_request, reply) => reply.serializer(JSON.stringify).send(await ops.ports.cluster.describe()),
    );
    app.get(
      '/v1/cluster/events',
      {
        config,
        schema: {
          summary: 'What changed the cluster: who, when and why',
          tags,
          querystring: historyQuery,
          response: { 200: clusterHistoryAnswer },
        },
      },
      async (request, reply) =>
        reply.serializer(JSON.stringify).send(await ops.ports.cluster.history(request.query.from, request.query.limit)),
    );
    app.post(
      '/v1/cluster/plan',
      {
        config,
        schema: { summary: 'What a change would move', tags, body: planBody, response: { 200: planAnswer } },
      },
      async (request, reply) =>
        await replyKeyed(ops, request, reply, async () => ({
          status: 200,
          body: await planCluster(ops, request.body),
        })),
    );
    app.post(
      '/v1/cluster/apply',
      {
        config,
        schema: { summary: 'Carry a plan out', tags, body: applyBody, response: { 202: operationAnswer } },
      },
      async (request, reply) =>
        await replyKeyed(ops, request, reply, () => applyPlan(ops, callerOf(request), request.body)),
    );
    app.get(
      '/v1/cluster/operations/:id',
      {
        config,
        schema: { summary: 'How far an operation is', tags, params: named, response: { 200: operationAnswer } },
      },
      async (request, reply) => reply.serializer(JSON.stringify).send(ops.ports.cluster.operation(request.params.id)),
    );
    app.post(
      '/v1/cluster/operations/:id/rollback',
      {
        config,
        schema: { summary: 'Take a whole change back', tags, params: named, response: { 202: operationAnswer } },
      },
      async (request, reply) =>
        await replyKeyed(ops, request, reply, () => rollBack(ops, callerOf(request), request.params.id)),
    );
    app.post(
      '/v1/cluster/freeze',
      {
        config,
        schema: {
          summary: 'Let only the slots of dead nodes move',
          tags,
          body: freezeBody,
          response: { 200: frozenAnswer },
        },
      },
      async (request, reply) =>
        await replyKeyed(ops, request, reply, () => freezeCluster(ops, callerOf(request), request.body)),
    );
    app.post(
      '/v1/cluster/unfreeze',
      { config, schema: { summary: 'Let slots move again', tags, response: { 200: frozenAnswer } } },
      async (request, reply) => await replyKeyed(ops, request, reply, () => unfreezeCluster(ops, callerOf(request))),
    );
    app.post(
      '/v1/cluster/nodes/:id/drain',
      {
        config,
        schema: {
          summary: 'Empty a node, and let it leave',
          tags,
          params: named,
          body: drainBody,
          response: { 202: operationAnswer },
        },
      },
      async (request, reply) =>
        await replyKeyed(ops, request, reply, () => drainNode(ops, callerOf(request), request.params.id, request.body)),
    );
  };

function callerOf(request: FastifyRequest): Claims {
  if (request.caller === undefined) throw new Error(`the route ${request.routeOptions.url} has no door`);
  return request.caller;
}
