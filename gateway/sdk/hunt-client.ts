/**
 * A connection to the gateway that heals itself, and the sessions on it.
 *
 * Owns: the socket of the moment, authentication, heartbeat, when to reconnect and when that is pointless.
 * Owns not: what a hunt's messages mean (HuntSession). Imports nothing of Node: the socket is injected, and is the
 * browser's own by default.
 */
import { Backoff } from './backoff.ts';
import { type Codec, jsonCodec } from './codec.ts';
import { Emitter } from './emitter.ts';
import { HuntError } from './hunt-error.ts';
import { HuntSession, type Line, type SessionOptions } from './hunt-session.ts';
import type { Bye, ClientMessage, Ready, ServerMessage } from './messages.ts';

/** What we need of a WebSocket: the browser's and that of `ws` both fit. */
export interface SocketLike {
  binaryType: string;
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

export interface ClientOptions {
  /** `ws://host:port/v1/socket`; several are tried in turn. */
  url: string | readonly string[];
  /** A function is asked before every connection, with `expired` = the last one was refused as such; undefined gives up. */
  token: string | ((expired: boolean) => string | undefined | Promise<string | undefined>);
  /** Absent: `new WebSocket(url, protocol)` of the environment. */
  connect?: (url: string, protocol: string) => SocketLike;
  codec?: Codec;
  /** Failed tries before the first `ready` after which the client closes for good; absent = it never gives up. */
  firstTriesMax?: number;
  random?: () => number;
}

export interface ClientEvents {
  ready: [ready: Ready];
  /** The line is down; the next try comes after `retryMs`. */
  waiting: [waiting: { retryMs: number; closeCode: number | undefined; reason: string }];
  closed: [error: HuntError];
}

type State =
  | { at: 'idle' }
  | { at: 'asking-token' }
  | { at: 'connecting' | 'authenticating' | 'ready'; socket: SocketLike }
  | { at: 'waiting'; timer: ReturnType<typeof setTimeout> }
  | { at: 'closed'; error: HuntError };

export const reconnectBaseMs = 500;
export const reconnectCapMs = 30_000;
/** `ready` must follow the start of a connection within this. */
export const connectTimeoutMs = 15_000;
const openState = 1;
/** Refused at the upgrade for a reason that another try does not change. `ws` tells; a browser does not. */
const upgradeRefused = /Unexpected server response: (4\d\d)/;
const upgradeCodes: Readonly<Record<string, string>> = {
  400: 'INVALID',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
};

/** Closes after which the same client would only be closed again. 4201 is one unless a fresh token can be had. */
export const isFinalClose = (code: number): boolean => (code >= 4200 && code < 4300) || code === 1007 || code === 1009;

export class HuntClient extends Emitter<ClientEvents> {
  #state: State = { at: 'idle' };
  #sessions = new Map<number, HuntSession>();
  #backoff: Backoff;
  #codec: Codec;
  #random: () => number;
  #tries = 0;
  #pings = 0;
  #lastHeard = 0;
  #beat: ReturnType<typeof setInterval> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #bye: Bye | undefined;
  #expired = false;
  #ready: Ready | undefined;
  #pingedAt = new Map<number, number>();
  #clockAhead = 0;

  constructor(readonly options: ClientOptions) {
    super();
    this.#codec = options.codec ?? jsonCodec;
    this.#random = options.random ?? Math.random;
    this.#backoff = new Backoff(reconnectBaseMs, reconnectCapMs, this.#random);
  }

  /** What the server said of this connection; undefined until the first `ready`. */
  get ready(): Ready | undefined {
    return this.#ready;
  }
  get state(): 'idle' | 'connecting' | 'ready' | 'waiting' | 'closed' {
    const at = this.#state.at;
    return at === 'asking-token' || at === 'authenticating' ? 'connecting' : at;
  }
  /** The server's clock, as well as its pongs told. */
  now(): number {
    return Date.now() + this.#clockAhead;
  }

