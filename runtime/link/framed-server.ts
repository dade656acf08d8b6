import { rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Cancel, Timers } from '../kernel/timer.ts';
import { FrameReader } from './frame.ts';

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
    private readonly socket: Socket,
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

/** A Unix socket's path, or host:port. */
export function listenAddress(addr: string): { path: string } | { host: string; port: number } {
  const hostAndPort = /^(\[[0-9a-fA-F:]+\]|[^/:]+):(\d{1,5})$/.exec(addr);
  if (hostAndPort === null) return { path: addr };
  return { host: (hostAndPort[1] as string).replace(/^\[|\]$/g, ''), port: Number(hostAndPort[2]) };
}

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });

/** Accepts links that speak frames (frame.ts) on a Unix socket or a TCP port. */
export class FramedServer {
  readonly #links = new Set<FramedLink>();

  private constructor(private readonly server: Server) {}

  /** Resolves when it listens. A socket file that nobody listens on any more is replaced. */
  static async listen(addr: string, timers: Timers, accept: (link: FramedLink) => LinkHandler): Promise<FramedServer> {
    try {
      return await FramedServer.#listen(addr, timers, accept);
    } catch (error) {
      const address = listenAddress(addr);
      if (
        (error as NodeJS.ErrnoException).code !== 'EADDRINUSE' ||
        !('path' in address) ||
        (await answers(address.path))
      )
        throw error;
      await rm(address.path, { force: true });
      return FramedServer.#listen(addr, timers, accept);
    }
  }

  static async #listen(addr: string, timers: Timers, accept: (link: FramedLink) => LinkHandler): Promise<FramedServer> {
    const server = createServer();
    const framed = new FramedServer(server);
    server.on('connection', (socket) => framed.#accept(socket, timers, accept));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(listenAddress(addr), () => {
        server.off('error', reject);
        resolve();
      });
    });
    return framed;
  }

  /** The TCP port, when it listens on one. */
  get port(): number | undefined {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : undefined;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const link of this.#links) link.end();
    await closed;
  }

  #accept(socket: Socket, timers: Timers, accept: (link: FramedLink) => LinkHandler): void {
    socket.setNoDelay(true);
    const link = new FramedLink(socket, timers);
    this.#links.add(link);
    const handler = accept(link);
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
