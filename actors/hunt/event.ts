import { Event, type Place, StageCompleted_By } from '../../proto/generated/hunt/v1/event.ts';
import { HuntEventAid, type Prior } from '../../proto/generated/node/v1/record.ts';
import { adminPlayer, systemPlayer } from '../../proto/ids.ts';
import { type EventCodec, UnreadableEventError } from '../../runtime/define-actor.ts';
import { writeEvent } from './event-writer.ts';
import { WireWriter } from './wire.ts';

/** A hunt's event as it lies in the log: the contract's event, and what folding it needs beside (node.v1.HuntEventAid). */
export interface StoredEvent extends Event {
  prior?: Prior | undefined;
  voided?: Event | undefined;
  requestKey?: string;
  settled?: boolean;
  opened?: string[];
  resumes?: boolean;
  joinCode?: string;
}
export type Outcome = NonNullable<Event['outcome']>;
export type OutcomeName = Outcome['$case'];

export const eventCodec: EventCodec<StoredEvent> = {
  encode(event) {
    wire.start();
    writeEvent(wire, event);
    const { prior } = event;
    if (prior !== undefined) {
      const body = wire.open(100);
      wire.sint(1, prior.points);
      wire.uint(2, prior.reachedVersion);
      wire.bool(3, prior.ranked);
      wire.string(4, prior.name);
      wire.uint(5, prior.finishedAt);
      wire.close(body);
    }
    if (event.voided !== undefined) wire.bytes(101, Event.encode(event.voided).finish());
    if (event.requestKey !== undefined) wire.string(102, event.requestKey);
    wire.bool(103, event.settled === true);
    if (event.opened !== undefined) for (const stage of event.opened) wire.text(104, stage);
    wire.bool(105, event.resumes === true);
    if (event.joinCode !== undefined) wire.string(106, event.joinCode);
    return wire.finish();
  },
  decode(bytes) {
    const event: StoredEvent = Event.decode(bytes);
    if (event.outcome === undefined)
      throw new UnreadableEventError(
        `event ${event.version} of hunt ${event.huntId} is of a type that this release does not know`,
      );
    const aid = HuntEventAid.decode(bytes);
    if (aid.prior !== undefined) event.prior = aid.prior;
    if (aid.voided !== undefined) event.voided = aid.voided;
    if (aid.requestKey !== '') event.requestKey = aid.requestKey;
    if (aid.settled) event.settled = true;
    if (aid.opened.length > 0) event.opened = aid.opened;
    if (aid.resumes) event.resumes = true;
    if (aid.joinCode !== '') event.joinCode = aid.joinCode;
    return event;
  },
};

const wire = new WireWriter();

/** Whose `own` stream the event belongs to. `everyone`: hunt-wide acts of alarms and designers. */
export type Audience =
  | { readonly kind: 'everyone' }
  | { readonly kind: 'entrant'; readonly player: string; readonly team: string };

export function audienceOf(event: Event): Audience {
  const isShared = event.playerId === systemPlayer || event.playerId === adminPlayer;
  return isShared ? { kind: 'everyone' } : { kind: 'entrant', player: event.playerId, team: event.teamId };
}

const ways: Readonly<Record<number, string>> = {
  [StageCompleted_By.ANSWER]: 'answer',
  [StageCompleted_By.CHECK_IN]: 'check_in',
  [StageCompleted_By.SCAN]: 'scan',
  [StageCompleted_By.CLAIM]: 'claim',
};
export const wayName = (by: StageCompleted_By): string => ways[by] ?? 'unknown';

type Fields = Record<string, unknown>;
interface Parts {
  readonly public: Fields;
  readonly private: Fields;
}
const nothing: Fields = {};
const some = (fields: Fields): Parts => ({ public: fields, private: nothing });

/** The event as every subscriber may see it (PROTOCOL.md): nothing in here is secret (I9). */
export function publicEvent(event: Event): Record<string, unknown> {
  return { ...base(event), ...partsOf(event).public };
}

