import type { Duplex } from 'node:stream';
import type { Cancel, Timers } from '../kernel/timer.ts';
import { FrameReader } from './frame.ts';
import { type Listening, type Sockets, systemSockets } from './sockets.ts';

/** What a server makes of one link. Throwing from `frame` ends the link. */
export interface LinkHandler {
  /** The payload is valid during the call only. */
  frame(type: number, payload: Buffer): void;
  closed(): void;
}

/** Bytes that may wait for a peer to read them, and for how long they may not move; beyond, the link is closed. */
export const linkOutBytesMax = 16 * 1024 * 1024;
export const linkStallMs = 10_000;

/** One accepted connection. Owns the socket; a peer that does not read is cut off (I5), and learns by that. */
export class FramedLink {
  #stall: Cancel | undefined;
  #isOver = false;

  constructor(
    private readonly socket: Duplex,
    private readonly timers: Timers,
  ) {}

  get isOver(): boolean {
    return this.#isOver;
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver) return;
    if (this.socket.write(bytes)) return;
    if (this.socket.writableLength > linkOutBytesMax) {
      this.end();
      return;
    }
    this.#stall ??= this.timers.after(linkStallMs, () => this.end());
  }

  drained(): void {
    this.#stall?.();
    this.#stall = undefined;
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.drained();
    this.socket.destroy();
  }
}

/** Accepts links that speak frames (frame.ts) on a Unix socket or a TCP port. */
export class FramedServer {
  readonly #links = new Set<FramedLink>();
  #listening: Listening | undefined;

  private constructor(
    private readonly timers: Timers,
    private readonly accept: (link: FramedLink) => LinkHandler,
  ) {}

  /** Resolves when it listens. A socket file that nobody listens on any more is replaced. */
  static async listen(
    addr: string,
    timers: Timers,
    accept: (link: FramedLink) => LinkHandler,
    sockets: Sockets = systemSockets,
  ): Promise<FramedServer> {
    const framed = new FramedServer(timers, accept);
    framed.#listening = await sockets.listen(addr, (socket) => framed.#accept(socket));
    return framed;
  }

  /** The TCP port, when it listens on one. */
  get port(): number | undefined {
    return this.#listening?.port;
  }

  async close(): Promise<void> {
    const closed = this.#listening?.close();
    for (const link of this.#links) link.end();
    await closed;
  }

  #accept(socket: Duplex): void {
    const link = new FramedLink(socket, this.timers);
    this.#links.add(link);
    const handler = this.accept(link);
    const reader = new FrameReader();
    const onFrame = (type: number, payload: Buffer): void => {
      if (!link.isOver) handler.frame(type, payload);
    };
    socket.on('data', (chunk) => {
      try {
        reader.push(chunk as Buffer, onFrame);
      } catch {
        // Damage: nothing behind it can be trusted. The peer connects again and asks again.
        link.end();
      }
    });
    socket.on('drain', () => link.drained());
    socket.on('error', () => link.end());
    socket.on('close', () => {
      link.end();
      this.#links.delete(link);
      handler.closed();
    });
  }
}
