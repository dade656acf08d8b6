/**
 * The one connection of a client to the log process. Owns the socket, its back-off and the judgement whether the log is
 * there; knows nothing of what is asked. A link counts as up when the log has said `welcome`, because a stopped process
 * still lets others connect; one that stays silent while something is asked of it is given up.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import type { Cancel, Timers } from '../../kernel/timer.ts';
import { FrameReader } from '../../link/frame.ts';
import type { Sockets } from '../../link/sockets.ts';
import { BodyReader, BodyWriter, logFrame, protocolNumber } from './wire.ts';

const backOffFirstMs = 10;
const backOffMaxMs = 100;
const pingMs = 500;
/** Nothing heard for this long although asked: the link is given up. */
const silentMaxMs = 2_500;

export type LinkState =
  | { readonly kind: 'connecting'; readonly sinceMs: number }
  | { readonly kind: 'up' }
  | { readonly kind: 'closed' };

export interface LinkEvents {
  /** The log answers; what was unanswered may be asked again. */
  up(bodyBytesMax: number): void;
  down(): void;
  frame(type: number, payload: Buffer): void;
}

export class ClientLink {
  #state: LinkState;
  #socket: Duplex | undefined;
  #attempt = 0;
  #lastHeardMs: number;
  #lastTickMs: number;
  #asked = false;
  readonly #cancelTick: Cancel;
  #cancelRetry: Cancel | undefined;

  constructor(
    private readonly socketPath: string,
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly random: Random,
    private readonly events: LinkEvents,
    private readonly sockets: Sockets,
  ) {
    this.#lastHeardMs = Number.NEGATIVE_INFINITY;
    this.#lastTickMs = clock.monotonic();
    this.#state = { kind: 'connecting', sinceMs: clock.monotonic() };
    this.#cancelTick = timers.every(pingMs, () => this.#tick());
    this.#connect();
  }

  get state(): LinkState {
    return this.#state;
  }

  get lastHeardMs(): number {
    return this.#lastHeardMs;
  }

  /** How long the log has been away; 0 while it is there. */
  awayMs(): number {
    return this.#state.kind === 'connecting' ? this.clock.monotonic() - this.#state.sinceMs : 0;
  }

  send(bytes: Buffer): void {
    if (this.#state.kind === 'up') this.#socket?.write(bytes);
  }

  #connect(): void {
    this.#cancelRetry = undefined;
    const socket = this.sockets.connect(this.socketPath);
    const frames = new FrameReader();
    this.#socket = socket;
    this.#asked = true;
    const began = this.clock.monotonic();
    if (this.#lastHeardMs < began) this.#connectedAtMs = began;
    socket.on('data', (chunk: Buffer) => {
      this.#lastHeardMs = this.clock.monotonic();
      this.#asked = false;
      try {
        frames.push(chunk, (type, payload) => this.#frame(socket, type, payload));
      } catch {
        // Bytes that are no frames: damage on the way; a new link starts clean.
        socket.destroy();
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.#down(socket));
  }
  #connectedAtMs = 0;

  #frame(socket: Duplex, type: number, payload: Buffer): void {
    if (socket !== this.#socket || this.#state.kind === 'closed') return;
    if (type === logFrame.welcome) {
      const body = new BodyReader(payload);
      const protocol = body.u32();
      if (protocol !== protocolNumber)
        throw new Error(`the log process speaks protocol ${protocol}, this client ${protocolNumber}`);
      this.#attempt = 0;
      this.#state = { kind: 'up' };
      this.events.up(body.u32());
    } else if (type !== logFrame.pong) this.events.frame(type, payload);
  }

  #down(socket: Duplex): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    if (this.#state.kind === 'closed') return;
    const was = this.#state.kind;
    if (was === 'up') {
      this.#state = { kind: 'connecting', sinceMs: this.clock.monotonic() };
      this.events.down();
    }
    const most = Math.min(backOffMaxMs, backOffFirstMs * 2 ** Math.min(this.#attempt++, 10));
    this.#cancelRetry = this.timers.after(most * (0.5 + this.random.next() / 2), () => this.#connect());
  }

  /** Something is asked: from now on silence counts. */
  asking(): void {
    this.#asked = true;
  }

  #tick(): void {
    const now = this.clock.monotonic();
    const late = now - this.#lastTickMs > 2 * pingMs;
    this.#lastTickMs = now;
    // After having been stopped itself, this process first reads what lies in its socket.
    if (late || this.#socket === undefined) return;
    const heard = Math.max(this.#lastHeardMs, this.#connectedAtMs);
    if (this.#asked && now - heard > silentMaxMs) this.#socket.destroy();
    else if (this.#state.kind === 'up' && now - heard >= pingMs) {
      this.#asked = true;
      this.#socket.write(new BodyWriter().frame(logFrame.ping));
    }
  }

  close(): void {
    this.#state = { kind: 'closed' };
    this.#cancelTick();
    this.#cancelRetry?.();
    this.#socket?.destroy();
  }
}
