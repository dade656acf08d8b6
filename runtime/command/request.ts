import { type ErrorCode, isErrorCode, isRetryable } from '../../proto/error-code.ts';
import { adminPlayer } from '../../proto/ids.ts';
import type { ActorEvent, Command, Refusal } from '../decider.ts';
import type { Query, SubmitCodec } from '../define-actor.ts';
import type { Metrics } from '../metrics.ts';
import type { Waiting } from './mailbox.ts';
import type { Answer } from './output-gate.ts';

/**
 * What waits in a mailbox: a player's command, a command by name, or a read. Each holds its answer from the turn that
 * decided it until the output gate lets it out, and then gives exactly one.
 */

/** Where a player's reply goes: the gateway's link, which knows the request by its number. */
export interface ReplySink {
  reply(request: number, bytes: Uint8Array): void;
}

/** `body` is UTF-8 JSON. */
export type CallAnswer =
  | { readonly ok: true; readonly version: number; readonly body: Uint8Array }
  | ({ readonly ok: false } & Refusal);

export type Request<A, E extends ActorEvent> = CommandRequest<A, E> | ReadRequest<E>;
export type CommandRequest<A, E extends ActorEvent> = PlayerRequest<A, E> | NamedRequest<A, E>;

abstract class Pending<E> implements Waiting, Answer {
  abstract readonly lane: string;
  blocked = 0;
  effect = false;
  /** Earlier events that it asked for; undefined for one that is not there. */
  found: Map<number, E | undefined> | undefined;
  /** Earlier events up to this version were asked for already: what is still missing cannot be had. */
  triedUpTo = 0;

  constructor(readonly metrics: Metrics) {}

  abstract readonly bytes: number;
  abstract release(): void;
  abstract nack(refusal: Refusal, version?: number): void;
  protected abstract readonly label: string;

  /** Answers at once, past the gate: only for what observed no state, or whose state is gone. */
  fail(code: ErrorCode, message: string): void {
    this.refuse({ code, message, ...(isRetryable(code) ? { retryMs: retryMs(code) } : {}) });
    this.release();
  }

  /** The answer is this refusal; it still waits for the gate. */
  refuse(refusal: Refusal, version?: number): void {
    this.nack(refusal, version);
    this.metrics.count('hunt_nacks_total', 1, refusal.code);
    this.metrics.count('hunt_commands_total', 1, this.label, version === undefined ? 'refused' : 'rejected');
  }

  protected accepted(outcome: 'done' | 'duplicate'): void {
    this.metrics.count('hunt_commands_total', 1, this.label, outcome);
  }
}

const retryMs = (code: ErrorCode): number => (code === 'NOT_OWNER' ? 50 : 250);

export class PlayerRequest<A, E> extends Pending<E> implements Command<A> {
  readonly kind = 'player';
  at = 0;
  #answer: Uint8Array | undefined;

  constructor(
    readonly codec: SubmitCodec<A>,
    readonly actorId: number,
    readonly player: string,
    readonly seq: number,
    readonly fingerprint: number,
    readonly action: A,
    readonly bytes: number,
    readonly sink: ReplySink,
    readonly number: number,
    metrics: Metrics,
  ) {
    super(metrics);
  }

  get lane(): string {
    return this.player;
  }
  protected get label(): string {
    return actionName(this.action);
  }

  ack(version: number, events: number, duplicate: boolean, result: object): void {
    this.#answer = this.codec.encodeAck(this.actorId, this.player, this.seq, { version, events, duplicate, result });
    this.accepted(duplicate ? 'duplicate' : 'done');
  }

  nack(refusal: Refusal, version?: number): void {
    this.#answer = this.codec.encodeNack(
      this.actorId,
      this.player,
      this.seq,
      version === undefined ? refusal : { ...refusal, version },
    );
  }

  release(): void {
    const answer = this.#answer;
    this.#answer = undefined;
    if (answer !== undefined) this.sink.reply(this.number, answer);
  }
}

abstract class Called<E> extends Pending<E> {
  protected held: CallAnswer | undefined;
  abstract readonly answer: (answer: CallAnswer) => void;

  nack(refusal: Refusal): void {
    this.held = { ok: false, ...refusal };
  }

  release(): void {
    const { held } = this;
    this.held = undefined;
    if (held !== undefined) this.answer(held);
  }
}

export class NamedRequest<A, E> extends Called<E> implements Command<A> {
  readonly kind = 'named';
  readonly seq = 0;
  readonly fingerprint = 0;
  at = 0;
  readonly player: string;
  readonly by?: string;

  constructor(
    readonly method: string,
    parsed: { readonly player?: string; readonly by?: string },
    readonly action: A,
    readonly creates: boolean,
    readonly bytes: number,
    readonly answer: (answer: CallAnswer) => void,
    metrics: Metrics,
  ) {
    super(metrics);
    this.player = parsed.player ?? adminPlayer;
    if (parsed.by !== undefined) this.by = parsed.by;
  }

  get lane(): string {
    return this.player;
  }
  protected get label(): string {
    return this.method;
  }

  ack(version: number, _events: number, duplicate: boolean, result: object): void {
    this.held = { ok: true, version, body: json(result) };
    this.accepted(duplicate ? 'duplicate' : 'done');
  }
}

export class ReadRequest<E> extends Called<E> {
  readonly kind = 'read';
  readonly lane = '';

  constructor(
    readonly method: string,
    // biome-ignore lint/suspicious/noExplicitAny: only the kind knows its header and member types
    readonly query: Query<any, any>,
    readonly body: unknown,
    readonly bytes: number,
    readonly answer: (answer: CallAnswer) => void,
    metrics: Metrics,
  ) {
    super(metrics);
  }

  protected get label(): string {
    return this.method;
  }

  /** Written out at once: the answer may be made of parts of the state, and that moves on. */
  ack(version: number, answer: unknown): void {
    this.held = { ok: true, version, body: json(answer) };
    this.accepted('done');
  }
}

export const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value) ?? 'null', 'utf8');

/** Told from an action by the two fields that every refusal has. */
export function isRefusal(value: unknown): value is Refusal {
  if (typeof value !== 'object' || value === null) return false;
  const { code, message } = value as { code?: unknown; message?: unknown };
  return typeof code === 'string' && typeof message === 'string' && isErrorCode(code);
}

/** A metrics label: the action's own tag, of which there is a closed set. */
export function actionName(action: unknown): string {
  if (typeof action !== 'object' || action === null) return 'other';
  const { type, $case } = action as { type?: unknown; $case?: unknown };
  return typeof type === 'string' ? type : typeof $case === 'string' ? $case : 'other';
}
