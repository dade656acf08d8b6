/** The one way in which POST routes answer: under their Idempotency-Key, if they came with one. */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { problemType } from './fault-reply.ts';
import type { Answer, Undertaking } from './idempotency.ts';
import type { Operations } from './operations/operations.ts';

const emptyBodyHash = createHash('sha256').digest();

export async function replyKeyed(
  ops: Operations,
  request: FastifyRequest,
  reply: FastifyReply,
  run: (undertaking: Undertaking) => Promise<Answer>,
): Promise<FastifyReply> {
  const key = request.headers['idempotency-key'];
  const answer = await ops.idempotency.once(
    {
      key: Array.isArray(key) ? key.join() : key,
      method: request.method,
      path: request.url,
      subject: request.caller?.sub ?? '',
      bodyHash: request.bodyHash ?? emptyBodyHash,
      instance: request.id,
    },
    run,
  );
  if (answer.replayed) reply.header('idempotency-replayed', 'true');
  if (answer.location !== undefined) reply.header('location', answer.location);
  reply.code(answer.status).serializer(JSON.stringify);
  return await (answer.status >= 400 ? reply.type(problemType) : reply).send(answer.body);
}
