/**
 * Replies as bytes: what the router must know of one without decoding it, the nacks that the gateway itself gives, and
 * the JSON that a client sees of a reply (the same on the socket and over HTTP).
 */
import { type ErrorCode, isRetryable } from '../../proto/error-code.ts';
import { type Action, Nack, type Result, SubmitReply } from '../../proto/generated/hunt/v1/ingest.ts';

export type ActionType =
  | 'join'
  | 'leave'
  | 'finish'
  | 'create_team'
  | 'join_team'
  | 'check_in'
  | 'answer'
  | 'scan'
  | 'claim'
  | 'hint'
  | 'skip';

const typeOfCase: Readonly<Record<NonNullable<Action['action']>['$case'], ActionType>> = {
  join: 'join',
  leave: 'leave',
  finish: 'finish',
  createTeam: 'create_team',
  joinTeam: 'join_team',
  checkIn: 'check_in',
  answer: 'answer',
  scan: 'scan',
  claim: 'claim',
  hint: 'hint',
  skip: 'skip',
};

export const actionType = (action: Action): ActionType | 'none' =>
  action.action === undefined ? 'none' : typeOfCase[action.action.$case];

const ackTag = 0x22;
const nackTag = 0x2a;

/** The nack in an encoded SubmitReply, or undefined when it is an ack: the acks, which are nearly all, are not decoded. */
export function nackIn(reply: Uint8Array): Nack | undefined {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = reply[at++];
      if (byte === undefined) throw new RangeError('a reply ends in the middle of a number');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < reply.length) {
    const tag = varint();
    switch (tag & 7) {
      case 0:
        varint();
        break;
      case 2: {
        const length = varint();
        if (tag === ackTag) return undefined;
        if (tag === nackTag) return Nack.decode(reply.subarray(at, at + length));
        at += length;
        break;
      }
      case 1:
        at += 8;
        break;
      case 5:
        at += 4;
        break;
      default:
        throw new RangeError('a reply has a field of an unknown kind');
    }
  }
  return undefined;
}

/** A nack of the gateway's own. It never had an effect. */
export function nackReply(
  to: { readonly huntId: number; readonly playerId: string; readonly seq: number },
  code: ErrorCode,
  message: string,
  retryMs = 0,
): Uint8Array {
  const value: Nack = { code, message, retryable: isRetryable(code), retryMs, version: 0, detailJson: '' };
  return SubmitReply.encode({
    huntId: to.huntId,
    playerId: to.playerId,
    seq: to.seq,
    outcome: { $case: 'nack', value },
  }).finish();
}

/** Proto3 does not tell "0" from "not there", so which fields a result has is read off the action (PROTOCOL.md). */
function resultJson(type: ActionType | 'none', result: Result, playerId: string): Record<string, unknown> {
  const out: Record<string, unknown> = { total: result.total, points: result.points };
  const opened = (): void => {
    if (result.stage !== '') {
      out.stage = result.stage;
      out.opened = result.opened;
    }
  };
  switch (type) {
    case 'join':
      out.player = playerId;
      out.name = result.name;
      out.rejoined = result.rejoined;
      break;
    case 'finish':
      out.finished_at = result.finishedAt;
      break;
    case 'create_team':
    case 'join_team':
      out.team = result.team;
      out.name = result.name;
      break;
    case 'check_in':
      opened();
      if (result.distanceM !== undefined) out.distance_m = result.distanceM;
      break;
    case 'answer':
      opened();
      out.clue = result.clue;
      break;
    case 'scan':
    case 'skip':
      opened();
      break;
    case 'claim':
      out.treasure = result.treasure;
      out.bonus = result.bonus;
      out.first = result.first;
      if (result.stockLeft !== undefined) out.stock_left = result.stockLeft;
      opened();
      break;
    case 'hint':
      out.clue = result.clue;
      if (result.n !== undefined) out.n = result.n;
      out.text = result.text;
      if (result.left !== undefined) out.left = result.left;
      break;
  }
  return out;
}

export interface ReplyJson {
  readonly kind: 'ack' | 'nack';
  readonly code?: string;
  /** The fields of the contract's `ack` or `nack`, without `t`. */
  readonly fields: Record<string, unknown>;
}

export function replyJson(reply: Uint8Array, type: ActionType | 'none'): ReplyJson {
  const { huntId, playerId, seq, outcome } = SubmitReply.decode(reply);
  const fields: Record<string, unknown> = { seq, hunt: huntId };
  if (outcome?.$case === 'ack') {
    const ack = outcome.value;
    fields.version = ack.version;
    fields.events = ack.events;
    if (ack.result !== undefined) fields.result = resultJson(type, ack.result, playerId);
    if (ack.duplicate) fields.duplicate = true;
    return { kind: 'ack', fields };
  }
  const nack = outcome?.value;
  if (nack === undefined) {
    Object.assign(fields, { code: 'INTERNAL', message: 'The reply of the node had no outcome.', retryable: false });
    return { kind: 'nack', code: 'INTERNAL', fields };
  }
  fields.code = nack.code;
  fields.message = nack.message;
  fields.retryable = nack.retryable;
  if (nack.retryMs > 0) fields.retry_ms = nack.retryMs;
  if (nack.version > 0) fields.version = nack.version;
  const detail = detailOf(nack.detailJson);
  if (detail !== undefined) fields.detail = detail;
  return { kind: 'nack', code: nack.code, fields };
}

export function detailOf(json: string): Record<string, unknown> | undefined {
  if (json === '') return undefined;
  try {
    const detail: unknown = JSON.parse(json);
    return typeof detail === 'object' && detail !== null && !Array.isArray(detail)
      ? (detail as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
