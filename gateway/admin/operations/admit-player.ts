import type { Access } from '../../../actors/hunt/interface.ts';
import { joinCodeNumber, joinCodePattern } from '../../../proto/ids.ts';
import type { Undertaking } from '../idempotency.ts';
import { Problem, problemOf } from '../problem.ts';
import { derivedPlayerId, type Operations } from './operations.ts';

export const tokenAfterCloseMs = 24 * 3_600_000;
export const tokenWithoutCloseMs = 30 * 24 * 3_600_000;

export interface Admitted {
  readonly hunt_id: number;
  readonly player_id: string;
  readonly token: string;
  readonly expires_at: number;
}

/** A token for a new player, or a new one for a player that lost it. The player joins by the `join` action. */
export async function createPlayer(
  ops: Operations,
  huntId: number,
  body: { player?: string | undefined; name?: string | undefined },
  { minted }: Undertaking,
): Promise<Admitted> {
  return await admit(
    ops,
    huntId,
    await ops.directory.access(huntId),
    body.player ?? derivedPlayerId(minted.seed),
    body.name,
  );
}

/** A token by join code, for anyone who knows the code. */
export async function joinByCode(
  ops: Operations,
  address: string,
  body: { code: string; name: string },
  { minted }: Undertaking,
): Promise<Admitted & { title: string; status: string }> {
  ops.joinLimit.check(address);
  const huntId = await huntOfCode(ops, body.code);
  if (huntId === undefined) {
    ops.joinLimit.failed(address);
    throw new Problem(
      'HUNT_NOT_FOUND',
      'no hunt has this join code: check the 6 characters (there is no 0, O, 1 or I)',
    );
  }
  const access = await ops.directory.access(huntId);
  if (access.admission === 'invite')
    throw new Problem('FORBIDDEN', 'this hunt is by invitation only: ask its organiser for a token');
  return {
    ...(await admit(ops, huntId, access, derivedPlayerId(minted.seed), body.name)),
    title: access.title,
    status: access.status,
  };
}

/** The hunt of a join code as people write it, or undefined if there is none. */
export async function huntOfCode(ops: Operations, written: string): Promise<number | undefined> {
  const code = written.replace(/[\s-]/g, '').toUpperCase();
  if (!joinCodePattern.test(code)) return undefined;
  const outcome = await ops.ports.route.call({ kind: 'code', id: joinCodeNumber(code) }, 'get', {});
  if (!outcome.ok) {
    if (outcome.code === 'HUNT_NOT_FOUND' || outcome.code === 'NOT_FOUND') return undefined;
    throw problemOf(outcome);
  }
  const { hunt_id: huntId } = outcome.body as { hunt_id?: number };
  return huntId;
}

async function admit(
  ops: Operations,
  huntId: number,
  access: Access,
  player: string,
  name: string | undefined,
): Promise<Admitted> {
  const now = ops.ports.clock.now();
  const expiresAt = access.closes_at === undefined ? now + tokenWithoutCloseMs : access.closes_at + tokenAfterCloseMs;
  if (expiresAt <= now)
    throw new Problem('WRONG_STATE', 'the hunt closed more than 24 h ago: its player tokens have ended');
  const seconds = Math.floor(expiresAt / 1000) * 1000;
  const token = await ops.ports.tokens.mintToken({
    sub: player,
    role: 'player',
    hunt: huntId,
    expiresAt: seconds,
    ...(name === undefined ? {} : { name }),
  });
  return { hunt_id: huntId, player_id: player, token, expires_at: seconds };
}
