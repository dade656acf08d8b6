/** A TCP line to an HTTP port, below every client library: for half requests, frames that `ws` would not send, and readers that never read. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { within } from './deadline.ts';

export class RawLine {
  received = Buffer.alloc(0);
  closed = false;
  readonly #closing: Promise<void>;
  readonly #waiting = new Set<() => void>();

  private constructor(readonly socket: Socket) {
    socket.on('data', (part: Buffer) => {
      this.received = Buffer.concat([this.received, part]);
      for (const wake of this.#waiting) wake();
    });
    socket.on('error', () => undefined); // A reset is one of the ways to be closed.
    this.#closing = new Promise((tell) =>
      socket.on('close', () => {
        this.closed = true;
        for (const wake of this.#waiting) wake();
        tell();
      }),
    );
  }

  static async open(base: string): Promise<RawLine> {
    const { hostname, port } = new URL(base);
    const socket = connect({ host: hostname, port: Number(port) });
    await within(
      'a TCP connection',
      5_000,
      new Promise<void>((ok, no) => socket.once('connect', ok).once('error', no)),
    );
    return new RawLine(socket);
  }

  /** A line that has been upgraded to a WebSocket; from here on frames are written by hand. */
  static async upgraded(base: string, protocol: string, token: string): Promise<RawLine> {
    const line = await RawLine.open(base);
    line.write(upgradeRequest(protocol, token));
    await line.until('the upgrade', (text) => text.includes('\r\n\r\n'));
    if (!line.received.toString('latin1').startsWith('HTTP/1.1 101'))
      throw new Error(`no upgrade: ${line.received.toString('latin1').slice(0, 200)}`);
    return line;
  }

  write(data: string | Buffer): void {
    if (!this.socket.destroyed) this.socket.write(data);
  }

  async until(what: string, where: (text: string) => boolean, ms = 10_000): Promise<void> {
    const seen = (): boolean => this.closed || where(this.received.toString('latin1'));
    if (seen()) return;
    await within(
      what,
      ms,
      new Promise<void>((done) => {
        const wake = (): void => {
          if (!seen()) return;
          this.#waiting.delete(wake);
          done();
        };
        this.#waiting.add(wake);
      }),
    );
  }

  whenClosed(ms = 10_000): Promise<void> {
    return within('the line to be closed', ms, this.#closing);
  }

  /** The code of the close frame that ended what was received, if there is one. */
  get closeCode(): number | undefined {
    // A server's close frame is unmasked and short: 0x88, length, code. It is the last frame.
    const at = this.received.lastIndexOf(0x88);
    const length = this.received[at + 1] ?? 0;
    return at >= 0 && length >= 2 && at + 2 + length === this.received.length
      ? this.received.readUInt16BE(at + 2)
      : undefined;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export const upgradeRequest = (protocol: string, token: string): string =>
  [
    'GET /v1/socket HTTP/1.1',
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    `Sec-WebSocket-Protocol: ${protocol}`,
    `Authorization: Bearer ${token}`,
    '\r\n',
  ].join('\r\n');

export const opcode = { continuation: 0, text: 1, binary: 2, reserved: 3, close: 8, ping: 9 } as const;

/** One client frame. `masked: false` and `rsv` break RFC 6455 on purpose. */
export function wsFrame(
  op: number,
  payload: Buffer,
  {
    fin = true,
    masked = true,
    rsv = 0,
  }: { readonly fin?: boolean; readonly masked?: boolean; readonly rsv?: number } = {},
): Buffer {
  const length = payload.length;
  const wide = length > 125;
  const head = Buffer.alloc(wide ? 4 : 2);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | op;
  head[1] = (masked ? 0x80 : 0) | (wide ? 126 : length);
  if (wide) head.writeUInt16BE(length, 2);
  if (!masked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ (mask[i % 4] as number))]);
}
