/**
 * One connection to NATS at a time. Owns the client library's connections, their back-off, the subscriptions and the judgement
 * whether the server is there; knows nothing of what is asked. While the link is down nothing is published through it: whoever asks
 * something keeps it and sends it again after `up` (everything we send may be repeated).
 *
 * The library never reconnects by itself: nats.js 2.29 has one parser for all connections of one client. What is left of a connection
 * that broke is then read as the beginning of the next one, and a dial that was given up stays open, is closed by the server later,
 * and ends the connection that stands by that. So each connection is a client of its own, and is dialled only where a server
 * has said that it is there (knock.ts).
 *
 * Its `awakeMs` is the clock of all patience here: it stands still while this process is stopped, so that who wakes up
 * first reads what lies in its socket instead of giving up.
 */
import { type ConnectionOptions, connect, type Msg, type MsgHdrs, type NatsConnection, type Subscription } from 'nats';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import type { Cancel, Timers } from '../../kernel/timer.ts';
import { LogUnavailableError } from '../event-log.ts';
import { knock } from './knock.ts';

const backOffFirstMs = 20;
const backOffMaxMs = 1_000;
/** For the server's first words, and then for all that makes a connection of it. */
const knockMaxMs = 2_000;
const dialMaxMs = 5_000;
const tickMs = 250;
/** The server is asked for a sign of life every so many ticks. */
const beatTicks = 2;
/** More than a sign of life takes to come round. */
const heardMs = 1_500;
/** Nothing heard for this long although asked: the link is given up and dialled again. */
const silentMaxMs = 4_000;

export interface LinkOptions {
  /** `nats://` or `tls://`, with `user:password@` or `token@` if need be. */
  readonly servers: readonly string[];
  /** How the server's monitoring calls this client. */
  readonly name: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** How long the first connection may take. */
  readonly connectMs: number;
}

export type LinkState = { readonly kind: 'connecting' } | { readonly kind: 'up' } | { readonly kind: 'closed' };

export interface LinkListener {
  /** The server answers, and all subscriptions are in place; what was unanswered may be asked again. */
  up?(): void;
  down?(): void;
  tick?(): void;
}

interface Subscribed {
  readonly subject: string;
  readonly onMessage: (message: Msg) => void;
  /** The library's, on the present connection. */
  standing: Subscription | undefined;
}

export class NatsLink {
  #state: LinkState = { kind: 'up' };
  #nc: NatsConnection;
  readonly #subscribed = new Set<Subscribed>();
  readonly #listeners: LinkListener[] = [];
  readonly #cancelTick: Cancel;
  #lastTickMs: number;
  #lastHeardMs: number;
  #awakeMs = 0;
  #heardAwakeMs = 0;
  #ticks = 0;
  #isBeating = false;
  #trouble = '';

  private constructor(
    private readonly options: LinkOptions,
    nc: NatsConnection,
  ) {
    this.#nc = nc;
    this.#lastTickMs = this.#lastHeardMs = options.clock.monotonic();
    this.#cancelTick = options.timers.every(tickMs, () => this.#tick());
    this.#follow(nc);
  }

