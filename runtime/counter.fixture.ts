/**
 * A third actor kind, for the runtime's tests: people add to a counter and give to one another. It has all that a kind
 * can have: member rows, commands over two rows, refusals with and without effect, an alarm, a request key, a command that
 * looks at an earlier event, reads of every sort, and two bugs.
 */
import type { ActorEvent, Decider, Decision, Refusal } from './decider.ts';
import { type ActorKind, type ActorLimits, defineActor, UnreadableEventError } from './define-actor.ts';

export interface CounterHeader {
  total: number;
  given: number;
  wakeAt: number;
  rung: number[];
  keys: Record<string, number>;
  undone: number[];
}
export interface CounterMember {
  points: number;
  log: string[];
}
export type CounterAction =
  | { type: 'add'; n: number }
  | { type: 'add_twice'; n: number }
  | { type: 'give'; to: string; n: number }
  | { type: 'miss' }
  | { type: 'refuse' }
  | { type: 'idle' }
  | { type: 'boom' }
  | { type: 'poison' }
  | { type: 'remind'; at: number }
  | { type: 'once'; key: string; n: number }
  | { type: 'undo'; version: number }
  | { type: 'ring' };

export interface CounterEvent extends ActorEvent {
  type: 'added' | 'given' | 'missed' | 'poisoned' | 'reminded' | 'rang' | 'undone';
  n: number;
  to?: string;
  key?: string;
  voids?: number;
  /** The undone event's points and player. */
  undoes?: { player: string; n: number };
}

const event = (type: CounterEvent['type'], n = 0, more: Partial<CounterEvent> = {}): CounterEvent => ({
  type,
  n,
  version: 0,
  playerId: '',
  seq: 0,
  occurredAt: 0,
  vector: [],
  fingerprint: 0,
  ...more,
});

const decider: Decider<CounterHeader, CounterMember, CounterAction, CounterEvent> = {
  initialHeader: () => ({ total: 0, given: 0, wakeAt: 0, rung: [], keys: {}, undone: [] }),
  initialMember: () => ({ points: 0, log: [] }),
  needs({ player, seq, action }, state, referenced) {
    const wanted = seq > 0 ? [player] : [];
    if (action.type === 'give') wanted.push(action.to);
    if (action.type === 'undo') wanted.push(referenced(action.version)?.playerId ?? player);
    return wanted.filter((id) => state.row(id) === undefined);
  },
  references: ({ action }) => (action.type === 'undo' ? [action.version] : []),
  decide({ player, at, action }, { header, row }, referenced): Decision<CounterEvent> {
    switch (action.type) {
      case 'add':
        return { kind: 'events', events: [event('added', action.n)] };
      case 'add_twice':
        return { kind: 'events', events: [event('added', action.n), event('added', action.n)] };
      case 'give': {
        if (row === undefined) throw new Error('no rows');
        return { kind: 'events', events: [event('given', action.n, { to: action.to })] };
      }
      case 'miss':
        return { kind: 'events', events: [event('missed')] };
      case 'refuse':
        return {
          kind: 'refused',
          refusal: { code: 'NOT_ALLOWED', message: `total is ${header.total}`, detail: { total: header.total } },
        };
      case 'idle':
        return { kind: 'nothing' };
      case 'boom':
        throw new Error('a bug in decide');
      case 'poison':
        return { kind: 'events', events: [event('poisoned')] };
      case 'remind':
        return { kind: 'events', events: [event('reminded', action.at)] };
      case 'once': {
        const version = header.keys[action.key];
        if (version !== undefined) return { kind: 'repeat', version, events: 1 };
        return { kind: 'events', events: [event('added', action.n, { key: action.key, playerId: player })] };
      }
      case 'undo': {
        const undone = referenced(action.version);
        if (undone?.type !== 'added')
          return { kind: 'refused', refusal: { code: 'NOT_FOUND', message: 'there is nothing to undo' } };
        if (header.undone.includes(action.version))
          return { kind: 'refused', refusal: { code: 'ALREADY_DONE', message: 'it was undone' } };
        return {
          kind: 'events',
          events: [event('undone', 0, { voids: action.version, undoes: { player: undone.playerId, n: undone.n } })],
        };
      }
      case 'ring':
        if (header.wakeAt === 0 || at < header.wakeAt) return { kind: 'nothing' };
        return { kind: 'events', events: [event('rang', header.wakeAt)] };
      default:
        return action satisfies never;
    }
  },
  evolveHeader(header, { type, n, version, key, voids, undoes, occurredAt }) {
    if (type === 'added') header.total += n;
    if (type === 'given') header.given += n;
    if (type === 'poisoned') throw new Error('a bug in evolve');
    if (type === 'reminded') header.wakeAt = n;
    if (type === 'rang') {
      header.wakeAt = 0;
      header.rung.push(occurredAt);
    }
    if (key !== undefined) header.keys[key] = version;
    if (type === 'undone' && voids !== undefined) {
      header.undone.push(voids);
      header.total -= undoes?.n ?? 0;
    }
  },
  evolveMember(member, { type, n, to, undoes, version, playerId }, memberId) {
    if (type === 'added') member.points += n;
    if (type === 'given' && to !== playerId) member.points += to === memberId ? n : -n;
    if (type === 'undone') member.points -= undoes?.n ?? 0;
    member.log.push(`${type}@${version}`);
    if (member.log.length > 5) member.log.shift();
  },
  membersOf({ type, playerId, to, undoes }) {
    if (type === 'added') return [playerId];
    if (type === 'given') return to === playerId ? [playerId] : [playerId, to ?? ''];
    if (type === 'undone') return [undoes?.player ?? ''];
    return [];
  },
  reply(events, { header }) {
    const first = events[0] as CounterEvent;
    if (first.type === 'missed') return { kind: 'nack', refusal: { code: 'WRONG_ANSWER', message: 'a miss' } };
    return { kind: 'ack', result: { type: first.type, n: first.n, total: header.total } };
  },
  alarm: (header) => (header.wakeAt === 0 ? undefined : header.wakeAt),
  wake: { type: 'ring' },
};

