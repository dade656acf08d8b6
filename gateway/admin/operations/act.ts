import { parseAction } from '../../../actors/hunt/action.ts';
import { type ErrorCode, isErrorCode } from '../../../proto/error-code.ts';
import type { Action } from '../../../proto/generated/hunt/v1/ingest.ts';
import { SubmitRequest } from '../../../proto/generated/hunt/v1/ingest.ts';
import { actionFault } from '../../act/action-fault.ts';
import { actionType, nackReply, replyJson } from '../../act/reply.ts';
import { withTokenName } from '../../act/token-name.ts';
import type { Claims } from '../../token/claims.ts';
import type { Answer } from '../idempotency.ts';
import { tooManyActs } from '../ports.ts';
import { type Fault, Problem } from '../problem.ts';
import type { Operations } from './operations.ts';

export interface Act {
  readonly player?: string | undefined;
  readonly seq: number;
  /** As it came: the domain judges it. */
  readonly action?: unknown;
}

/** Whose action it is: a player's own, or the one that a designer or operator names. */
export function actorOf(caller: Claims, player: string | undefined): string {
  if (caller.role === 'player') {
    if (player !== undefined && player !== caller.sub)
      throw new Problem('FORBIDDEN', 'a player acts for itself only: leave player out');
    return caller.sub;
  }
  if (player === undefined)
    throw new Problem('INVALID', 'player: say for which player', {
      errors: [{ path: '/player', message: 'must be given by designers and operators' }],
    });
  return player;
}

/** One action, answered as on the socket: 200 with `ack`, or the code's status and a problem with `nack` in it. */
export async function act(ops: Operations, caller: Claims, huntId: number, body: Act): Promise<Answer> {
  const playerId = actorOf(caller, body.player);
  const to = { huntId, playerId, seq: body.seq };
  // Only players' tokens have a bucket; designers and operators are bounded by BUSY alone.
  const waitMs = caller.role === 'player' ? ops.ports.admitAct(playerId) : 0;
  if (waitMs > 0) return answerOf(nackReply(to, 'RATE_LIMITED', tooManyActs, waitMs), undefined);
  const parsed = parseAction(body.action);
  if (!parsed.ok) {
    const errors = parsed.errors.map(({ path, message }) => ({ path: `/action${path}`, message }));
    return answerOf(nackReply(to, 'INVALID', actionFault(parsed.errors)), undefined, errors);
  }
  const request = SubmitRequest.encode({
    huntId,
    playerId,
    seq: body.seq,
    action: withTokenName(parsed.action, caller),
  }).finish();
  const reply = await new Promise<Uint8Array>((resolve) =>
    ops.ports.route.submit(huntId, playerId, body.seq, request, resolve),
  );
  return answerOf(reply, parsed.action);
}

/** A refusal is thrown, so that it is kept under an Idempotency-Key by the same rule as any other: only if it is final. */
function answerOf(reply: Uint8Array, action: Action | undefined, errors?: readonly Fault[]): Answer {
  const { kind, fields } = replyJson(reply, action === undefined ? 'none' : actionType(action));
  if (kind === 'ack') return { status: 200, body: { ack: fields } };
  const code: ErrorCode = typeof fields.code === 'string' && isErrorCode(fields.code) ? fields.code : 'INTERNAL';
  const retryMs = typeof fields.retry_ms === 'number' ? { retryMs: fields.retry_ms } : {};
  throw new Problem(code, String(fields.message), {
    ...retryMs,
    ...(errors === undefined ? {} : { errors }),
    members: { nack: fields },
  });
}
