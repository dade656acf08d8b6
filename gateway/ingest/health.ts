/** grpc.health.v1.Health, whose two small messages are written by hand: it is the one service that is not ours. */
import type { handleUnaryCall, ServerWritableStream, ServiceDefinition } from '@grpc/grpc-js';
import { Problem } from '../admin/problem.ts';
import { readinessOf } from '../admin/readiness.ts';
import { statusOf, statusOfError } from './grpc-status.ts';
import type { IngestParts } from './ingest-parts.ts';

const serving = 1;
const notServing = 2;
const serviceUnknown = 3;
/** How often a Watch looks for a change. */
export const watchIntervalMs = 2_000;
const servicesEverywhere = ['', 'hunt.v1.HuntState', 'grpc.health.v1.Health'];

const raw = {
  requestSerialize: (value: Buffer) => value,
  requestDeserialize: (value: Buffer) => value,
  responseSerialize: (value: Buffer) => value,
  responseDeserialize: (value: Buffer) => value,
};
export const healthService: ServiceDefinition = {
  check: { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false, ...raw },
  watch: { path: '/grpc.health.v1.Health/Watch', requestStream: false, responseStream: true, ...raw },
};

/** HealthCheckRequest: `string service = 1`. The last one counts, as everywhere in protobuf. */
function serviceIn(request: Buffer): string {
  let name = '';
  for (let at = 0; at < request.length; ) {
    const tag = request[at] as number;
    const length = request[at + 1];
    if (tag !== 0x0a || length === undefined || length >= 0x80 || at + 2 + length > request.length)
      throw new Problem('INVALID', 'this is no HealthCheckRequest with a service name of up to 127 bytes');
    name = request.toString('utf8', at + 2, at + 2 + length);
    at += 2 + length;
  }
  return name;
}

const response = (status: number) => Buffer.from([0x08, status]);

async function present(ops: IngestParts): Promise<number> {
  return (await readinessOf(ops)).every((check) => check.ok) ? serving : notServing;
}

export function healthHandlers(
  ops: IngestParts,
  more: readonly string[],
): {
  check: handleUnaryCall<Buffer, Buffer>;
  watch: (call: ServerWritableStream<Buffer, Buffer>) => void;
} {
  const services = new Set([...servicesEverywhere, ...more]);
  return {
    check: (call, callback) => {
      let name: string;
      try {
        name = serviceIn(call.request);
        if (!services.has(name)) throw new Problem('NOT_FOUND', 'there is no such service here');
      } catch (error) {
        callback(statusOfError(ops, error, 'Health/Check'));
        return;
      }
      present(ops).then(
        (status) => callback(null, response(status)),
        (error: unknown) => callback(statusOfError(ops, error, 'Health/Check')),
      );
    },
    watch: (call) => {
      let name: string;
      try {
        name = serviceIn(call.request);
      } catch (error) {
        call.emit('error', error instanceof Problem ? statusOf(error) : statusOfError(ops, error, 'Health/Watch'));
        return;
      }
      let told: number | undefined;
      let asking = false;
      const look = async (): Promise<void> => {
        if (asking) return;
        asking = true;
        const status = services.has(name) ? await present(ops) : serviceUnknown;
        asking = false;
        if (status !== told) call.write(response(status));
        told = status;
      };
      const stop = ops.ports.timers.every(watchIntervalMs, () => void look());
      call.on('cancelled', stop);
      call.on('close', stop);
      void look();
    },
  };
}