const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value), 'utf8');
const decode = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString('utf8'));

export interface CounterRequest {
  id: number;
  player: string;
  seq: number;
  action: CounterAction | Refusal;
}
export type CounterReply = { id: number; player: string; seq: number } & (
  | {
      ack: { version: number; events: number; duplicate: boolean; result: { type: string; n: number; total: number } };
      nack?: undefined;
    }
  | { nack: Refusal & { version?: number }; ack?: undefined }
);

/** FNV-1a, as good as any for telling two actions apart. */
export function fingerprintOf(action: unknown): number {
  let hash = 0x811c9dc5;
  for (const char of JSON.stringify(action)) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  return hash >>> 0;
}

export const counterRequest = (request: CounterRequest): Buffer => encode(request);
export const counterReply = (bytes: Uint8Array): CounterReply => decode(bytes) as CounterReply;

export function counterKind(
  limits: Partial<ActorLimits> = {},
): ActorKind<CounterHeader, CounterMember, CounterAction, CounterEvent> {
  const command = (action: (body: never) => CounterAction) => (body: unknown) => ({ action: action(body as never) });
  return defineActor<CounterHeader, CounterMember, CounterAction, CounterEvent>({
    kind: 'counter',
    decider,
    events: {
      encode,
      decode(bytes) {
        const decoded = decode(bytes) as CounterEvent;
        if ((decoded.type as string) === 'tomorrow') throw new UnreadableEventError('an event of a newer release');
        return decoded;
      },
    },
    header: { pack: (header) => structuredClone(header), unpack: (packed) => packed as CounterHeader },
    member: {
      pack: (member) => [member.points, member.log],
      unpack: (packed) => ({ points: (packed as [number])[0], log: (packed as [number, string[]])[1] }),
    },
    submit: {
      decode(bytes) {
        const { id, player, seq, action } = decode(bytes) as CounterRequest;
        return { actorId: id, player, seq, fingerprint: fingerprintOf(action), action };
      },
      encodeAck: (id, player, seq, ack) => encode({ id, player, seq, ack }),
      encodeNack: (id, player, seq, nack) => encode({ id, player, seq, nack }),
    },
    commands: {
      create: command(() => ({ type: 'add', n: 0 })),
      add: command((body: { n: number }) => ({ type: 'add', n: body.n })),
      once: command((body: { key: string; n: number }) => ({ type: 'once', ...body })),
      remind: command((body: { at: number }) => ({ type: 'remind', at: body.at })),
      undo: command((body: { version: number }) => ({ type: 'undo', version: body.version })),
      wrong: () => ({ refusal: { code: 'INVALID', message: 'always wrong' } }),
    },
    queries: {
      total: {
        kind: 'rows',
        needs: () => [],
        atVersion: (body) => (body as { at?: number }).at,
        run: (_body, { header, version }) => ({ answer: { total: header.total, version } }),
      },
      points: {
        kind: 'rows',
        needs: (body, state) => (body as { of: string[] }).of.filter((id) => state.row(id) === undefined),
        atVersion: (body) => (body as { at?: number }).at,
        run: (body, state) => ({
          answer: Object.fromEntries((body as { of: string[] }).of.map((id) => [id, state.row(id)?.member.points])),
        }),
      },
      everyone: {
        kind: 'scan',
        map: (row) => [row.id, row.member.points] as const,
        run: (_body, mapped, { header, version }) => {
          const rows = mapped as (readonly [string, number])[];
          return {
            answer: {
              members: rows.length,
              sum: rows.reduce((sum, [, points]) => sum + points, 0),
              total: header.total,
              version,
            },
          };
        },
      },
    },
    mustExist: true,
    creates: ['create', 'once'],
    limits,
  });
}