  /** Tries until `connectMs` have passed, then rejects with {@link LogUnavailableError}. */
  static async open(options: LinkOptions): Promise<NatsLink> {
    const { clock, timers, connectMs } = options;
    const until = clock.monotonic() + connectMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return new NatsLink(options, await dial(options));
      } catch (error) {
        const wait = waitMs(attempt, options.random);
        if (clock.monotonic() + wait > until)
          throw new LogUnavailableError(`no NATS server answers at ${hosts(options.servers)}: ${textOf(error)}`);
        await new Promise<void>((resolve) => timers.after(wait, resolve));
      }
    }
  }

  get state(): LinkState {
    return this.#state;
  }
  get isUp(): boolean {
    return this.#state.kind === 'up';
  }
  get awakeMs(): number {
    return this.#awakeMs;
  }
  /** It is up, and was heard just now: who gets no answer then was not heard himself. */
  get isHeard(): boolean {
    return this.isUp && this.silentMs < heardMs;
  }
  /** For how long, while this process was awake, the server was not heard. */
  get silentMs(): number {
    return this.#awakeMs - this.#heardAwakeMs;
  }
  /** Monotonic. */
  get lastHeardMs(): number {
    return this.#lastHeardMs;
  }
  /** What the server said last when something was wrong, as the end of a sentence. */
  get trouble(): string {
    return this.#trouble;
  }
  /** What one message may take, with its headers. */
  get payloadBytesMax(): number {
    return this.#nc.info?.max_payload ?? Number.POSITIVE_INFINITY;
  }
  get serverVersion(): string {
    return this.#nc.info?.version ?? '';
  }
  get server(): string {
    return hosts([this.#nc.getServer() || (this.options.servers[0] ?? '')]);
  }

  /** In the order in which they came: who listens first is told first. */
  listen(listener: LinkListener): void {
    this.#listeners.push(listener);
  }

  /** Only while the link is up. */
  publish(subject: string, body: Uint8Array, reply: string, header?: Buffer): void {
    if (header === undefined) this.#nc.publish(subject, body, { reply });
    else this.#nc.publish(subject, body, { reply, headers: new RawHeader(header) as unknown as MsgHdrs });
  }

  /** Survives breaks. `onMessage` is called in the turn in which the message is read; what it throws is a fault of ours. */
  subscribe(subject: string, onMessage: (message: Msg) => void): () => void {
    if (this.#state.kind === 'closed') return () => undefined;
    const subscribed: Subscribed = { subject, onMessage, standing: undefined };
    this.#subscribed.add(subscribed);
    if (this.isUp) this.#stand(subscribed);
    return () => {
      this.#subscribed.delete(subscribed);
      if (this.isUp) subscribed.standing?.unsubscribe();
    };
  }

  async close(): Promise<void> {
    if (this.#state.kind === 'closed') return;
    this.#state = { kind: 'closed' };
    this.#cancelTick();
    await this.#nc.close();
  }

  /** On the connection that stands. What is left to be read of an earlier one is nobody's: it is asked again. */
  #stand(subscribed: Subscribed): void {
    const nc = this.#nc;
    subscribed.standing = nc.subscribe(subscribed.subject, {
      callback: (error, message) => {
        if (nc !== this.#nc || !this.isUp) return;
        if (error !== null) {
          this.#trouble = textOf(error);
          return;
        }
        this.#heard();
        try {
          subscribed.onMessage(message);
        } catch (fault) {
          // The library would end the connection for it.
          queueMicrotask(() => {
            throw fault;
          });
        }
      },
    });
  }

  #follow(nc: NatsConnection): void {
    void nc.closed().then((error) => {
      if (nc !== this.#nc || !this.isUp) return;
      if (error !== undefined) this.#trouble = textOf(error);
      this.#down();
      void this.#redial();
    });
    void (async () => {
      for await (const status of nc.status()) if (status.type === 'error') this.#trouble = String(status.data);
    })();
  }

  #down(): void {
    if (this.#state.kind !== 'up') return;
    this.#state = { kind: 'connecting' };
    for (const listener of this.#listeners) listener.down?.();
  }

  /** Until there is a connection, or the link is closed. */
  async #redial(): Promise<void> {
    const { timers, random } = this.options;
    for (let attempt = 0; this.#state.kind === 'connecting'; attempt++) {
      await new Promise<void>((resolve) => timers.after(waitMs(attempt, random), resolve));
      if (this.#state.kind !== 'connecting') return;
      try {
        const nc = await dial(this.options);
        if (this.#state.kind === 'connecting') this.#up(nc);
        else await nc.close();
      } catch (error) {
        this.#trouble = textOf(error);
      }
    }
  }

  #up(nc: NatsConnection): void {
    this.#nc = nc;
    this.#trouble = '';
    this.#state = { kind: 'up' };
    this.#isBeating = false;
    for (const subscribed of this.#subscribed) this.#stand(subscribed);
    this.#follow(nc);
    this.#heard();
    for (const listener of this.#listeners) listener.up?.();
  }

  #heard(): void {
    this.#lastHeardMs = this.options.clock.monotonic();
    this.#heardAwakeMs = this.#awakeMs;
  }

  #tick(): void {
    const now = this.options.clock.monotonic();
    this.#awakeMs += Math.min(now - this.#lastTickMs, 2 * tickMs);
    this.#lastTickMs = now;
    if (this.#state.kind === 'up' && ++this.#ticks % beatTicks === 0) this.#beat();
    for (const listener of this.#listeners) listener.tick?.();
  }

  #beat(): void {
    const nc = this.#nc;
    if (this.#isBeating) {
      if (this.silentMs > silentMaxMs) {
        this.#down();
        this.#trouble = `it did not answer for ${Math.round(this.silentMs)} ms`;
        nc.close().catch(() => undefined);
        void this.#redial();
      }
      return;
    }
    this.#isBeating = true;
    nc.flush()
      .then(
        () => {
          if (nc === this.#nc) this.#heard();
        },
        () => undefined,
      )
      .finally(() => {
        if (nc === this.#nc) this.#isBeating = false;
      });
  }
}

/** Doubles with every failed attempt up to a cap, and spreads: a server that comes back is not stormed. */
function waitMs(attempts: number, random: Random): number {
  const most = Math.min(backOffMaxMs, backOffFirstMs * 2 ** Math.min(attempts, 10));
  return most * (0.5 + random.next() / 2);
}

/** The first of the servers that is there. */
async function dial(options: LinkOptions): Promise<NatsConnection> {
  const host = await knock(
    options.servers.map((server) => new URL(server).host),
    knockMaxMs,
    options.timers,
  );
  return await connect(connectionOptions(options, host));
}

/** All that the library asks of headers is to be encoded; building them through its own class costs more than the rest. */
class RawHeader {
  constructor(private readonly bytes: Buffer) {}
  encode(): Uint8Array {
    return this.bytes;
  }
}

function connectionOptions(options: LinkOptions, host: string): ConnectionOptions {
  const { username, password } = new URL(options.servers[0] ?? 'nats://');
  const login =
    username === ''
      ? {}
      : password === ''
        ? { token: decodeURIComponent(username) }
        : { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
  return {
    servers: [host],
    name: options.name,
    timeout: dialMaxMs,
    reconnect: false,
    ignoreClusterUpdates: true,
    noAsyncTraces: true,
    ...login,
    ...(options.servers.some((server) => server.startsWith('tls:')) ? { tls: {} } : {}),
  };
}

/** Without what nobody should read in a log. */
const hosts = (servers: readonly string[]): string =>
  servers.map((server) => (server.includes('://') ? new URL(server).host : server)).join(', ');

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The header of a message as text, '' if it has none. Decoding it through the library costs ten times as much. */
export function headerBlock(message: Msg): string {
  const { _msg: parsed, _rdata: bytes } = message as unknown as { _msg?: { hdr?: number }; _rdata?: Uint8Array };
  if (parsed?.hdr === undefined || bytes === undefined) return message.headers?.toString() ?? '';
  if (parsed.hdr <= 0) return '';
  return Buffer.from(bytes.buffer, bytes.byteOffset, parsed.hdr).toString('latin1');
}
