import type { Action, SubmitRequest } from '../../proto/generated/hunt/v1/ingest.ts';
import type { PlayerAction } from './command.ts';
import { WireReader } from './wire.ts';

/** Reads a hunt.v1 SubmitRequest. As the generated code does, fields may come in any order and again, and unknown ones are passed over. */
export function readSubmitRequest(bytes: Uint8Array): SubmitRequest {
  const reader = new WireReader(bytes);
  const request: SubmitRequest = { huntId: 0, playerId: '', seq: 0, action: undefined };
  while (reader.more) {
    const tag = reader.tag();
    if (tag === 8) request.huntId = reader.uint();
    else if (tag === 18) request.playerId = reader.string();
    else if (tag === 24) request.seq = reader.uint();
    else if (tag === 34) request.action = readAction(reader);
    else reader.skip(tag);
  }
  return request;
}

function readAction(reader: WireReader): Action {
  const outer = reader.enter();
  let action: PlayerAction | undefined;
  while (reader.more) {
    const tag = reader.tag();
    if ((tag & 7) !== 2 || tag > 90) {
      reader.skip(tag);
      continue;
    }
    const end = reader.enter();
    action = readCase(reader, tag >>> 3) ?? action;
    while (reader.more) reader.skip(reader.tag());
    reader.leave(end);
  }
  reader.leave(outer);
  return { action };
}

function readCase(reader: WireReader, field: number): PlayerAction | undefined {
  switch (field) {
    case 1:
      return { $case: 'join', value: { name: texts(reader, 1)[0] } };
    case 2:
      return { $case: 'leave', value: {} };
    case 3: {
      const value = { lat: 0, lon: 0, accuracy: 0, stage: '' };
      while (reader.more) {
        const tag = reader.tag();
        if (tag === 9) value.lat = reader.double();
        else if (tag === 17) value.lon = reader.double();
        else if (tag === 25) value.accuracy = reader.double();
        else if (tag === 34) value.stage = reader.string();
        else reader.skip(tag);
      }
      return { $case: 'checkIn', value };
    }
    case 4: {
      const [clue, text] = texts(reader, 2);
      return { $case: 'answer', value: { clue, text } };
    }
    case 5:
      return { $case: 'scan', value: { code: texts(reader, 1)[0] } };
    case 6: {
      const value: Extract<PlayerAction, { $case: 'claim' }>['value'] = {
        treasure: '',
        lat: undefined,
        lon: undefined,
        accuracy: undefined,
        code: '',
      };
      while (reader.more) {
        const tag = reader.tag();
        if (tag === 10) value.treasure = reader.string();
        else if (tag === 17) value.lat = reader.double();
        else if (tag === 25) value.lon = reader.double();
        else if (tag === 33) value.accuracy = reader.double();
        else if (tag === 42) value.code = reader.string();
        else reader.skip(tag);
      }
      return { $case: 'claim', value };
    }
    case 7:
      return { $case: 'hint', value: { clue: texts(reader, 1)[0] } };
    case 8:
      return { $case: 'skip', value: { stage: texts(reader, 1)[0] } };
    case 9: {
      const [name, pin] = texts(reader, 2);
      return { $case: 'createTeam', value: { name, pin } };
    }
    case 10: {
      const [team, pin] = texts(reader, 2);
      return { $case: 'joinTeam', value: { team, pin } };
    }
    case 11:
      return { $case: 'finish', value: {} };
    default:
      return undefined;
  }
}

/** The texts in fields 1 and 2 of a message that has no others. */
function texts(reader: WireReader, fields: 1 | 2): [string, string] {
  const found: [string, string] = ['', ''];
  while (reader.more) {
    const tag = reader.tag();
    if (tag === 10) found[0] = reader.string();
    else if (tag === 18 && fields === 2) found[1] = reader.string();
    else reader.skip(tag);
  }
  return found;
}
