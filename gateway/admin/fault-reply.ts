/** Everything that goes wrong on the HTTP side, turned into a problem document (RFC 9457) with its catalogued code. */
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { errorCatalogue } from '../../proto/error-code.ts';
import type { Journal } from './ports.ts';
import { internalMessage, Problem, problemBody } from './problem.ts';

export const problemType = 'application/problem+json; charset=utf-8';

/** Whatever was thrown, as a problem; undefined if it is a fault of ours. */
export function asProblem(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  const { code, statusCode } = (error ?? {}) as Partial<FastifyError>;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem('TOO_LARGE', 'the body is too large: 64 KiB are allowed, 1 MiB for a definition');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Problem(
        'UNSUPPORTED_MEDIA',
        'send application/json (definitions also as application/yaml) and say so in Content-Type',
      );
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new Problem('INVALID', 'the body is not as long as Content-Length says');
    case 'FST_ERR_BAD_URL':
      return new Problem('INVALID', 'the path is not well percent-encoded');
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new Problem('INVALID', 'a part of the path is too long: no id has more than 64 characters');
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    if (statusCode === 404) return new Problem('NOT_FOUND', 'there is nothing at this path');
    return new Problem('INVALID', 'the request is malformed');
  }
  return undefined;
}

export function faultReplier(
  journal: Journal,
): (error: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  return (error, request, reply) => {
    let problem = asProblem(error);
    if (problem === undefined) {
      journal.error(
        { err: error, instance: request.id, method: request.method, path: request.routeOptions.url ?? 'unknown' },
        'a request failed',
      );
      problem = new Problem('INTERNAL', internalMessage);
    }
    return sendProblem(problem, request, reply);
  };
}

export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const status = errorCatalogue[problem.code].http;
  if (problem.code === 'UNAUTHENTICATED') reply.header('www-authenticate', 'Bearer');
  if (problem.retryMs !== undefined && (status === 503 || status === 429))
    reply.header('retry-after', Math.max(1, Math.ceil(problem.retryMs / 1000)));
  // Without this a serializer made for the route's answer would be applied to the problem.
  return reply.code(status).type(problemType).serializer(JSON.stringify).send(problemBody(problem, request.id));
}

/** What is not even HTTP, or came too slowly: answered on the bare socket, then closed. */
export function rawFaultReplier(instance: () => string): (error: Error & { code?: string }, socket: Socket) => void {
  return (error, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const problem =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? new Problem('TOO_LARGE', 'the header fields are too large: 16 KiB are allowed')
        : new Problem(
            'INVALID',
            error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
              ? 'the request did not arrive in time'
              : 'this is not well-formed HTTP',
          );
    const { http } = errorCatalogue[problem.code];
    const body = JSON.stringify(problemBody(problem, instance()));
    socket.end(
      `HTTP/1.1 ${http} ${http === 413 ? 'Content Too Large' : 'Bad Request'}\r\nContent-Type: ${problemType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  };
}
