import { type ErrorCode, isErrorCode } from '../../../proto/error-code.ts';
import type { Action } from '../../../proto/generated/hunt/v1/ingest.ts';
import { SubmitRequest } from '../../../proto/generated/hunt/v1/ingest.ts';
import { actionType, nackReply, replyJson } from '../../act/reply.ts';
import type { Claims } from '../../token/claims.ts';
import { actionOf } from '../action-json.ts';
import type { Answer } from '../idempotency.ts';
import { Problem } from '../problem.ts';
import { type Operations, tooManyActs } from './operations.ts';

export interface Act {
  readonly player?: string | undefined;
  readonly seq: number;
  readonly action: { readonly type: string; readonly [field: string]: unknown };
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
  const parsed = actionOf(body.action);
  if ('fault' in parsed) {
    const nack = nackReply({ huntId, playerId, seq: body.seq }, 'INVALID', parsed.fault);
    return answerOf(nack, undefined);
  }
  // Only players' tokens have a bucket; designers and operators are bounded by BUSY alone.
  const waitMs = caller.role === 'player' ? ops.admitAct(huntId, playerId) : 0;
  if (waitMs > 0)
    return answerOf(nackReply({ huntId, playerId, seq: body.seq }, 'RATE_LIMITED', tooManyActs, waitMs), undefined);
  const request = SubmitRequest.encode({ huntId, playerId, seq: body.seq, action: parsed.action }).finish();
  const reply = await new Promise<Uint8Array>((resolve) =>
    ops.ports.route.submit(huntId, playerId, body.seq, request, resolve),
  );
  return answerOf(reply, parsed.action);
}

/** A refusal is thrown, so that it is kept under an Idempotency-Key by the same rule as any other: only if it is final. */
function answerOf(reply: Uint8Array, action: Action | undefined): Answer {
  const { kind, fields } = replyJson(reply, action === undefined ? 'none' : actionType(action));
  if (kind === 'ack') return { status: 200, body: { ack: fields } };
  const code: ErrorCode = typeof fields.code === 'string' && isErrorCode(fields.code) ? fields.code : 'INTERNAL';
  const retryMs = typeof fields.retry_ms === 'number' ? { retryMs: fields.retry_ms } : {};
  throw new Problem(code, String(fields.message), { ...retryMs, members: { nack: fields } });
}
