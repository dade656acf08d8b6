import { isRetryable } from '../../proto/error-code.ts';
import { type Result, SubmitReply, SubmitRequest } from '../../proto/generated/hunt/v1/ingest.ts';
import { idPattern } from '../../proto/ids.ts';
import type { SubmitCodec } from '../../runtime/define-actor.ts';
import { checkAction, fingerprint } from './action.ts';
import type { HuntAction } from './command.ts';
import { refused } from './decide/scene.ts';

/** The players' way in and out: hunt.v1 SubmitRequest and SubmitReply. What a gateway let pass is checked here again: the law is the domain's. */
export const submitCodec: SubmitCodec<HuntAction> = {
  decode(bytes) {
    const { huntId, playerId, seq, action } = SubmitRequest.decode(bytes);
    const envelope = { actorId: huntId, player: playerId, seq };
    if (!idPattern.test(playerId))
      return {
        ...envelope,
        fingerprint: 0,
        action: invalid('player_id must be an id: 1 to 64 of the characters A-Z a-z 0-9 _ . : -'),
      };
    if (seq < 1)
      return {
        ...envelope,
        fingerprint: 0,
        action: invalid('seq must be a whole number from 1: take one above last_seq'),
      };
    if (action?.action === undefined)
      return {
        ...envelope,
        fingerprint: 0,
        action: invalid('action is missing or of an unknown type: send one of the known ones'),
      };
    const faults = checkAction(action);
    if (faults.length > 0)
      return { ...envelope, fingerprint: 0, action: invalid(faults.map(({ message }) => message).join('; ')) };
    return { ...envelope, fingerprint: fingerprint(action), action: action.action };
  },
  encodeAck(actorId, player, seq, { version, events, duplicate, result }) {
    return SubmitReply.encode({
      huntId: actorId,
      playerId: player,
      seq,
      outcome: { $case: 'ack', value: { version, events, duplicate, result: resultOf(result as ResultFields) } },
    }).finish();
  },
  encodeNack(actorId, player, seq, { code, message, retryMs = 0, detail, version = 0 }) {
    const nack = {
      code,
      message,
      retryable: isRetryable(code),
      retryMs,
      version,
      detailJson: detail === undefined ? '' : JSON.stringify(detail),
    };
    return SubmitReply.encode({
      huntId: actorId,
      playerId: player,
      seq,
      outcome: { $case: 'nack', value: nack },
    }).finish();
  },
};

const invalid = (message: string) => refused('INVALID', message).refusal;

/** The contract's names of a result's fields. */
interface ResultFields {
  points?: number;
  total?: number;
  stage?: string;
  treasure?: string;
  clue?: string;
  team?: string;
  name?: string;
  bonus?: number;
  first?: boolean;
  stock_left?: number;
  distance_m?: number;
  text?: string;
  n?: number;
  left?: number;
  rejoined?: boolean;
  finished_at?: number;
  opened?: string[];
}

function resultOf(fields: ResultFields): Result {
  return {
    points: fields.points ?? 0,
    total: fields.total ?? 0,
    stage: fields.stage ?? '',
    treasure: fields.treasure ?? '',
    clue: fields.clue ?? '',
    team: fields.team ?? '',
    name: fields.name ?? '',
    bonus: fields.bonus ?? 0,
    first: fields.first ?? false,
    stockLeft: fields.stock_left,
    distanceM: fields.distance_m,
    text: fields.text ?? '',
    n: fields.n,
    left: fields.left,
    rejoined: fields.rejoined ?? false,
    finishedAt: fields.finished_at ?? 0,
    opened: fields.opened ?? [],
  };
}
