/**
 * One connection. Owns: who it is, and the order of its messages. Does not own: its hunts (socket-subscriptions), its
 * conduct (manners) and decisions (the nodes).
 * Invariants: an `act` with valid seq and hunt is always answered; after the close frame nothing leaves.
 */

import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { type CloseName, closeCodes } from '../../proto/close-code.ts';
import { type ErrorCode, isRetryable } from '../../proto/error-code.ts';
import { type Action, SubmitRequest } from '../../proto/generated/hunt/v1/ingest.ts';
import { actionFault } from '../act/action-fault.ts';
import { inFlightMax } from '../act/player-lane.ts';
import { actionType, replyJson } from '../act/reply.ts';
import { withTokenName } from '../act/token-name.ts';
import type { Subscriber } from '../fan-out/subscription.ts';
import { type Claims, claimsHunt } from '../token/claims.ts';
import { type Codec, framed, type Message, MessageError } from './frame.ts';
import type { GatewayCore } from './gateway-core.ts';
import { messageBytesMax } from './live-config.ts';
import { Manners } from './manners.ts';
import { isHunt, isSeq } from './message-fields.ts';
import { Outbox } from './outbox.ts';
import { SocketSubscriptions } from './socket-subscriptions.ts';

/** The peer has so long to answer a close frame. */
const closingMsMax = 3_000;

type State =
  | { kind: 'anonymous'; since: number }
  | { kind: 'verifying'; since: number; renews: Claims | undefined }
  | { kind: 'known'; claims: Claims }
  | { kind: 'closing'; since: number }
  | { kind: 'closed' };

export class Session implements Subscriber {
  readonly outbox: Outbox;
  readonly id: string;
  #state: State;
  #claims: Claims | undefined;
  /** What came while a token was being verified. */
  #inbox: { data: Buffer; binary: boolean }[] = [];
  readonly #subscriptions: SocketSubscriptions;
  #heardAt: number;
  readonly #manners: Manners;

