/**
 * The gateway's gRPC side: HuntState (players' actions), Admin (as HTTP), and health. All messages of Admin are decoded in the
 * handlers, so that damage is a catalogued status and not the library's.
 */
import type { Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { AdminService } from '../../proto/generated/hunt/v1/admin.ts';
import type { Operations } from '../admin/operations/operations.ts';
import { adminRpcs } from './admin-rpcs.ts';
import { authorizationOf, buildHuntState, raw, unary } from './hunt-state.ts';
import type { Rpc } from './rpc.ts';

/** Not bound yet: the host calls `bindAsync`, and `tryShutdown` or `forceShutdown` at the end. */
export function buildIngest(ops: Operations): Server {
  const server = buildHuntState(ops, ['hunt.v1.Admin']);
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
  return server;
}

/** grpc-js writes peers as `127.0.0.1:4711` or `[::1]:4711`. */
export function addressOf(peer: string): string {
  return peer.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}
