import type { FastifyRequest } from 'fastify';
import type { Claims } from '../token/claims.ts';
import type { Door } from './authorize.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may come in; a route without one is open to all. */
    door?: Door;
  }
  interface FastifyRequest {
    /** Of the token, once the door let it in. */
    caller: Claims | undefined;
    /** Of the path, once it is known to exist. */
    huntId: number | undefined;
    /** sha256 of the body as sent. */
    bodyHash: Uint8Array | undefined;
  }
}

/** For handlers behind a hunt's door: the door has set both. */
export function inHunt(request: FastifyRequest): { caller: Claims; huntId: number } {
  const { caller, huntId } = request;
  if (caller === undefined || huntId === undefined)
    throw new Error(`the route ${request.routeOptions.url} has no hunt's door`);
  return { caller, huntId };
}

export const playersDoor: Door = { roles: ['player', 'designer', 'operator'], hunt: true };
export const designersDoor: Door = { roles: ['designer', 'operator'], hunt: true };
export const creatorsDoor: Door = { roles: ['designer', 'operator'], hunt: false };
export const operatorsDoor: Door = { roles: ['operator'], hunt: false };
