import { WebSocket } from 'ws';
import type { SocketLike } from '../../gateway/sdk/hunt-client.ts';

const handshakeTimeoutMs = 10_000;
/** The largest frame that a server may send is far below. */
const frameBytesMax = 16 * 1024 * 1024;

/** The SDK's socket in Node. Compression would cost more than it saves on frames this small. */
export const nodeSocket = (url: string, protocol: string): SocketLike =>
  new WebSocket(url, protocol, {
    perMessageDeflate: false,
    handshakeTimeout: handshakeTimeoutMs,
    maxPayload: frameBytesMax,
  }) as unknown as SocketLike;
