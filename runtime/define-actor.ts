import type { StreamId } from '../proto/ids.ts';
import type { ActorEvent, Decider, Refusal, Row, State } from './decider.ts';

/**
 * An actor kind: a decider, how its events are written, and what may be asked of it. The runtime knows nothing else of
 * a kind; hunts, join codes, request keys and the tests' counter are all defined by this one function.
 */
export interface ActorKind<H, M, A, E extends ActorEvent> {
  readonly kind: string;
  readonly decider: Decider<H, M, A, E>;
  readonly events: EventCodec<E>;
  readonly header: StateCodec<H>;
  readonly member: StateCodec<M>;
  /** The players' way in: turns one encoded hunt.v1 SubmitRequest into an action. Absent: this kind has no players. */
  readonly submit?: SubmitCodec<A>;
  /** Other commands by name (designer verbs, creation): a JSON body to an action, or why not. Appended like any command. */
  readonly commands: Readonly<Record<string, (body: unknown) => ParsedCommand<A> | { readonly refusal: Refusal }>>;
  /** Reads by name. Their answers pass the output gate as replies do (I1). */
  readonly queries: Readonly<Record<string, Query<H, M>>>;
  /** True: a stream without events is refused with HUNT_NOT_FOUND unless the command is one of `creates`. */
  readonly mustExist: boolean;
  readonly creates: readonly string[];
  readonly limits?: Partial<ActorLimits>;
}

export interface ParsedCommand<A> {
  readonly action: A;
  /** `@admin` unless the command is done for a player. */
  readonly player?: string;
  readonly by?: string;
}

export interface EventCodec<E> {
  encode(event: E): Uint8Array;
  /** Throws {@link UnreadableEventError} for an event type of a newer release: the actor is parked, nothing is skipped. */
  decode(bytes: Uint8Array): E;
}

export class UnreadableEventError extends Error {
  override readonly name = 'UnreadableEventError';
}

/** To and from a plain value that msgpack can carry; `pack` then `unpack` gives an equal state. */
export interface StateCodec<T> {
  pack(state: T): unknown;
  unpack(packed: unknown): T;
}

export interface SubmitCodec<A> {
  /** Of the encoded request: enough to route and to remember it. Throws on malformed bytes. */
  decode(request: Uint8Array): {
    actorId: number;
    player: string;
    seq: number;
    fingerprint: number;
    action: A | Refusal;
  };
  /** The encoded SubmitReply. */
  encodeAck(
    actorId: number,
    player: string,
    seq: number,
    ack: { version: number; events: number; duplicate: boolean; result: object },
  ): Uint8Array;
  encodeNack(actorId: number, player: string, seq: number, nack: Refusal & { version?: number }): Uint8Array;
}

export type Query<H, M> = RowsQuery<H, M> | ScanQuery<H, M, unknown>;

export interface QueryContext {
  readonly stream: StreamId;
  /** The clock at the time of the read, never below the last event's. */
  readonly at: number;
}

/** Looks at the header and named rows. */
export interface RowsQuery<H, M> {
  readonly kind: 'rows';
  /** As {@link Decider.needs}. */
  needs(body: unknown, state: State<H, M>): readonly string[];
  /** Set: the read is of the state as of that version, replayed from the log (time travel). Out of 1..head → NOT_FOUND. */
  atVersion?(body: unknown): number | undefined;
  /** Any JSON value, or a refusal. */
  run(
    body: unknown,
    state: State<H, M>,
    context: QueryContext,
  ): { readonly answer: unknown } | { readonly refusal: Refusal };
}

/** Looks at every member: the runtime walks the pages, keeps what `map` makes of each row, and calls `run` when all are consistent with `state`. */
export interface ScanQuery<H, M, T> {
  readonly kind: 'scan';
  map(row: Row<M>, body: unknown): T | undefined;
  run(
    body: unknown,
    mapped: readonly T[],
    state: State<H, M>,
    context: QueryContext,
  ): { readonly answer: unknown } | { readonly refusal: Refusal };
}

export interface ActorLimits {
  /** Commands that wait in one mailbox; beyond: BUSY. */
  readonly mailboxCommandsMax: number;
  /** Commands that one turn takes. */
  readonly turnCommandsMax: number;
  /** Bytes of one record; a turn ends before it would exceed them. */
  readonly recordBytesMax: number;
  /** Members in one page before it splits. */
  readonly pageMembersMax: number;
  /** An activation idle for so long is passivated. */
  readonly idleMs: number;
}

export const defaultActorLimits: ActorLimits = {
  mailboxCommandsMax: 4_096,
  turnCommandsMax: 256,
  recordBytesMax: 512 * 1024,
  pageMembersMax: 128,
  idleMs: 60_000,
};

// biome-ignore lint/suspicious/noExplicitAny: the runtime handles kinds whose types only the kind itself knows
export type AnyActorKind = ActorKind<any, any, any, any>;

/** Checks a kind once, at start-up, and names it to the runtime. */
export function defineActor<H, M, A, E extends ActorEvent>(kind: ActorKind<H, M, A, E>): ActorKind<H, M, A, E> {
  if (!/^[a-z]{1,16}$/.test(kind.kind)) throw new Error(`actor kind ${JSON.stringify(kind.kind)}: 1 to 16 letters a-z`);
  for (const name of kind.creates)
    if (!Object.hasOwn(kind.commands, name))
      throw new Error(`actor kind ${kind.kind}: creates names ${name}, which is no command`);
  return kind;
}
