/** Probes and metrics of a process that serves nothing else over HTTP: /healthz, /readyz, /metrics, /openapi.json. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { type ErrorCode, errorCatalogue, isRetryable } from '../../proto/error-code.ts';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
}

export interface ProbeOptions {
  readonly host: string;
  readonly port: number;
  readonly title: string;
  readonly registry: Registry;
  readonly checks: () => readonly Check[];
  /** Whether that token is an operator's. */
  readonly isOperator: (token: string) => Promise<boolean>;
  /** Further documents by path, for our own processes on this machine alone. */
  readonly inside?: Readonly<Record<string, () => unknown>>;
}

const requestMsMax = 10_000;

export interface Probes {
  readonly port: number;
  close(): Promise<void>;
}

export async function serveProbes(options: ProbeOptions): Promise<Probes> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) =>
      problem(response, 'INTERNAL', String(error), request.url ?? '/'),
    );
  });
  server.requestTimeout = requestMsMax;
  server.headersTimeout = requestMsMax;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return { port: portOf(server), close: () => closed(server) };
}

const portOf = (server: Server): number => {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
};

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

async function answer(options: ProbeOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0] as string;
  const known =
    ['/healthz', '/readyz', '/metrics', '/openapi.json'].includes(path) || options.inside?.[path] !== undefined;
  if (!known)
    return problem(response, 'NOT_FOUND', 'there is nothing at this path: /openapi.json lists what there is', path);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return problem(response, 'METHOD_NOT_ALLOWED', `${path} answers GET only`, path);
  }
  if (path === '/healthz') return json(response, 200, { status: 'ok' });
  if (path === '/openapi.json') return json(response, 200, openApi(options.title));
  if (path === '/readyz') {
    const checks = options.checks();
    const ok = checks.every((check) => check.ok);
    return json(response, ok ? 200 : 503, { status: ok ? 'ok' : 'unavailable', checks });
  }
  if (!isLoopback(request.socket.remoteAddress ?? '')) {
    const token = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined || !(await options.isOperator(token))) {
      response.setHeader('WWW-Authenticate', 'Bearer');
      return problem(
        response,
        'UNAUTHENTICATED',
        "from another machine this needs an operator's token: hunt token --role operator makes one",
        path,
      );
    }
  }
  const inside = options.inside?.[path];
  if (inside !== undefined) return json(response, 200, inside());
  response.writeHead(200, { 'Content-Type': options.registry.contentType });
  response.end(await options.registry.metrics());
}

export const isLoopback = (address: string): boolean => /^(::ffff:)?127\.|^::1$/.test(address);

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(body));
}

function problem(response: ServerResponse, code: ErrorCode, detail: string, instance: string): void {
  const { http } = errorCatalogue[code];
  response.writeHead(http, { 'Content-Type': 'application/problem+json; charset=utf-8' });
  response.end(
    JSON.stringify({
      type: `urn:hunt:error:${code}`,
      title: code,
      status: http,
      detail,
      code,
      retryable: isRetryable(code),
      instance,
    }),
  );
}

function openApi(title: string): object {
  const document = (description: string, type: string) => ({
    description,
    content: { [type]: { schema: type === 'text/plain' ? { type: 'string' } : { type: 'object' } } },
  });
  const get = (summary: string, type = 'application/json', more: object = {}) => ({
    get: { summary, responses: { 200: document('OK', type), ...more } },
  });
  return {
    openapi: '3.1.0',
    info: { title, version: '1' },
    paths: {
      '/healthz': get('Whether the process runs'),
      '/readyz': get('Whether it serves', 'application/json', {
        503: document('Not ready; the checks say why', 'application/json'),
      }),
      '/metrics': get('Prometheus metrics; from another machine for operators only', 'text/plain'),
      '/openapi.json': get('This document'),
    },
  };
}
