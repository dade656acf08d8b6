/**
 * The gateway's gRPC side: HuntState (players' actions), Admin (as HTTP), and health. Messages of the hot path stay bytes;
 * all others are decoded in the handlers, so that damage is a catalogued status and not the library's.
 */

import {
  type handleUnaryCall,
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { AdminService } from '../../proto/generated/hunt/v1/admin.ts';
import { HuntStateService } from '../../proto/generated/hunt/v1/ingest.ts';
import { requestWithTokenName } from '../act/token-name.ts';
import { authenticate } from '../admin/authorize.ts';
import { type Operations, tooManyActs } from '../admin/operations/operations.ts';
import { Problem } from '../admin/problem.ts';
import { adminRpcs, type Rpc } from './admin-rpcs.ts';
import { statusOfError } from './grpc-status.ts';
import { healthHandlers, healthService } from './health.ts';
import { FramingError, nackTo, type RequestHead, readHead } from './request-reader.ts';
import { SubmitStream } from './submit-stream.ts';
import { notYours, Submitter } from './submitter.ts';

/** grpc-js's own default, named because clients are told of it. */
export const receiveBytesMax = 4 * 1024 * 1024;
const keepaliveTimeMs = 30_000;
const keepaliveTimeoutMs = 10_000;
const streamsPerConnectionMax = 1_000;

const raw = { requestDeserialize: (value: Buffer) => value, responseSerialize: (value: Buffer) => value };

type SubmitCall = ServerUnaryCall<Buffer, Buffer>;

/** Not bound yet: the host calls `bindAsync`, and `tryShutdown` or `forceShutdown` at the end. */
export function buildIngest(ops: Operations): Server {
  const server = new Server({
    'grpc.max_receive_message_length': receiveBytesMax,
    'grpc.keepalive_time_ms': keepaliveTimeMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    'grpc.max_concurrent_streams': streamsPerConnectionMax,
  });
  const huntState = {
    submit: { ...HuntStateService.submit, ...raw },
    submitStream: { ...HuntStateService.submitStream, ...raw },
  } as unknown as ServiceDefinition;
  server.addService(huntState, {
    submit: unary(ops, (call) => submit(ops, call)),
    submitStream: (call: ServerDuplexStream<Buffer, Buffer>) => openStream(ops, call),
  });

  const rpcs = Object.entries(adminRpcs(ops)) as [keyof typeof AdminService, Rpc][];
  const definitions = Object.fromEntries(
    rpcs.map(([name]) => [name, { ...AdminService[name], requestDeserialize: raw.requestDeserialize }]),
  );
  const handlers: UntypedServiceImplementation = {};
  for (const [name, rpc] of rpcs)
    handlers[name] = unary(ops, (call) =>
      rpc({ request: call.request, authorization: authorizationOf(call), address: addressOf(call.getPeer()) }),
    );
  server.addService(definitions as unknown as ServiceDefinition, handlers);
  server.addService(healthService, healthHandlers(ops) as unknown as UntypedServiceImplementation);
  return server;
}

function unary(ops: Operations, run: (call: SubmitCall) => Promise<object>): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    run(call).then(
      (answer) => callback(null, answer as Buffer),
      (error: unknown) => callback(statusOfError(ops, error, call.getPath())),
    );
  };
}

function authorizationOf(call: { metadata: { get(key: string): (string | Buffer)[] } }): string | undefined {
  const [first] = call.metadata.get('authorization');
  return typeof first === 'string' ? first : undefined;
}

/** grpc-js writes peers as `127.0.0.1:4711` or `[::1]:4711`. */
export function addressOf(peer: string): string {
  return peer.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}

async function submit(ops: Operations, call: SubmitCall): Promise<Buffer> {
  const claims = await authenticate(ops.ports.tokens, authorizationOf(call));
  const { request } = call;
  let head: RequestHead;
  try {
    head = readHead(request);
  } catch (error) {
    if (error instanceof FramingError) throw new Problem('INVALID', `the request is malformed: ${error.message}`);
    throw error;
  }
  const refuse = (code: 'INVALID' | Problem['code'], message: string, retryMs = 0) =>
    Buffer.from(nackTo(request, 0, request.length, code, message, retryMs));
  if (head.fault !== undefined) return refuse('INVALID', head.fault);
  const submitter = new Submitter(claims, ops.directory);
  let verdict = submitter.judge(head);
  if (verdict === 'ask') {
    try {
      verdict = (await ops.directory.find(head.huntId)).owner === claims.sub ? 'allowed' : notYours;
    } catch (error) {
      if (error instanceof Problem && error.code !== 'INTERNAL')
        return refuse(error.code, error.message, error.retryMs);
      throw error;
    }
  }
  if (verdict !== 'allowed') throw new Problem('FORBIDDEN', verdict);
  const waitMs = claims.role === 'player' ? ops.ports.admitAct(head.playerId) : 0;
  if (waitMs > 0) return refuse('RATE_LIMITED', tooManyActs, waitMs);
  return await new Promise<Buffer>((resolve) =>
    ops.ports.route.submit(head.huntId, head.playerId, head.seq, requestWithTokenName(request, claims), (reply) =>
      resolve(Buffer.from(reply)),
    ),
  );
}

function openStream(ops: Operations, call: ServerDuplexStream<Buffer, Buffer>): void {
  authenticate(ops.ports.tokens, authorizationOf(call)).then(
    (claims) => new SubmitStream(ops, call, claims),
    (error: unknown) => call.emit('error', statusOfError(ops, error, call.getPath())),
  );
}
