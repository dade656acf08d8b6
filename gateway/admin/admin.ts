/**
 * The gateway's HTTP side (PROTOCOL.md): a fastify instance with all routes, checks and problem documents. Its
 * `server` is where the host attaches the WebSocket's upgrade. Owns no state of hunts: everything is asked of their
 * owner nodes or read from the log.
 */
import type { IncomingMessage, RequestListener, Server, ServerOptions, ServerResponse } from 'node:http';
import cors from '@fastify/cors';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { authenticate, passDoor } from './authorize.ts';
import { bodyBytesMax, parseJsonBodies } from './body-parsers.ts';
import { faultReplier, rawFaultReplier, sendProblem } from './fault-reply.ts';
import { validatorCompiler } from './judge.ts';
import type { Operations } from './operations/operations.ts';
import { PathMethods } from './path-methods.ts';
import { Problem } from './problem.ts';
import { clusterRoutes } from './routes/cluster.ts';
import { definitionRoutes, huntRoutes } from './routes/hunts.ts';
import { pageRoutes } from './routes/pages.ts';
import { playerRoutes } from './routes/players.ts';
import { serviceRoutes } from './routes/service.ts';
import { steeringRoutes } from './routes/steering.ts';
import './request-context.ts';

/** Slow senders: headers, then the whole request, must arrive within these. */
export const headersTimeoutMs = 10_000;
export const requestTimeoutMs = 30_000;
export const connectionsCheckingIntervalMs = 5_000;
/** An idle connection is kept so long; longer than usual balancers keep theirs. */
export const keepAliveTimeoutMs = 72_000;
export const headerBytesMax = 16 * 1024;
const pathParameterCharsMax = 512;

export interface AdminOptions {
  /** HUNT_ORIGINS: who else may call from a browser. */
  readonly origins?: readonly string[];
  /** Folder of the web pages; absent: none are served. */
  readonly webRoot?: string;
  /** Instead of a plain HTTP server: TLS, or one that accepts connections at its own pace. Gets node's options for the server. */
  readonly makeServer?: (options: ServerOptions, listener: RequestListener) => Server;
}

/** Ready to `listen`; routes are fixed. */
export async function buildAdmin(ops: Operations, options: AdminOptions = {}): Promise<FastifyInstance> {
  const { journal, random } = ops.ports;
  const instance = () => random.token(9);
  const replyFault = faultReplier(journal);
  const serverOptions: ServerOptions = {
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: connectionsCheckingIntervalMs,
    maxHeaderSize: headerBytesMax,
    highWaterMark: 64 * 1024,
  };
  const { makeServer } = options;
  const app = fastify({
    logger: false,
    genReqId: instance,
    bodyLimit: bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    return503OnClosing: false,
    clientErrorHandler: rawFaultReplier(instance),
    routerOptions: { maxParamLength: pathParameterCharsMax },
    frameworkErrors: (error, request, reply) => void replyFault(error, request as never, reply as never),
    ...(makeServer === undefined
      ? { http: serverOptions }
      : {
          serverFactory: (handler: (request: IncomingMessage, response: ServerResponse) => void) =>
            makeServer({ ...serverOptions, keepAliveTimeout: keepAliveTimeoutMs }, handler),
        }),
  });

  app.setValidatorCompiler(validatorCompiler as never);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler(replyFault);
  app.decorateRequest('caller', undefined);
  app.decorateRequest('huntId', undefined);
  app.decorateRequest('bodyHash', undefined);
  parseJsonBodies(app);

  const known = new PathMethods();
  app.addHook('onRoute', (route) => {
    if (route.url !== '*') known.add(route.url, Array.isArray(route.method) ? route.method : [route.method]);
  });
  app.setNotFoundHandler((request, reply) => {
    const allowed = known.of(request.url);
    if (allowed.length === 0)
      return sendProblem(
        new Problem('NOT_FOUND', 'there is nothing at this path: /openapi.json lists the paths'),
        request,
        reply,
      );
    reply.header('allow', allowed.join(', '));
    return sendProblem(new Problem('METHOD_NOT_ALLOWED', `this path knows only ${allowed.join(', ')}`), request, reply);
  });

  const origins = new Set(options.origins);
  await app.register(cors, {
    origin: async (origin: string | undefined) => origin !== undefined && origins.has(origin),
    methods: ['GET', 'HEAD', 'POST', 'PUT'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key'],
    exposedHeaders: ['location', 'idempotency-replayed', 'retry-after', 'www-authenticate'],
    strictPreflight: false,
    maxAge: 600,
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Treasure Hunt Engine',
        version: '1',
        description: 'Hunts, their players and the cluster. Errors are RFC 9457 problems.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
    },
    transform: documentRoute as typeof jsonSchemaTransform,
  });

  app.addHook('onRequest', async (request) => {
    const { door } = request.routeOptions.config;
    if (door === undefined) return;
    const caller = await authenticate(ops.ports.tokens, request.headers.authorization);
    request.huntId = await passDoor(caller, door, ops.directory, (request.params as { id?: string }).id);
    request.caller = caller;
  });
  app.addHook('preValidation', async (request) => {
    if ((request.method === 'POST' || request.method === 'PUT') && request.body === undefined) request.body = {};
  });
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
  });

  await app.register(definitionRoutes(ops));
  await app.register(huntRoutes(ops));
  await app.register(steeringRoutes(ops));
  await app.register(playerRoutes(ops));
  await app.register(clusterRoutes(ops));
  await app.register(serviceRoutes(ops));
  if (options.webRoot !== undefined) await app.register(pageRoutes(options.webRoot));
  await app.ready();
  return app;
}

/** One route of the OpenAPI document: its zod schemas, who may call it, and how it fails. */
function documentRoute(route: Parameters<typeof jsonSchemaTransform>[0]): ReturnType<typeof jsonSchemaTransform> {
  const documented = jsonSchemaTransform(route) as { schema: Record<string, unknown>; url: string };
  const { schema } = documented;
  if (schema === undefined || schema.hide === true) return documented as ReturnType<typeof jsonSchemaTransform>;
  const { door } = (route.route.config ?? {}) as { door?: object };
  if (door !== undefined) schema.security = [{ token: [] }];
  if (Array.isArray(schema.consumes) && schema.body === undefined)
    schema.body = { type: 'object', description: 'A hunt definition' };
  schema.response = {
    ...(schema.response as object),
    default: { description: 'A problem', content: { 'application/problem+json': { schema: problemJsonSchema } } },
  };
  return documented as ReturnType<typeof jsonSchemaTransform>;
}

const problemJsonSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'retryable', 'instance'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string' },
    retryable: { type: 'boolean' },
    retry_ms: { type: 'integer' },
    errors: {
      type: 'array',
      items: { type: 'object', properties: { path: { type: 'string' }, message: { type: 'string' } } },
    },
    instance: { type: 'string' },
  },
};
