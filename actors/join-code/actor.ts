import { JoinCodeEvent } from '../../proto/generated/node/v1/record.ts';
import { adminPlayer } from '../../proto/ids.ts';
import { type ActorKind, defineActor, UnreadableEventError } from '../../runtime/define-actor.ts';

/**
 * A join code: its number is the stream's id, and whoever appends at version 0 has it. Uniqueness comes from the log
 * (I2), so that joining needs no database (I10).
 */
export interface JoinCode {
  readonly id: number;
  huntId: number;
}
export interface Claim {
  readonly huntId: number;
}

export const joinCodeActor: ActorKind<JoinCode, null, Claim, JoinCodeEvent> = defineActor<
  JoinCode,
  null,
  Claim,
  JoinCodeEvent
>({
  kind: 'code',
  decider: {
    initialHeader: (id) => ({ id, huntId: 0 }),
    initialMember: () => null,
    needs: () => [],
    decide({ at, fingerprint, action }, { header }) {
      if (header.huntId !== 0)
        return {
          kind: 'refused',
          refusal: { code: 'ALREADY_DONE', message: 'this join code belongs to a hunt already: draw another' },
        };
      const event: JoinCodeEvent = {
        actorId: header.id,
        version: 0,
        playerId: adminPlayer,
        seq: 0,
        occurredAt: at,
        vector: [],
        fingerprint,
        outcome: { $case: 'claimed', value: { huntId: action.huntId } },
      };
      return { kind: 'events', events: [event] };
    },
    evolveHeader(header, { outcome }) {
      if (outcome?.$case === 'claimed') header.huntId = outcome.value.huntId;
    },
    evolveMember: () => {},
    membersOf: () => [],
    reply: () => ({ kind: 'ack', result: {} }),
    alarm: () => undefined,
  },
  events: {
    encode: (event) => JoinCodeEvent.encode(event).finish(),
    decode(bytes) {
      const event = JoinCodeEvent.decode(bytes);
      if (event.outcome === undefined)
        throw new UnreadableEventError(
          `event ${event.version} of join code ${event.actorId} is of a type that this release does not know`,
        );
      return event;
    },
  },
  header: {
    pack: ({ id, huntId }) => [id, huntId],
    unpack(packed) {
      const [id, huntId] = packed as [number, number];
      return { id, huntId };
    },
  },
  member: { pack: () => null, unpack: () => null },
  commands: {
    claim(body) {
      const { hunt_id: huntId } = (typeof body === 'object' && body !== null ? body : {}) as { hunt_id?: unknown };
      if (typeof huntId !== 'number' || !Number.isSafeInteger(huntId) || huntId < 1)
        return { refusal: { code: 'INVALID', message: 'hunt_id must be a whole number from 1: name the hunt' } };
      return { action: { huntId } };
    },
  },
  queries: {
    get: {
      kind: 'rows',
      needs: () => [],
      run: (_body, { header }) =>
        header.huntId === 0
          ? { refusal: { code: 'HUNT_NOT_FOUND', message: 'no hunt has this join code: check it' } }
          : { answer: { hunt_id: header.huntId } },
    },
  },
  mustExist: false,
  creates: [],
});
