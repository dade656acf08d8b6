/**
 * HuntState over gRPC: players' actions, on gateways and on nodes. Its messages stay bytes, as on every hop of the hot path;
 * health comes with it.
 */
import {
  type handleUnaryCall,
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { HuntStateService } from '../../proto/generated/hunt/v1/ingest.ts';
import { requestWithTokenName } from '../act/token-name.ts';
import { authenticate } from '../admin/authorize.ts';
import { tooManyActs } from '../admin/ports.ts';
import { Problem } from '../admin/problem.ts';
import { statusOfError } from './grpc-status.ts';
import { healthHandlers, healthService } from './health.ts';
import type { IngestParts } from './ingest-parts.ts';
import { FramingError, nackTo, type RequestHead, readHead } from './request-reader.ts';
import { SubmitStream } from './submit-stream.ts';
import { notYours, Submitter } from './submitter.ts';

/** grpc-js's own default, named because clients are told of it. */
export const receiveBytesMax = 4 * 1024 * 1024;
const keepaliveTimeMs = 30_000;
const keepaliveTimeoutMs = 10_000;
const streamsPerConnectionMax = 1_000;

export const raw = { requestDeserialize: (value: Buffer) => value, responseSerialize: (value: Buffer) => value };

type SubmitCall = ServerUnaryCall<Buffer, Buffer>;

/** HuntState and health; `more` = the names of services that the caller adds. */
export function buildHuntState(ops: IngestParts, more: readonly string[] = []): Server {
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
  server.addService(healthService, healthHandlers(ops, more) as unknown as UntypedServiceImplementation);
  return server;
}

export function unary(ops: IngestParts, run: (call: SubmitCall) => Promise<object>): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    run(call).then(
      (answer) => callback(null, answer as Buffer),
      (error: unknown) => callback(statusOfError(ops, error, call.getPath())),
    );
  };
}

export function authorizationOf(call: { metadata: { get(key: string): (string | Buffer)[] } }): string | undefined {
  const [first] = call.metadata.get('authorization');
  return typeof first === 'string' ? first : undefined;
}

async function submit(ops: IngestParts, call: SubmitCall): Promise<Buffer> {
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

function openStream(ops: IngestParts, call: ServerDuplexStream<Buffer, Buffer>): void {
  authenticate(ops.ports.tokens, authorizationOf(call)).then(
    (claims) => new SubmitStream(ops, call, claims),
    (error: unknown) => call.emit('error', statusOfError(ops, error, call.getPath())),
  );
}