/** The event as its designer may see it. `vector` counts by node. */
export function fullEvent(event: Event, vector: Readonly<Record<string, number>>): Record<string, unknown> {
  const parts = partsOf(event);
  const full: Fields = { ...base(event), ...parts.public };
  if (Object.keys(parts.private).length > 0) full.private = parts.private;
  // StageCompleted has a public field of that name; who acted there is never a designer.
  if (event.by !== '' && full.by === undefined) full.by = event.by;
  full.vector = vector;
  return full;
}

export function eventType(event: Event): string {
  const name = event.outcome?.$case;
  if (name === undefined)
    throw new UnreadableEventError(
      `event ${event.version} of hunt ${event.huntId} is of a type that this release does not know`,
    );
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function base(event: Event): Fields {
  const fields: Fields = {
    version: event.version,
    player: event.playerId,
    type: eventType(event),
    at: event.occurredAt,
  };
  if (event.seq !== 0) fields.seq = event.seq;
  if (event.teamId !== '') fields.team = event.teamId;
  if (event.points !== 0) fields.points = event.points;
  return fields;
}

const placeOf = (place: Place | undefined): Fields =>
  place === undefined ? {} : { lat: place.lat, lon: place.lon, accuracy: place.accuracy, distance_m: place.distanceM };

function partsOf(event: Event): Parts {
  const outcome = event.outcome;
  switch (outcome?.$case) {
    case 'huntCreated':
      return {
        public: { title: outcome.value.title },
        private: { owner: outcome.value.owner, definition: JSON.parse(outcome.value.definitionJson) as unknown },
      };
    case 'definitionPublished':
      return {
        public: { definition_version: outcome.value.definitionVersion },
        private: { definition: JSON.parse(outcome.value.definitionJson) as unknown },
      };
    case 'huntPaused':
      return some(outcome.value.reason === '' ? nothing : { reason: outcome.value.reason });
    case 'huntExtended':
      return some({ closes_at: outcome.value.closesAt });
    case 'treasureReleased':
      return some({ treasure: outcome.value.treasure });
    case 'playerJoined':
      return some({ name: outcome.value.name, rejoined: outcome.value.rejoined });
    case 'playerDisqualified':
      return { public: nothing, private: { reason: outcome.value.reason } };
    case 'teamCreated':
      return {
        public: { team: event.teamId, name: outcome.value.name },
        private: outcome.value.pin === '' ? nothing : { pin: outcome.value.pin },
      };
    case 'stageCompleted': {
      const { stage, by, place, text } = outcome.value;
      return { public: { stage, by: wayName(by) }, private: { ...placeOf(place), ...(text === '' ? {} : { text }) } };
    }
    case 'answerRejected': {
      const { stage, clue, text, attemptsLeft, lockedUntil } = outcome.value;
      const secret: Fields = { ...(clue === '' ? {} : { clue }), text };
      if (attemptsLeft >= 0) secret.attempts_left = attemptsLeft;
      if (lockedUntil > 0) secret.locked_until = lockedUntil;
      return { public: { stage }, private: secret };
    }
    case 'stageFailed':
    case 'stageSkipped':
      return some({ stage: outcome.value.stage });
    case 'treasureClaimed': {
      const { treasure, bonus, first, stockLeft, limited, place } = outcome.value;
      return {
        public: { treasure, bonus, first, ...(limited ? { stock_left: stockLeft } : {}) },
        private: placeOf(place),
      };
    }
    case 'hintTaken':
      return { public: { stage: outcome.value.stage }, private: { clue: outcome.value.clue, n: outcome.value.n } };
    case 'scoreAdjusted':
      return some({ reason: outcome.value.reason });
    case 'eventVoided':
      return some({ voids: outcome.value.voids, reason: outcome.value.reason });
    case 'announced':
      return some({ text: outcome.value.text });
    case 'huntOpened':
    case 'huntResumed':
    case 'huntClosed':
    case 'playerLeft':
    case 'playerFinished':
    case 'teamJoined':
    case undefined:
      return some(nothing);
    default:
      return outcome satisfies never;
  }
}
