/** A join code: an actor of its own, so that its uniqueness comes from the log. It is claimed once, for one hunt, for good. */
import { JoinCodeEvent } from '../../proto/generated/node/v1/record.ts';
import { adminPlayer } from '../../proto/ids.ts';
import { defineActor, UnreadableEventError } from '../../runtime/define-actor.ts';

interface Header {
  huntId: number;
}
interface Claim {
  readonly huntId: number;
}
type Member = Record<string, never>;

export const joinCodeActor = defineActor<Header, Member, Claim, JoinCodeEvent>({
  kind: 'code',
  decider: {
    initialHeader: () => ({ huntId: 0 }),
    initialMember: () => ({}),
    needs: () => [],
    decide: ({ action }, { header }) => {
      if (header.huntId !== 0)
        return {
          kind: 'refused',
          refusal: { code: 'ALREADY_DONE', message: 'this join code belongs to a hunt already: draw another' },
        };
      const event: JoinCodeEvent = {
        actorId: 0,
        version: 0,
        playerId: adminPlayer,
        seq: 0,
        occurredAt: 0,
        vector: [],
        fingerprint: 0,
        outcome: { $case: 'claimed', value: { huntId: action.huntId } },
      };
      return { kind: 'events', events: [event] };
    },
    evolveHeader: (header, event) => {
      if (event.outcome?.$case === 'claimed') header.huntId = event.outcome.value.huntId;
    },
    evolveMember: () => undefined,
    membersOf: () => [],
    reply: (_events, { header }) => ({ kind: 'ack', result: { hunt_id: header.huntId } }),
    alarm: () => undefined,
  },
  events: {
    encode: (event) => JoinCodeEvent.encode(event).finish(),
    decode: (bytes) => {
      const event = JoinCodeEvent.decode(bytes);
      if (event.outcome === undefined)
        throw new UnreadableEventError(`event ${event.version} of a join code is of a newer release`);
      return event;
    },
  },
  header: { pack: (header) => header.huntId, unpack: (packed) => ({ huntId: packed as number }) },
  member: { pack: () => 0, unpack: () => ({}) },
  commands: {
    claim: (body) => {
      const { hunt_id: huntId } = (body ?? {}) as { hunt_id?: unknown };
      if (typeof huntId !== 'number' || !Number.isSafeInteger(huntId) || huntId < 1)
        return { refusal: { code: 'INVALID', message: 'hunt_id must be a positive integer below 2^53' } };
      return { action: { huntId } };
    },
  },
  queries: {
    get: {
      kind: 'rows',
      needs: () => [],
      run: (_body, { header }) => ({ answer: { hunt_id: header.huntId } }),
    },
  },
  mustExist: true,
  creates: ['claim'],
});
