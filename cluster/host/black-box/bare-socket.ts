/**
 * One WebSocket connection as a stranger would write it from the contract (section 5), sharing nothing with the SDK.
 * Owns its inbox and the judgement of every frame's form; has no policy: it neither reconnects nor resends.
 */
import WebSocket from 'ws';
import { systemTimers } from '../../../runtime/kernel/timer.ts';
import { within } from './deadline.ts';
import { decodeMsgpack, encodeMsgpack, type WideAs } from './msgpack.ts';
import type { Ack, Action, ClientMessage, MessageOf, Nack, Ready, ServerMessage } from './wire.ts';

export type CodecName = 'json' | 'msgpack';

export interface SocketOptions {
  readonly codec?: CodecName;
  readonly token?: string;
  /** Send the token in the Authorization header instead of an `auth` message. */
  readonly header?: boolean;
  readonly origin?: string;
  /** Overrides what is offered in Sec-WebSocket-Protocol. */
  readonly protocols?: readonly string[];
  readonly wideAs?: WideAs;
  readonly onMessage?: (message: ServerMessage) => void;
  readonly onBytes?: (bytes: Buffer) => void;
  readonly onClose?: (closed: Closed) => void;
  /** Keep messages in the inbox (default). Load that reads through `onMessage` turns it off. */
  readonly keep?: boolean;
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** A refused upgrade: its HTTP status, headers and body. */
export class UpgradeRefused extends Error {
  override readonly name = 'UpgradeRefused';
  constructor(
    readonly status: number,
    readonly headers: NodeJS.Dict<string | string[]>,
    readonly body: string,
  ) {
    super(`the upgrade was refused with ${status}`);
  }
}

interface Waiter {
  readonly wants: (message: ServerMessage) => boolean;
  readonly got: (message: ServerMessage) => void;
  readonly lost: (error: Error) => void;
}

const openWithinMs = 10_000;
const replyWithinMs = 10_000;

export class BareSocket {
  readonly inbox: ServerMessage[] = [];
  /** Frames that break the contract's form. Every test looks at it before it ends. */
  readonly faults: string[] = [];
  readonly ws: WebSocket;
  ready: Ready | undefined;
  closed: Closed | undefined;
  bytesReceived = 0;
  readonly #waiters = new Set<Waiter>();
  readonly #closeWaiters: ((closed: Closed) => void)[] = [];
  readonly #binary: boolean;
  #stopBeat: (() => void) | undefined;