  constructor(
    private readonly core: GatewayCore,
    private readonly ws: WebSocket,
    private readonly socket: Duplex,
    readonly codec: Codec,
    claims: Claims | undefined,
  ) {
    const now = core.clock.monotonic();
    this.#heardAt = now;
    this.#state = { kind: 'anonymous', since: now };
    this.id = core.random.token(12);
    this.#manners = new Manners(core.config.socketRate, now);
    this.#subscriptions = new SocketSubscriptions(core, this, {
      error: (code, message, re, hunt, retryMs) => this.#error(code, message, re, hunt, retryMs),
      invalid: (message, re, hunt) => this.#invalid(message, re, hunt),
    });
    this.outbox = new Outbox(
      socket,
      core.clock,
      {
        drained: () => this.#subscriptions.drained(),
        overflowed: () => this.close('slow'),
      },
      core.outboxCounts,
    );
    ws.on('message', (data, binary) => this.#message(data as Buffer, binary));
    ws.on('error', () => {});
    ws.on('close', (code) => this.#closed(code));
    if (claims !== undefined) this.#welcome(claims);
  }

  get role(): Subscriber['role'] {
    return this.#claims?.role ?? 'player';
  }
  get name(): string {
    return this.#claims?.sub ?? '';
  }
  get bytes(): number {
    return this.outbox.bytes;
  }

  // --- time --------------------------------------------------------------------------------------------------------

  /** Called about once a second. */
  tick(now: number, wall: number): void {
    const state = this.#state;
    switch (state.kind) {
      case 'anonymous':
        if (now - state.since >= this.core.config.authMs) this.close('notAuthenticatedInTime');
        return;
      case 'closing':
        if (now - state.since >= closingMsMax) this.ws.terminate();
        return;
      case 'known':
        if (wall >= state.claims.exp) this.close('tokenExpired');
        else if (now - this.#heardAt >= this.core.config.heartbeatS * 2000) this.close('idle');
        else if (this.outbox.slow(now)) this.close('slow');
        return;
    }
  }

  // --- in ----------------------------------------------------------------------------------------------------------

  #message(data: Buffer, binary: boolean): void {
    this.#heardAt = this.core.clock.monotonic();
    switch (this.#state.kind) {
      case 'verifying':
        this.#inbox.push({ data, binary });
        return;
      case 'anonymous':
      case 'known':
        this.#carefully(() => this.#handle(data, binary));
    }
  }

  /** A fault of ours ends the connection that met it, and nothing else. */
  #carefully(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.core.report(this.id, error);
      this.close('internalFault');
    }
  }

  #handle(data: Buffer, binary: boolean): void {
    if (binary !== this.codec.binary) {
      this.close('protocolViolation');
      return;
    }
    let message: unknown;
    try {
      message = this.codec.decode(data);
    } catch (error) {
      this.#invalid(error instanceof MessageError ? error.message : 'the message cannot be read');
      return;
    }
    if (typeof message !== 'object' || message === null || Array.isArray(message)) {
      this.#invalid('a message is one object with a field t');
      return;
    }
    const { t } = message as { t?: unknown };
    const fields = message as Message;
    if (this.#state.kind === 'anonymous') {
      if (t === 'auth') this.#auth(fields);
      else this.#unauthenticated('The first message must be auth, with a token.');
      return;
    }
    if (this.#limited(t, fields)) return;
    switch (t) {
      case 'act':
        this.#act(fields);
        return;
      case 'sub':
        this.#subscriptions.sub(fields, this.#claims as Claims);
        return;
      case 'unsub':
        this.#subscriptions.unsub(fields);
        return;
      case 'ping':
        this.#ping(fields);
        return;
      case 'auth':
        this.#auth(fields);
        return;
      default:
        this.#invalid(
          t === undefined
            ? 'the field t is missing: it names the kind of message'
            : 'this kind of message is not known: t is auth, sub, unsub, act or ping',
        );
    }
  }

  #limited(t: unknown, fields: Message): boolean {
    if (this.#claims?.role !== 'player') return false;
    const now = this.core.clock.monotonic();
    const wait = this.#manners.waitMs(now);
    if (wait === 0) return false;
    if (t === 'act' && isSeq(fields.seq) && isHunt(fields.hunt))
      this.#nack(fields.seq, fields.hunt, 'RATE_LIMITED', 'Too many messages on this socket: send more slowly.', wait);
    else
      this.#error(
        'RATE_LIMITED',
        'Too many messages on this socket: send more slowly.',
        typeof t === 'string' ? t : undefined,
        fields.hunt,
        wait,
      );
    this.#tooEager(now);
    return true;
  }

  #tooEager(now: number): void {
    if (this.#manners.isTooEager(now)) this.close('tooManyMessages');
  }

  // --- who it is ---------------------------------------------------------------------------------------------------

  #auth(fields: Message): void {
    const renews = this.#claims;
    const token = fields.token;
    if (typeof token !== 'string') {
      this.#unauthenticated('auth has no token: give the JWT as a text.');
      return;
    }
    this.#state = { kind: 'verifying', since: this.core.clock.monotonic(), renews };
    this.ws.pause();
    void this.core.verifyToken(token).then((claims) => {
      if (this.#state.kind !== 'verifying') return;
      const same =
        renews === undefined ||
        (claims !== undefined &&
          claims.sub === renews.sub &&
          claims.role === renews.role &&
          claimKey(claims) === claimKey(renews));
      if (claims === undefined || !same) {
        this.#unauthenticated(
          claims === undefined
            ? 'The token is not valid or has expired.'
            : 'A renewed token must have the same sub, role and hunt.',
        );
        this.ws.resume();
        return;
      }
      this.#welcome(claims);
      this.ws.resume();
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
        if (this.#is('verifying')) {
          this.#inbox.unshift(next);
          return;
        }
        if (this.#is('closing') || this.#is('closed')) break;
        const { data, binary } = next;
        this.#carefully(() => this.#handle(data, binary));
      }
      this.#inbox = [];
    });
  }

  #is(kind: State['kind']): boolean {
    return this.#state.kind === kind;
  }

  #welcome(claims: Claims): void {
    const renewed = this.#claims !== undefined;
    this.#claims = claims;
    this.#state = { kind: 'known', claims };
    if (!renewed) this.core.known(this, `${claims.role}/${claims.sub}/${claimKey(claims)}`);
    const { config, clock } = this.core;
    this.#send({
      t: 'ready',
      player: claims.sub,
      session: this.id,
      heartbeat_s: config.heartbeatS,
      role: claims.role,
      now: clock.now(),
      limits: { message_bytes: messageBytesMax, in_flight: inFlightMax, acts_per_s: config.playerRate.perSecond },
    });
  }

  #unauthenticated(message: string): void {
    this.#error('UNAUTHENTICATED', message, 'auth');
    this.close('tokenBad');
  }

  // --- messages ----------------------------------------------------------------------------------------------------

  #ping(fields: Message): void {
    const id = fields.id;
    if (id !== undefined && !Number.isSafeInteger(id) && !(typeof id === 'string' && id.length <= 64)) {
      this.#invalid('ping.id must be an integer or a text of at most 64 characters', 'ping');
      return;
    }
    this.#send({ t: 'pong', now: this.core.clock.now(), ...(id === undefined ? {} : { id }) });
  }

  /** The fan-out could not serve the subscription. */
  refused(hunt: number, code: ErrorCode, message: string, retryMs?: number): void {
    this.#subscriptions.refused(hunt, code, message, retryMs);
  }

  #act(fields: Message): void {
    const { seq, hunt } = fields;
    const claims = this.#claims as Claims;
    if (!isSeq(seq)) this.#invalid('act.seq must be an integer from 1 on', 'act', hunt);
    else if (!isHunt(hunt)) this.#invalid('act.hunt must be a hunt id: an integer above 0', 'act');
    else if (claims.role !== 'player')
      this.#nack(seq, hunt, 'FORBIDDEN', 'Only players act on the socket: use POST /v1/hunts/{id}/actions.');
    else if (!claimsHunt(claims, hunt)) this.#nack(seq, hunt, 'FORBIDDEN', 'The token is not for this hunt.');
    else {
      const now = this.core.clock.monotonic();
      const wait = this.core.players.take(claims.sub, now);
      if (wait > 0) {
        this.#nack(
          seq,
          hunt,
          'RATE_LIMITED',
          `At most ${this.core.config.playerRate.perSecond} actions a second: send more slowly.`,
          wait,
        );
        this.#tooEager(now);
        return;
      }
      const parsed = this.core.parseAction(fields.action);
      if (!parsed.ok) this.#nack(seq, hunt, 'INVALID', actionFault(parsed.errors));
      else this.#submit(claims.sub, seq, hunt, withTokenName(parsed.action, claims), now);
    }
  }

  #submit(player: string, seq: number, hunt: number, action: Action, began: number): void {
    const type = actionType(action);
    const request = SubmitRequest.encode({ huntId: hunt, playerId: player, seq, action }).finish();
    this.core.route.submit(hunt, player, seq, request, (reply) => {
      const { kind, code, fields } = replyJson(reply, type);
      const metrics = this.core.metrics;
      metrics.observe('hunt_command_seconds', (this.core.clock.monotonic() - began) / 1000);
      metrics.count('hunt_commands_total', 1, type, kind);
      if (code !== undefined) metrics.count('hunt_nacks_total', 1, code);
      this.#send({ t: kind, ...fields });
    });
  }

  // --- out ---------------------------------------------------------------------------------------------------------

  #send(message: Message): void {
    this.outbox.send(framed(this.codec, message));
  }

  #nack(seq: number, hunt: number, code: ErrorCode, message: string, retryMs?: number): void {
    this.core.metrics.count('hunt_nacks_total', 1, code);
    this.#send({
      t: 'nack',
      seq,
      hunt,
      code,
      message,
      retryable: isRetryable(code),
      ...(retryMs === undefined ? {} : { retry_ms: retryMs }),
    });
  }

  #error(code: ErrorCode, message: string, re?: string, hunt?: unknown, retryMs?: number): void {
    this.#send({
      t: 'err',
      code,
      message,
      ...(re !== undefined && known.has(re) ? { re } : {}),
      ...(isHunt(hunt) ? { hunt } : {}),
      ...(retryMs === undefined ? {} : { retry_ms: retryMs }),
    });
  }

  #invalid(message: string, re?: string, hunt?: unknown): void {
    this.#error('INVALID', `${message}.`, re, hunt);
    if (this.#manners.isTooConfused(this.core.clock.monotonic())) this.close('protocolViolation');
  }

  /** Says `bye`, sends the close frame, and sends nothing more. */
  close(name: CloseName, retryMs = this.core.retryMs()): void {
    if (this.#state.kind === 'closing' || this.#state.kind === 'closed') return;
    this.#state = { kind: 'closing', since: this.core.clock.monotonic() };
    const { code, reason } = closeCodes[name];
    this.#drop();
    this.#send({ t: 'bye', code, retry_ms: retryMs, reason });
    this.outbox.flush();
    this.outbox.end();
    this.ws.close(code, reason);
    this.core.metrics.count('hunt_closes_total', 1, String(code));
  }

  /** At once, without a word. */
  terminate(): void {
    this.ws.terminate();
  }

  #drop(): void {
    this.#subscriptions.drop();
    this.#inbox = [];
  }

  #closed(code: number): void {
    if (this.#state.kind === 'closed') return;
    if (this.#state.kind !== 'closing') this.core.metrics.count('hunt_closes_total', 1, closedBy(code));
    this.#state = { kind: 'closed' };
    this.#drop();
    this.outbox.end();
    this.core.gone(this);
    this.socket.destroy();
  }
}

const known: ReadonlySet<string> = new Set(['auth', 'sub', 'unsub', 'act', 'ping']);
const claimKey = (claims: Claims): string => JSON.stringify(claims.hunt ?? null);
/** A client may close with any code: only the ones that mean something become a label. */
const closedBy = (code: number): string =>
  [1000, 1001, 1002, 1005, 1006, 1007, 1009].includes(code) ? String(code) : 'other';