  /** Starts connecting, if not begun already; resolves when ready, rejects when the client is closed for good before. */
  connect(): Promise<Ready> {
    if (this.#state.at === 'closed') return Promise.reject(this.#state.error);
    if (this.#state.at === 'ready' && this.#ready !== undefined) return Promise.resolve(this.#ready);
    return new Promise((resolve, reject) => {
      const stop = [
        this.on('ready', (ready) => settle(() => resolve(ready))),
        this.on('closed', (error) => settle(() => reject(error))),
      ];
      const settle = (then: () => void): void => {
        for (const off of stop) off();
        then();
      };
      if (this.#state.at === 'idle') void this.#open();
    });
  }

  /** The session of that hunt: subscribed as soon as the line is up, and again after every reconnect. */
  session(hunt: number, options: SessionOptions = {}): HuntSession {
    const held = this.#sessions.get(hunt);
    if (held !== undefined) return held;
    const session = new HuntSession(hunt, options, this.#random, () => this.#sessions.delete(hunt));
    if (this.#state.at === 'closed') {
      session.end(this.#state.error);
      return session;
    }
    this.#sessions.set(hunt, session);
    if (this.#state.at === 'ready') session.attach(this.#line);
    else if (this.#state.at === 'idle') void this.#open();
    return session;
  }

  /** Puts a fresh token in force on the live socket. Give `token` as a function to have it used on reconnects too. */
  renew(token: string): void {
    if (this.#state.at === 'ready') this.#send({ t: 'auth', token });
  }

  /** Drops the line as a tunnel would; the client reconnects by itself. For tests and demos. */
  drop(): void {
    if (this.#state.at === 'connecting' || this.#state.at === 'authenticating' || this.#state.at === 'ready')
      this.#lost(this.#state.socket, 1006, 'dropped');
  }

  close(): void {
    this.#end(new HuntError('CLOSED', 'the client was closed'));
  }

  readonly #line: Line = {
    send: (message) => this.#send(message),
    ping: () => this.#ping(),
  };

  async #open(): Promise<void> {
    this.#state = { at: 'asking-token' };
    const { token } = this.options;
    let bearer: string | undefined;
    try {
      bearer = typeof token === 'string' ? token : await token(this.#expired);
    } catch (error) {
      if (!this.#isClosed()) this.#retry(undefined, `no token: ${messageOf(error)}`);
      return;
    }
    if (this.#isClosed()) return;
    if (bearer === undefined) {
      this.#end(new HuntError('UNAUTHENTICATED', 'the token has expired and there is no new one', { closeCode: 4201 }));
      return;
    }
    const urls = [this.options.url].flat();
    let socket: SocketLike;
    try {
      const url = urls[this.#tries++ % urls.length] as string;
      socket = (this.options.connect ?? environmentSocket)(url, this.#codec.protocol);
    } catch (error) {
      this.#end(new HuntError('INVALID', `cannot open a socket: ${messageOf(error)}`));
      return;
    }
    socket.binaryType = 'arraybuffer';
    this.#state = { at: 'connecting', socket };
    this.#deadline = setTimeout(
      () => this.#lost(socket, 1006, `not ready within ${connectTimeoutMs} ms`),
      connectTimeoutMs,
    );
    let failure = '';
    socket.onopen = () => {
      this.#state = { at: 'authenticating', socket };
      this.#sendTo(socket, { t: 'auth', token: bearer });
    };
    socket.onmessage = (event) => this.#receive(socket, event.data);
    socket.onerror = (event) => {
      failure = (event as { message?: string }).message ?? '';
    };
    socket.onclose = (event) => this.#lost(socket, event.code, event.reason || failure);
  }

  #receive(socket: SocketLike, data: unknown): void {
    this.#lastHeard = Date.now();
    let message: ServerMessage;
    try {
      message = this.#codec.decode(
        data instanceof ArrayBuffer ? new Uint8Array(data) : (data as string | Uint8Array),
      ) as ServerMessage;
      if (typeof message?.t !== 'string') throw new TypeError('a message without t');
    } catch (error) {
      // Half-understood frames would break I6 unseen: a fresh line resumes from the cursor.
      this.#lost(socket, 1006, `unreadable frame: ${messageOf(error)}`);
      return;
    }
    switch (message.t) {
      case 'ready':
        this.#onReady(socket, message);
        break;
      case 'pong':
        this.#onPong(message.now, message.id);
        break;
      case 'bye':
        this.#bye = message;
        break;
      case 'err':
        if (message.hunt !== undefined) this.#sessions.get(message.hunt)?.receive(message);
        break;
      default:
        this.#sessions.get((message as { hunt: number }).hunt)?.receive(message);
    }
  }

  #onReady(socket: SocketLike, ready: Ready): void {
    this.#ready = ready;
    if (this.#state.at === 'ready') return; // The answer to a renewal.
    clearTimeout(this.#deadline);
    this.#state = { at: 'ready', socket };
    this.#expired = false;
    this.#backoff.reset();
    this.#clockAhead = ready.now - Date.now();
    const beatMs = Math.max(1, ready.heartbeat_s) * 450;
    this.#beat = setInterval(() => this.#tick(socket, beatMs), beatMs);
    for (const session of [...this.#sessions.values()]) session.attach(this.#line);
    this.emit('ready', ready);
  }

  #tick(socket: SocketLike, beatMs: number): void {
    // Two pings in a row without a word from the other side: the line is dead, whatever TCP believes.
    if (Date.now() - this.#lastHeard > beatMs * 2.5) {
      this.#lost(socket, 1006, 'no answer to pings');
      return;
    }
    this.#ping();
    for (const session of this.#sessions.values()) session.tick();
  }
  #ping(): number {
    const id = ++this.#pings;
    this.#pingedAt.set(id, Date.now());
    this.#send({ t: 'ping', id });
    return id;
  }
  #onPong(serverNow: number, id: number | undefined): void {
    const sent = id === undefined ? undefined : this.#pingedAt.get(id);
    if (id === undefined || sent === undefined) return;
    this.#pingedAt.delete(id);
    const received = Date.now();
    this.#clockAhead = serverNow - (sent + received) / 2;
    for (const session of this.#sessions.values()) session.pong(id);
  }

  #send(message: ClientMessage): boolean {
    return this.#state.at === 'ready' && this.#sendTo(this.#state.socket, message);
  }
  #sendTo(socket: SocketLike, message: ClientMessage): boolean {
    if (socket.readyState !== openState) return false;
    socket.send(this.#codec.encode(message) as string | Uint8Array<ArrayBuffer>);
    return true;
  }

  /** The end of one socket, however it came; called at most once a socket, since its handlers are taken off. */
  #lost(socket: SocketLike, closeCode: number, reason: string): void {
    clearTimeout(this.#deadline);
    clearInterval(this.#beat);
    this.#pingedAt.clear();
    // `ws` reports an error of a socket closed while connecting; nobody must be surprised by it.
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => undefined;
    if (socket.readyState <= openState) socket.close();
    if (this.#isClosed()) return;
    for (const session of this.#sessions.values()) session.detach();
    const bye = this.#bye;
    this.#bye = undefined;
    const final = finalError(closeCode, reason || bye?.reason || '');
    if (final !== undefined && closeCode === 4201 && typeof this.options.token === 'function') this.#expired = true;
    else if (final !== undefined) {
      this.#end(final);
      return;
    }
    this.#retry(closeCode, reason || bye?.reason || '', closeCode === 4201 ? 0 : bye?.retry_ms);
  }

  #retry(closeCode: number | undefined, reason: string, retryMs?: number): void {
    const max = this.options.firstTriesMax;
    const jittered = this.#backoff.next();
    if (max !== undefined && this.#ready === undefined && this.#backoff.tries >= max) {
      const where = [this.options.url].flat().join(', ');
      this.#end(
        new HuntError('UNREACHABLE', `no connection to ${where} in ${max} tries${reason ? `: ${reason}` : ''}`),
      );
      return;
    }
    const wait = retryMs ?? jittered;
    this.#state = { at: 'waiting', timer: setTimeout(() => void this.#open(), wait) };
    this.emit('waiting', { retryMs: wait, closeCode, reason });
  }

  #isClosed(): boolean {
    return this.#state.at === 'closed';
  }
  #end(error: HuntError): void {
    const state = this.#state;
    if (state.at === 'closed') return;
    this.#state = { at: 'closed', error };
    clearTimeout(this.#deadline);
    clearInterval(this.#beat);
    if (state.at === 'waiting') clearTimeout(state.timer);
    if (state.at === 'connecting' || state.at === 'authenticating' || state.at === 'ready') {
      state.socket.onopen = state.socket.onmessage = state.socket.onclose = null;
      state.socket.onerror = () => undefined;
      state.socket.close(state.at === 'connecting' ? undefined : 1000);
    }
    for (const session of [...this.#sessions.values()]) session.end(error);
    this.emit('closed', error);
  }
}

/** Why the client must not come back, if it must not. */
function finalError(closeCode: number, reason: string): HuntError | undefined {
  const status = upgradeRefused.exec(reason)?.[1];
  if (status !== undefined && status !== '408' && status !== '429') {
    return new HuntError(upgradeCodes[status] ?? 'INVALID', `the server refused the connection (HTTP ${status})`, {
      status: Number(status),
    });
  }
  if (!isFinalClose(closeCode)) return undefined;
  const code =
    closeCode === 4200 || closeCode === 4201 ? 'UNAUTHENTICATED' : closeCode === 4203 ? 'FORBIDDEN' : 'CLOSED';
  return new HuntError(code, `closed by the server (${closeCode})${reason ? `: ${reason}` : ''}`, { closeCode });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function environmentSocket(url: string, protocol: string): SocketLike {
  const Socket = (globalThis as { WebSocket?: new (url: string, protocol: string) => SocketLike }).WebSocket;
  if (Socket === undefined) throw new Error('this environment has no WebSocket: pass `connect`');
  return new Socket(url, protocol);
}
