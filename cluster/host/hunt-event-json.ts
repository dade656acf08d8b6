/** Events as clients see them (contract, section 4): the public part for sockets, and all of it for designers. */
import type { PublicEvent } from '../../gateway/fan-out/event-reader.ts';
import { type Event, type Place, StageCompleted_By } from '../../proto/generated/hunt/v1/event.ts';

interface Shown {
  readonly public: Record<string, unknown>;
  readonly private?: Record<string, unknown>;
}

/** Without a private field (I9). */
export function publicEvent(event: Event): PublicEvent {
  const type = typeOf(event);
  const team = event.teamId === '' ? {} : { team: event.teamId };
  return {
    version: event.version,
    player: event.playerId,
    type,
    ...team,
    body: { ...base(event, type), ...fieldsOf(event).public },
  };
}

export function fullEvent(event: Event): Record<string, unknown> {
  const fields = fieldsOf(event);
  return {
    ...base(event, typeOf(event)),
    ...fields.public,
    ...(fields.private === undefined || Object.keys(fields.private).length === 0 ? {} : { private: fields.private }),
    ...(event.by === '' ? {} : { by: event.by }),
    vector: Object.fromEntries(event.vector.map(({ node, count }) => [node, count])),
  };
}

const base = (event: Event, type: string): Record<string, unknown> => ({
  version: event.version,
  player: event.playerId,
  type,
  at: event.occurredAt,
  ...(event.seq === 0 ? {} : { seq: event.seq }),
  ...(event.teamId === '' ? {} : { team: event.teamId }),
  ...(event.points === 0 ? {} : { points: event.points }),
});

const typeOf = (event: Event): string => {
  const name = event.outcome?.$case ?? 'unknown';
  return `${name[0]?.toUpperCase()}${name.slice(1)}`;
};

const ways: Readonly<Partial<Record<StageCompleted_By, string>>> = {
  [StageCompleted_By.ANSWER]: 'answer',
  [StageCompleted_By.CHECK_IN]: 'check_in',
  [StageCompleted_By.SCAN]: 'scan',
  [StageCompleted_By.CLAIM]: 'claim',
};

function fieldsOf({ outcome }: Event): Shown {
  switch (outcome?.$case) {
    case 'huntCreated':
      return {
        public: { title: outcome.value.title },
        private: { definition: definitionOf(outcome.value.definitionJson) },
      };
    case 'definitionPublished':
      return {
        public: { definition_version: outcome.value.definitionVersion },
        private: { definition: definitionOf(outcome.value.definitionJson) },
      };
    case 'huntPaused':
      return { public: given('reason', outcome.value.reason) };
    case 'huntExtended':
      return { public: { closes_at: outcome.value.closesAt } };
    case 'treasureReleased':
      return { public: { treasure: outcome.value.treasure } };
    case 'playerJoined':
      return { public: { name: outcome.value.name, rejoined: outcome.value.rejoined } };
    case 'playerDisqualified':
      return { public: {}, private: given('reason', outcome.value.reason) };
    case 'teamCreated':
      return { public: { name: outcome.value.name }, private: given('pin', outcome.value.pin) };
    case 'stageCompleted': {
      const { stage, by, place, text } = outcome.value;
      return { public: { stage, by: ways[by] }, private: { ...placeOf(place), ...given('text', text) } };
    }
    case 'answerRejected': {
      const { stage, clue, text, attemptsLeft, lockedUntil } = outcome.value;
      const lock = lockedUntil === 0 ? {} : { locked_until: lockedUntil };
      return {
        public: { stage },
        private: { ...given('clue', clue), ...given('text', text), attempts_left: attemptsLeft, ...lock },
      };
    }
    case 'stageFailed':
    case 'stageSkipped':
      return { public: { stage: outcome.value.stage } };
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
      return { public: { reason: outcome.value.reason } };
    case 'eventVoided':
      return { public: { voids: outcome.value.voids, reason: outcome.value.reason } };
    case 'announced':
      return { public: { text: outcome.value.text } };
    default:
      return { public: {} };
  }
}

const given = (name: string, text: string): Record<string, unknown> => (text === '' ? {} : { [name]: text });

const placeOf = (place: Place | undefined): Record<string, unknown> =>
  place === undefined ? {} : { lat: place.lat, lon: place.lon, accuracy: place.accuracy, distance_m: place.distanceM };

/** What the log holds is shown even when it cannot be read as JSON: hiding it would help nobody. */
function definitionOf(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return json;
  }
}
