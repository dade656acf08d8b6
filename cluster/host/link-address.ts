import { connect, type Socket } from 'node:net';

/** A Unix socket's path, or host:port. */
export function connectTo(addr: string): Socket {
  const match = /^(\[[^\]]+\]|[^/:]+):(\d{1,5})$/.exec(addr);
  const socket =
    match === null
      ? connect(addr)
      : connect({ host: (match[1] as string).replace(/^\[|\]$/g, ''), port: Number(match[2]) });
  socket.setNoDelay(true);
  return socket;
}
