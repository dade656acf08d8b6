/**
 * Who may have a socket, and when. Owns the address buckets and the list of those who wait for their handshake: two a
 * turn of the loop, at most eight at once, so that a crowd that comes back does not disturb those who stayed. Refusing
 * costs too: 503 is said only when the list is full or the address too eager.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Random } from '../../runtime/kernel/random.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import { Buckets } from './bucket.ts';
import { type Codec, codecOf } from './frame.ts';
import type { LiveConfig } from './live-config.ts';

export const handshakesMax = 8;
export const handshakesPerTurn = 2;
export const waitingMax = 4_096;
/** A client that is slow to say who it is keeps its place among the eight no longer than this. */
export const handshakeLeaseMs = 250;

export interface Refusal {
  readonly status: 400 | 401 | 403 | 503;
  readonly code: 'INVALID' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'BUSY' | 'RATE_LIMITED';
  readonly detail: string;
  readonly retryAfterS?: number;
}

export interface Waiting {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly codec: Codec;
}

export class Admission {
  readonly #addresses: Buckets;
  #waiting: Waiting[] = [];
  #inHandshake = 0;
  #scheduled = false;

  constructor(
    private readonly config: LiveConfig,
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly random: Random,
    private readonly handOver: (waiting: Waiting, done: () => void) => void,
    /** Fewer are in here: another connection may come in. */
    private readonly roomMade: () => void = () => {},
  ) {
    this.#addresses = new Buckets(config.addressRate);
  }

  /** Takes the upgrade into the list, or says why not. `sockets` = how many there are. */
  enter(req: IncomingMessage, socket: Duplex, head: Buffer, sockets: number): Refusal | undefined {
    const offered = String(req.headers['sec-websocket-protocol'] ?? '').split(',');
    const codec = codecOf(offered.map((protocol) => protocol.trim()));
    if (codec === undefined)
      return {
        status: 400,
        code: 'INVALID',
        detail: 'Sec-WebSocket-Protocol offers neither hunt.v1.json nor hunt.v1.msgpack: offer one.',
      };
    if (!originAllowed(req, this.config.origins))
      return {
        status: 403,
        code: 'FORBIDDEN',
        detail: 'Pages of this origin may not open sockets here: list it in HUNT_ORIGINS.',
      };
    if (sockets + this.#waiting.length + this.#inHandshake >= this.config.socketsMax)
      return this.#later('BUSY', 'This gateway has as many sockets as it may: try another, or later.');
    const address = (req.socket as { remoteAddress?: string } | undefined)?.remoteAddress ?? '';
    if (this.#addresses.take(address, this.clock.monotonic()) > 0)
      return this.#later('RATE_LIMITED', 'Too many connections from this address: come more slowly.');
    if (this.#waiting.length >= waitingMax)
      return this.#later('BUSY', 'Too many wait for a handshake: come back in a moment.');
    this.#waiting.push({ req, socket, head, codec });
    this.#schedule();
    return undefined;
  }

  /** Whether whoever is let in now would not only wait here. */
  get hasRoom(): boolean {
    return this.#waiting.length + this.#inHandshake < handshakesMax;
  }

  /** Forgets those that wait; answers them. */
  clear(): Waiting[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }

  #later(code: 'BUSY' | 'RATE_LIMITED', detail: string): Refusal {
    return { status: 503, code, detail, retryAfterS: 1 + Math.floor(this.random.next() * 5) };
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0 || this.#inHandshake >= handshakesMax) return;
    this.#scheduled = true;
    this.timers.soon(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    for (let i = 0; i < handshakesPerTurn && this.#inHandshake < handshakesMax; ) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      if (next.socket.destroyed) continue;
      i++;
      this.#begin(next);
    }
    this.#schedule();
    this.roomMade();
  };

  #begin(waiting: Waiting): void {
    this.#inHandshake++;
    let over = false;
    const done = (): void => {
      if (over) return;
      over = true;
      cancel();
      this.#inHandshake--;
      this.#schedule();
      this.roomMade();
    };
    const cancel = this.timers.after(handshakeLeaseMs, done);
    this.handOver(waiting, done);
  }
}

/** No Origin (not a browser), the gateway's own, or a listed one. */
export function originAllowed(req: IncomingMessage, origins: readonly string[]): boolean {
  const origin = req.headers.origin;
  if (origin === undefined) return true;
  let url: URL;
  try {
    url = new URL(origin);
  } catch {
    return false;
  }
  if (req.headers.host !== undefined && url.host === req.headers.host.toLowerCase() && /^https?:$/.test(url.protocol))
    return true;
  return origins.some(
    (listed) => listed === '*' || listed.replace(/\/$/, '').toLowerCase() === url.origin.toLowerCase(),
  );
}

const reasons = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 503: 'Service Unavailable' } as const;

/** Answers the upgrade in plain HTTP and ends the connection. */
export function refuse(socket: Duplex, refusal: Refusal): void {
  if (socket.destroyed) return;
  const { status, code, detail, retryAfterS } = refusal;
  const retryable = status === 503;
  const body = JSON.stringify({
    type: `urn:hunt:error:${code}`,
    title: reasons[status],
    status,
    detail,
    code,
    retryable,
    ...(retryAfterS === undefined ? {} : { retry_ms: retryAfterS * 1000 }),
  });
  const head = [
    `HTTP/1.1 ${status} ${reasons[status]}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(retryAfterS === undefined ? [] : [`Retry-After: ${retryAfterS}`]),
    ...(status === 401 ? ['WWW-Authenticate: Bearer'] : []),
  ];
  socket.on('error', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
