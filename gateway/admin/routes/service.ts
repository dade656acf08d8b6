import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { healthAnswer, readinessAnswer } from '../answer-schemas.ts';
import { authenticate, checkRole } from '../authorize.ts';
import type { Operations } from '../operations/operations.ts';
import { Problem } from '../problem.ts';
import { readinessOf } from '../readiness.ts';
import { operatorsDoor } from '../request-context.ts';

const loopback = /^(127\.|::1$|::ffff:127\.)/;

/** Of the process: health, metrics, this document. */
export const serviceRoutes =
  (ops: Operations): FastifyPluginAsyncZod =>
  async (app) => {
    app.get('/v1/socket', { schema: { hide: true } }, async () => {
      throw new Problem(
        'INVALID',
        'this path speaks WebSocket only: connect with Sec-WebSocket-Protocol hunt.v1.json or hunt.v1.msgpack',
      );
    });

    app.get(
      '/healthz',
      { schema: { summary: 'The process lives', tags: ['service'], response: { 200: healthAnswer } } },
      async (_request, reply) => reply.send({ status: 'ok' }),
    );

    app.get(
      '/readyz',
      {
        schema: {
          summary: 'The process can serve',
          tags: ['service'],
          response: { 200: readinessAnswer, 503: readinessAnswer },
        },
      },
      async (_request, reply) => {
        const checks = await readinessOf(ops);
        const ok = checks.every((check) => check.ok);
        return await reply
          .code(ok ? 200 : 503)
          .header('cache-control', 'no-store')
          .send({ status: ok ? 'ok' : 'unavailable', checks: [...checks] });
      },
    );

    app.get(
      '/metrics',
      {
        schema: {
          summary: 'Prometheus metrics',
          tags: ['service'],
          produces: ['text/plain'],
          response: { 200: z.string() },
        },
      },
      async (request, reply) => {
        if (!loopback.test(request.ip))
          checkRole(
            await authenticate(ops.ports.tokens, request.headers.authorization),
            operatorsDoor.roles,
            undefined,
          );
        const { metrics } = ops.ports;
        return await reply
          .type(metrics.contentType)
          .serializer(String)
          .send(await metrics.metrics());
      },
    );

    app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
      reply.serializer(JSON.stringify).type('application/json; charset=utf-8').send(app.swagger()),
    );
  };
