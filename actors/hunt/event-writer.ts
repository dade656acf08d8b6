import { Event, type Place } from '../../proto/generated/hunt/v1/event.ts';
import type { WireWriter } from './wire.ts';

/** Writes a hunt.v1 Event field by field for the outcomes that players cause all the time; the others by the generated code. */
export function writeEvent(wire: WireWriter, event: Event): void {
  wire.uint(1, event.huntId);
  wire.uint(2, event.version);
  wire.string(3, event.playerId);
  wire.uint(4, event.seq);
  wire.uint(5, event.occurredAt);
  for (const { node, count } of event.vector) {
    const entry = wire.open(6);
    wire.string(1, node);
    wire.uint(2, count);
    wire.close(entry);
  }
  wire.string(7, event.teamId);
  wire.string(8, event.by);
  wire.fixed32(9, event.fingerprint);
  wire.sint(10, event.points);
  writeOutcome(wire, event.outcome);
}

function writeOutcome(wire: WireWriter, outcome: Event['outcome']): void {
  switch (outcome?.$case) {
    case 'treasureClaimed': {
      const { treasure, bonus, first, stockLeft, limited, place } = outcome.value;
      const body = wire.open(52);
      wire.string(1, treasure);
      wire.sint(2, bonus);
      wire.bool(3, first);
      wire.uint(4, stockLeft);
      wire.bool(5, limited);
      writePlace(wire, 6, place);
      wire.close(body);
      break;
    }
    case 'stageCompleted': {
      const { stage, by, place, text } = outcome.value;
      const body = wire.open(48);
      wire.string(1, stage);
      wire.uint(2, by);
      writePlace(wire, 3, place);
      wire.string(4, text);
      wire.close(body);
      break;
    }
    case 'answerRejected': {
      const { stage, clue, text, attemptsLeft, lockedUntil } = outcome.value;
      const body = wire.open(49);
      wire.string(1, stage);
      wire.string(2, clue);
      wire.string(3, text);
      wire.int32(4, attemptsLeft);
      wire.uint(5, lockedUntil);
      wire.close(body);
      break;
    }
    case 'playerJoined': {
      const body = wire.open(32);
      wire.string(1, outcome.value.name);
      wire.bool(2, outcome.value.rejoined);
      wire.close(body);
      break;
    }
    default:
      // The outcome alone, as a message of its own, is the rest of this one.
      wire.raw(Event.encode({ ...blank, outcome }).finish());
  }
}

const blank = {
  huntId: 0,
  version: 0,
  playerId: '',
  seq: 0,
  occurredAt: 0,
  vector: [],
  teamId: '',
  by: '',
  fingerprint: 0,
  points: 0,
};

function writePlace(wire: WireWriter, field: number, place: Place | undefined): void {
  if (place === undefined) return;
  const body = wire.open(field);
  wire.double(1, place.lat);
  wire.double(2, place.lon);
  wire.double(3, place.accuracy);
  wire.double(4, place.distanceM);
  wire.close(body);
}