  private constructor(
    url: string,
    private readonly options: SocketOptions,
  ) {
    this.#binary = options.codec === 'msgpack';
    const protocols = options.protocols ?? [this.#binary ? 'hunt.v1.msgpack' : 'hunt.v1.json'];
    const headers =
      options.header === true && options.token !== undefined ? { authorization: `Bearer ${options.token}` } : {};
    this.ws = new WebSocket(url, [...protocols], {
      headers,
      ...(options.origin === undefined ? {} : { origin: options.origin }),
      perMessageDeflate: false,
      handshakeTimeout: openWithinMs,
      maxPayload: 64 * 1024 * 1024,
    });
    this.ws.on('message', (data, binary) =>
      this.#receive(Buffer.isBuffer(data) ? data : Buffer.concat(([] as Buffer[]).concat(data as Buffer[])), binary),
    );
    this.ws.on('close', (code, reason) => this.#end({ code, reason: reason.toString() }));
  }

  /** Connects; with a token, authenticates and waits for `ready`. */
  static async open(url: string, options: SocketOptions = {}): Promise<BareSocket> {
    const socket = new BareSocket(url, options);
    await socket.#opened();
    if (options.token !== undefined) {
      if (options.header !== true) socket.send({ t: 'auth', token: options.token });
      await socket.take('ready');
    }
    return socket;
  }

  #opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.ws.once('open', () => resolve());
      this.ws.on('error', (error) => reject(error));
      this.ws.once('unexpected-response', (_request, response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          reject(new UpgradeRefused(response.statusCode ?? 0, response.headers, Buffer.concat(parts).toString('utf8')));
          this.ws.terminate();
        });
      });
    });
  }

  #receive(bytes: Buffer, binary: boolean): void {
    this.bytesReceived += bytes.length;
    this.options.onBytes?.(bytes);
    if (binary !== this.#binary) this.faults.push(`a ${binary ? 'binary' : 'text'} frame on ${this.ws.protocol}`);
    let message: ServerMessage;
    try {
      message = (this.#binary ? decodeMsgpack(bytes) : JSON.parse(bytes.toString('utf8'))) as ServerMessage;
    } catch (error) {
      this.faults.push(`a frame that cannot be read: ${(error as Error).message}`);
      return;
    }
    if (message === null || typeof message !== 'object' || typeof message.t !== 'string') {
      this.faults.push(`a message without t: ${JSON.stringify(message).slice(0, 100)}`);
      return;
    }
    if (message.t === 'ready') {
      this.ready = message;
      this.#stopBeat ??= systemTimers.every(message.heartbeat_s * 450, () => this.send({ t: 'ping' }));
    }
    if (this.options.keep !== false) this.inbox.push(message);
    this.options.onMessage?.(message);
    for (const waiter of this.#waiters) if (waiter.wants(message)) waiter.got(message);
  }

  #end(closed: Closed): void {
    this.closed = closed;
    this.#stopBeat?.();
    for (const waiter of this.#waiters)
      waiter.lost(new Error(`the socket was closed with ${closed.code} ${closed.reason}`));
    for (const tell of this.#closeWaiters) tell(closed);
    this.options.onClose?.(closed);
  }

  get isOpen(): boolean {
    return this.ws.readyState === WebSocket.OPEN;
  }

  send(message: ClientMessage): void {
    this.sendRaw(this.#binary ? encodeMsgpack(message, this.options.wideAs) : JSON.stringify(message));
  }

  sendRaw(data: string | Buffer): void {
    if (this.isOpen) this.ws.send(data);
  }

  /** The first message of that kind that satisfies `where`, in the inbox from `since` on or still to come. */
  take<T extends ServerMessage['t']>(
    kind: T | readonly T[],
    where: (message: MessageOf<T>) => boolean = () => true,
    { since = 0, ms = replyWithinMs }: { readonly since?: number; readonly ms?: number } = {},
  ): Promise<MessageOf<T>> {
    const kinds = new Set<string>(typeof kind === 'string' ? [kind] : kind);
    const wants = (message: ServerMessage): boolean => kinds.has(message.t) && where(message as MessageOf<T>);
    const have = this.inbox.slice(since).find(wants);
    if (have !== undefined) return Promise.resolve(have as MessageOf<T>);
    const what = `a message "${[...kinds].join('" or "')}"`;
    if (this.closed !== undefined)
      return Promise.reject(
        new Error(`closed with ${this.closed.code} ${this.closed.reason} while waiting for ${what}`),
      );
    let waiter: Waiter | undefined;
    const promise = new Promise<ServerMessage>((got, lost) => {
      waiter = { wants, got, lost };
      this.#waiters.add(waiter);
    });
    return within(what, ms, promise).finally(() => this.#waiters.delete(waiter as Waiter)) as Promise<MessageOf<T>>;
  }

  /** Sends an action and waits for its ack or nack; only a reply that comes after the sending counts. */
  act(hunt: number, seq: number, action: Action, ms = replyWithinMs): Promise<Ack | Nack> {
    const since = this.inbox.length;
    this.send({ t: 'act', hunt, seq, action });
    return this.take(['ack', 'nack'], (reply) => reply.seq === seq && reply.hunt === hunt, { since, ms });
  }

  /** Waits until everything sent so far was handled: a socket's messages are handled in order. */
  async settle(id = `settle-${this.inbox.length}-${this.bytesReceived}`): Promise<void> {
    const since = this.inbox.length;
    this.send({ t: 'ping', id });
    await this.take('pong', (pong) => pong.id === id, { since });
  }

  whenClosed(ms = 10_000): Promise<Closed> {
    if (this.closed !== undefined) return Promise.resolve(this.closed);
    return within('the socket to be closed', ms, new Promise<Closed>((tell) => this.#closeWaiters.push(tell)));
  }

  close(): void {
    if (this.ws.readyState === WebSocket.OPEN) this.ws.close(1000);
    else this.ws.terminate();
  }

  /** Cuts the line as a tunnel does: without a close frame. */
  cut(): void {
    this.ws.terminate();
  }
}
