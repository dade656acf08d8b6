import { isRetryable } from '../../proto/error-code.ts';
import { idPattern } from '../../proto/ids.ts';
import type { SubmitCodec } from '../../runtime/define-actor.ts';
import { checkAction } from './action.ts';
import type { HuntAction } from './command.ts';
import { refused } from './decide/scene.ts';
import { fingerprint } from './fingerprint.ts';
import { readSubmitRequest } from './submit-request.ts';
import { WireWriter } from './wire.ts';

/** The players' way in and out: hunt.v1 SubmitRequest and SubmitReply. What a gateway let pass is checked here again: the law is the domain's. */
export const submitCodec: SubmitCodec<HuntAction> = {
  decode(bytes) {
    const { huntId, playerId, seq, action } = readSubmitRequest(bytes);
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
    return { actorId: huntId, player: playerId, seq, fingerprint: fingerprint(action), action: action.action };
  },
  encodeAck(actorId, player, seq, { version, events, duplicate, result }) {
    const fields: ResultFields = result;
    wire.start();
    wire.uint(1, actorId);
    wire.string(2, player);
    wire.uint(3, seq);
    const ack = wire.open(4);
    wire.uint(1, version);
    wire.uint(2, events);
    wire.bool(3, duplicate);
    const body = wire.open(4);
    writeResult(fields);
    wire.close(body);
    wire.close(ack);
    return wire.finish();
  },
  encodeNack(actorId, player, seq, { code, message, retryMs = 0, detail, version = 0 }) {
    wire.start();
    wire.uint(1, actorId);
    wire.string(2, player);
    wire.uint(3, seq);
    const nack = wire.open(5);
    wire.string(1, code);
    wire.string(2, message);
    wire.bool(3, isRetryable(code));
    wire.uint(4, Math.ceil(retryMs));
    wire.uint(5, version);
    if (detail !== undefined) wire.string(6, JSON.stringify(detail));
    wire.close(nack);
    return wire.finish();
  },
};

const wire = new WireWriter();

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

function writeResult(fields: ResultFields): void {
  wire.sint(1, fields.points ?? 0);
  wire.sint(2, fields.total ?? 0);
  wire.string(3, fields.stage ?? '');
  wire.string(4, fields.treasure ?? '');
  wire.string(5, fields.clue ?? '');
  wire.string(6, fields.team ?? '');
  wire.string(7, fields.name ?? '');
  wire.sint(8, fields.bonus ?? 0);
  wire.bool(9, fields.first ?? false);
  if (fields.stock_left !== undefined) wire.uint(10, fields.stock_left, true);
  if (fields.distance_m !== undefined) wire.double(11, fields.distance_m, true);
  wire.string(12, fields.text ?? '');
  if (fields.n !== undefined) wire.uint(13, fields.n, true);
  if (fields.left !== undefined) wire.uint(14, fields.left, true);
  wire.bool(15, fields.rejoined ?? false);
  wire.uint(16, fields.finished_at ?? 0);
  if (fields.opened !== undefined) for (const stage of fields.opened) wire.text(17, stage);
}
