import type { ErrorCode } from '../proto/error-code.ts';

/**
 * The domain's side of an actor: pure functions over a header and member rows (I3). Nothing in here does I/O or reads a
 * clock; time arrives with the command. State is changed in place by the two `evolve` functions and by nothing else: the
 * runtime drops the whole activation when an append is refused, so speculative state is never rolled back.
 *
 * Type parameters: H header, M member, A action (what a command asks for), E event.
 * (After Chassaing's Decider, split into header and rows so that an actor never has to hold all of its members.)
 */
export interface Decider<H, M, A, E extends ActorEvent> {
  initialHeader(actorId: number): H;
  initialMember(memberId: string): M;

  /**
   * The rows that deciding needs and that `state` does not hold yet. Called again after they were loaded, until it
   * returns none: so a team's row may be found through its player's. Empty for commands on the header alone.
   * `referenced` gives the events asked for by {@link references}, as for `decide`: whom a void concerns, only the voided event tells.
   */
  needs(command: Command<A>, state: State<H, M>, referenced: (version: number) => E | undefined): readonly string[];
  /** Versions of earlier events that deciding looks at (a void); the runtime reads them before. */
  references?(command: Command<A>): readonly number[];

  /** All events of one decision are appended atomically. Rows that exist only after them are created by `evolveMember`. */
  decide(command: Command<A>, state: State<H, M>, referenced: (version: number) => E | undefined): Decision<E>;

  evolveHeader(header: H, event: E): void;
  evolveMember(member: M, event: E, memberId: string): void;
  /** The rows that the event changes. */
  membersOf(event: E): readonly string[];

  /**
   * The answer to a command, computed from its events and the state after them: the first time and, with newer state, for
   * every duplicate. `events` is never empty; their `version` is filled in.
   */
  reply(events: readonly E[], state: State<H, M>): Reply;

  /** When the actor wants to be woken next (ms since 1970), judged by its header alone; undefined: not. */
  alarm(header: H): number | undefined;
  /** The action by which the runtime wakes it. Decided like any other, as player `@system`. It may well find nothing to do. */
  readonly wake?: A;
}

/** The fields that the runtime itself reads and fills in; a decision's events leave version, occurredAt, vector to the runtime. */
export interface ActorEvent {
  version: number;
  playerId: string;
  /** The command's; 0 when no player command caused the event. */
  seq: number;
  occurredAt: number;
  vector: { node: string; count: number }[];
  fingerprint: number;
}

export interface Command<A> {
  /** The player whose command this is, or `@system`, `@admin`. */
  readonly player: string;
  /** From 1; 0 for commands that are no player's: those have no receipt. */
  readonly seq: number;
  readonly fingerprint: number;
  /** `sub` of the token that a designer's or an integrator's command came with. */
  readonly by?: string;
  /** max(clock, the last event's time): never falls along one actor. */
  readonly at: number;
  readonly action: A;
}

export interface State<H, M> {
  readonly header: H;
  /** Of the last event that is folded in. */
  readonly version: number;
  /** The row, if it is resident; rows asked for through `needs` always are, new ones as `initialMember`. */
  row(memberId: string): Row<M> | undefined;
}

export interface Row<M> {
  readonly id: string;
  /** The highest seq with an effect; 0 if none. */
  readonly lastSeq: number;
  readonly member: M;
}

export type Decision<E> =
  /** At least one event. Whether the player reads it as ack or nack, `reply` tells. */
  | { readonly kind: 'events'; readonly events: readonly E[] }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** This was done before (a request key seen again): the runtime reads those events from the log and answers by `reply`. */
  | { readonly kind: 'repeat'; readonly version: number; readonly events: number }
  /** Nothing to do and nothing to say: a wake that came too early. */
  | { readonly kind: 'nothing' };

export interface Refusal {
  readonly code: ErrorCode;
  /** A sentence that names field, limit and remedy. */
  readonly message: string;
  readonly retryMs?: number;
  readonly detail?: Readonly<Record<string, unknown>>;
}

export type Reply =
  | { readonly kind: 'ack'; readonly result: object }
  /** A refusal that had an effect: it names the version. */
  | { readonly kind: 'nack'; readonly refusal: Refusal };
