/**
 * A client's connection to a gateway: a WebSocket as RFC 6455 has it, over a simulated connection. Written anew from the
 * contract, so that it shares no mistake with the gateway. Owns one socket; decides nothing.
 */
import type { Duplex } from 'node:stream';
import type { ServerMessage } from '../host/black-box/wire.ts';

const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const;

export interface LineEvents {
  opened(): void;
  heard(message: ServerMessage): void;
  /** The line is over, whatever ended it. Called once. */
  closed(why: string): void;
}

export class Line {
  #head: Buffer | undefined = Buffer.alloc(0);
  #rest: Buffer = Buffer.alloc(0);
  #isOver = false;

  constructor(
    private readonly socket: Duplex,
    private readonly events: LineEvents,
  ) {
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.end('lost'));
  }

  send(message: object): void {
    if (!this.#isOver) this.#frame(opcodes.text, Buffer.from(JSON.stringify(message)));
  }

  end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.socket.destroy();
    this.events.closed(why);
  }

  #frame(opcode: number, payload: Buffer): void {
    const long = payload.length > 125;
    const head = Buffer.alloc(long ? 8 : 6);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | (long ? 126 : payload.length);
    if (long) head.writeUInt16BE(payload.length, 2);
    // Masked with zeros: the rule is kept, and the bytes stay readable.
    this.socket.write(Buffer.concat([head, payload]));
  }

  #data(chunk: Buffer): void {
    if (this.#head !== undefined) {
      this.#head = Buffer.concat([this.#head, chunk]);
      const end = this.#head.indexOf('\r\n\r\n');
      if (end === -1) return;
      const status = this.#head.toString('latin1', 0, 12);
      const rest = this.#head.subarray(end + 4);
      this.#head = undefined;
      if (status !== 'HTTP/1.1 101') {
        this.end(`refused: ${status}`);
        return;
      }
      this.events.opened();
      this.#rest = Buffer.from(rest);
    } else this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#cut();
  }

  #cut(): void {
    while (!this.#isOver && this.#rest.length >= 2) {
      const bytes = this.#rest;
      let length = (bytes[1] as number) & 0x7f;
      let at = 2;
      if (length === 126) {
        if (bytes.length < 4) return;
        length = bytes.readUInt16BE(2);
        at = 4;
      } else if (length === 127) {
        if (bytes.length < 10) return;
        length = Number(bytes.readBigUInt64BE(2));
        at = 10;
      }
      if (bytes.length < at + length) return;
      const opcode = (bytes[0] as number) & 0x0f;
      const payload = bytes.subarray(at, at + length);
      this.#rest = bytes.subarray(at + length);
      if (opcode === opcodes.text) this.events.heard(JSON.parse(payload.toString('utf8')) as ServerMessage);
      else if (opcode === opcodes.ping) this.#frame(opcodes.pong, payload);
      else if (opcode === opcodes.close)
        this.end(`closed with ${payload.length >= 2 ? payload.readUInt16BE(0) : 1005}`);
    }
  }
}
