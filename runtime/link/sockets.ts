/**
 * The one door to connections between our own processes: Unix sockets on one machine, TCP between hosts. A port, so that
 * a simulation can lose, delay and cut them.
 */
import { rm } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import type { Duplex } from 'node:stream';

export interface Sockets {
  /** Emits `connect` later, or `error` and `close`. `addr`: a Unix socket's path, or host:port. */
  connect(addr: string): Duplex;
  /**
   * Resolves when it listens. A socket file that nobody listens on any more is replaced; rejects with EADDRINUSE when
   * somebody does.
   */
  listen(addr: string, accept: (socket: Duplex) => void): Promise<Listening>;
}

export interface Listening {
  /** The TCP port, when it listens on one. */
  readonly port: number | undefined;
  /** Accepts nobody any more; resolves when the last accepted connection is closed. */
  close(): Promise<void>;
}

/** A Unix socket's path, or host:port. */
export function listenAddress(addr: string): { path: string } | { host: string; port: number } {
  const hostAndPort = /^(\[[0-9a-fA-F:]+\]|[^/:]+):(\d{1,5})$/.exec(addr);
  if (hostAndPort === null) return { path: addr };
  return { host: (hostAndPort[1] as string).replace(/^\[|\]$/g, ''), port: Number(hostAndPort[2]) };
}

/** Whether somebody listens at that Unix socket. */
export const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });

function listenOnce(addr: string, accept: (socket: Duplex) => void): Promise<Listening> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    accept(socket);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(listenAddress(addr), () => {
      server.off('error', reject);
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : undefined,
        close: () => new Promise((closed) => server.close(() => closed())),
      });
    });
  });
}

export const systemSockets: Sockets = {
  connect(addr) {
    const socket = createConnection(listenAddress(addr));
    socket.setNoDelay(true);
    return socket;
  },
  async listen(addr, accept) {
    try {
      return await listenOnce(addr, accept);
    } catch (error) {
      const address = listenAddress(addr);
      if ((error as { code?: unknown }).code !== 'EADDRINUSE' || !('path' in address) || (await answers(address.path)))
        throw error;
      await rm(address.path, { force: true });
      return await listenOnce(addr, accept);
    }
  },
};
