/** The checks before a body is looked at, in the contract's order: token, role and hunt claim, id, existence, ownership. */
import type { Claims, Role } from '../token/claims.ts';
import { claimsHunt } from '../token/claims.ts';
import { bearerOf, type Tokens } from '../token/tokens.ts';
import type { HuntDirectory } from './hunt-directory.ts';
import { Problem } from './problem.ts';

export interface Door {
  readonly roles: readonly Role[];
  /** The route is about the hunt that its `{id}` names. */
  readonly hunt: boolean;
}

export const huntIdPattern = /^[1-9][0-9]{0,15}$/;

export async function authenticate(tokens: Tokens, authorization: string | undefined): Promise<Claims> {
  const bearer = bearerOf(authorization);
  if (bearer === undefined) throw new Problem('UNAUTHENTICATED', 'send a token: Authorization: Bearer <token>');
  const claims = await tokens.verifyToken(bearer);
  if (claims === undefined) throw new Problem('UNAUTHENTICATED', 'the token is bad or has expired: get a new one');
  return claims;
}

/** Judges role and hunt claim by the id as it was written, which need not be an id. */
export function checkRole(claims: Claims, roles: readonly Role[], idText: string | undefined): void {
  if (!roles.includes(claims.role))
    throw new Problem('FORBIDDEN', `this needs a token of role ${roles.join(' or ')}; yours is of role ${claims.role}`);
  if (idText === undefined || claims.role !== 'player') return;
  const named = claims.hunt !== '*' && !(huntIdPattern.test(idText) && claimsHunt(claims, Number(idText)));
  if (named) throw new Problem('FORBIDDEN', 'your token is for another hunt: use the one that you got for this hunt');
}

export function huntIdOf(idText: string): number {
  if (!huntIdPattern.test(idText))
    throw new Problem('INVALID', 'the hunt id in the path must be a number of 1 to 16 digits without leading zero');
  return Number(idText);
}

export async function checkOwner(claims: Claims, directory: HuntDirectory, huntId: number): Promise<void> {
  const { owner } = await directory.find(huntId);
  if (claims.role === 'designer' && owner !== claims.sub)
    throw new Problem('FORBIDDEN', 'the hunt belongs to another designer: ask its owner or an operator');
}

/** All checks for a caller that is already known. Returns the hunt's id, if the door is a hunt's. */
export async function passDoor(
  claims: Claims,
  door: Door,
  directory: HuntDirectory,
  idText: string | undefined,
): Promise<number | undefined> {
  checkRole(claims, door.roles, door.hunt ? (idText ?? '') : undefined);
  if (!door.hunt) return undefined;
  const huntId = huntIdOf(idText ?? '');
  await checkOwner(claims, directory, huntId);
  return huntId;
}
