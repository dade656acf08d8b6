/**
 * What a gateway does with requests to change the protocol: sockets at their path go to the {@link LiveGateway}; anything
 * else is answered as if it had not asked. Some HTTP clients offer h2c with every request of theirs, and node hands
 * all of these over unread.
 */
import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { refuse } from './admission.ts';

export const socketPath = '/v1/socket';

export function routeUpgrades(
  server: Server,
  live: { handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void },
): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const asksForSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
    if (asksForSocket && (request.url ?? '').split('?', 1)[0] === socketPath) live.handleUpgrade(request, socket, head);
    else if (request.method === 'GET' || request.method === 'HEAD') serveWithout(server, request, socket);
    // Node has not read the body, and will not.
    else
      refuse(socket, {
        status: 400,
        code: 'INVALID',
        detail: 'Only GET /v1/socket changes the protocol: send this without the Upgrade header, over HTTP/1.1.',
      });
  });
}

function serveWithout(server: Server, request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  // A server's socket is a net or TLS socket; only the type of the event is wider.
  response.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0]);
  response.on('finish', () => socket.end());
  server.emit('request', request, response);
}
