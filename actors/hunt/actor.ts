import { type ActorKind, defineActor, type Query } from '../../runtime/define-actor.ts';
import type { HuntAction } from './command.ts';
import { decide, needs, references } from './decide/decide.ts';
import { eventCodec, type StoredEvent } from './event.ts';
import { evolveHeader } from './evolve-header.ts';
import { evolveMember, membersOf } from './evolve-member.ts';
import { queries } from './query.ts';
import { reply } from './reply.ts';
import { Standings } from './standings.ts';
import { type Header, initialMember, type Member } from './state.ts';
import { headerCodec, memberCodec } from './state-codec.ts';
import { submitCodec } from './submit-codec.ts';
import { verbs } from './verb.ts';

export const initialHeader = (huntId: number): Header => ({
  huntId,
  rules: undefined,
  definitionVersion: 0,
  owner: '',
  joinCode: '',
  lineage: '',
  status: 'draft',
  openedAt: 0,
  closesAt: undefined,
  players: 0,
  teams: 0,
  teamRows: [],
  treasures: new Map(),
  standings: new Standings(),
  voided: new Set(),
  requests: new Map(),
});

/** When something is due by time alone: the opening, a treasure's release, the closing. */
export function nextAlarm({ rules, status, closesAt, treasures }: Header): number | undefined {
  if (rules === undefined || status === 'closed') return undefined;
  let next = closesAt ?? Number.POSITIVE_INFINITY;
  if (status === 'scheduled' && rules.opens !== undefined) next = Math.min(next, rules.opens);
  for (const { id, opens } of rules.timed) if (treasures.get(id)?.released !== true) next = Math.min(next, opens);
  return next === Number.POSITIVE_INFINITY ? undefined : next;
}

export const huntActor: ActorKind<Header, Member, HuntAction, StoredEvent> = defineActor<
  Header,
  Member,
  HuntAction,
  StoredEvent
>({
  kind: 'hunt',
  decider: {
    initialHeader,
    initialMember,
    needs,
    references,
    decide,
    evolveHeader,
    evolveMember,
    membersOf,
    reply,
    alarm: nextAlarm,
    wake: { $case: 'wake' },
  },
  events: eventCodec,
  header: headerCodec,
  member: memberCodec,
  submit: submitCodec,
  commands: verbs,
  // A scan's own type of what it keeps of a row is nobody else's business.
  queries: queries as Readonly<Record<string, Query<Header, Member>>>,
  mustExist: true,
  creates: ['create'],
});
