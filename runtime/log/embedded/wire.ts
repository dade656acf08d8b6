/**
 * Frames between the log process and its clients (lengths and types as in runtime/link/frame.ts). Numbers are little endian.
 *
 *  welcome   log → client   u32 protocol, u32 largest record body in bytes. First, once the log serves
 *  append    client → log   u32 frame number, u8 again, records (record.ts; version = expected + 1). One in flight a link
 *  appended  log → client   u32 frame number, u32 n, n × (u8 outcome, f64 value), UTF-8 message for those refused
 *  request   client → log   u32 number, u8 op, arguments
 *  reply     log → client   u32 number, u8 status, answer or UTF-8 message
 *  records   log → client   committed records of subscribed streams, and perhaps of others
 *  heads     log → client   (stream, f64 head)*: records of these streams were left out up to here
 *  ping, pong               nothing
 */
import type { StreamId } from '../../../proto/ids.ts';
import { frame } from '../../link/frame.ts';
import { checkStream } from './record.ts';

export const logFrame = {
  welcome: 32,
  append: 33,
  appended: 34,
  request: 35,
  reply: 36,
  records: 37,
  heads: 38,
  ping: 39,
  pong: 40,
} as const;
export const protocolNumber = 2;

export const op = {
  take: 1,
  read: 2,
  readSlot: 3,
  head: 4,
  subscribe: 5,
  unsubscribe: 6,
  load: 7,
  save: 8,
  drop: 9,
  ends: 10,
  trim: 11,
} as const;
export const status = { ok: 0, fenced: 1, damaged: 2, unavailable: 3, invalid: 4 } as const;
export const outcome = {
  appended: 0,
  conflict: 1,
  fenced: 2,
  full: 3,
  tooLarge: 4,
  busy: 5,
  ambiguous: 6,
  damaged: 7,
} as const;

/** A read answers about this much unless told otherwise, and never more than the second. */
export const readBytesDefault = 1024 * 1024;
export const readBytesMax = 16 * 1024 * 1024;
/** Pages in one load or save. */
export const pageBytesMax = 32 * 1024 * 1024;
/** Records of one append frame. */
export const appendFrameBytesMax = 16 * 1024 * 1024;

/** Writes the body of a frame. */
export class BodyWriter {
  #bytes = Buffer.allocUnsafe(256);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  #room(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) {
      const more = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, at + length));
      this.#bytes.copy(more, 0, 0, at);
      this.#bytes = more;
    }
    this.#at = at + length;
    return at;
  }

  u8(value: number): this {
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#bytes.writeUInt32LE(value, at);
    return this;
  }

  f64(value: number): this {
    const at = this.#room(8);
    this.#bytes.writeDoubleLE(value, at);
    return this;
  }

  stream(stream: StreamId): this {
    checkStream(stream);
    this.u8(stream.kind.length);
    const at = this.#room(stream.kind.length);
    this.#bytes.write(stream.kind, at, 'latin1');
    return this.f64(stream.id);
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#room(bytes.byteLength);
    this.#bytes.set(bytes, at);
    return this;
  }

  text(text: string): this {
    return this.bytes(Buffer.from(text, 'utf8'));
  }

  /** The frame that answers request `number`. */
  reply(type: number, number: number, code: number): Buffer {
    const head = Buffer.allocUnsafe(5);
    head.writeUInt32LE(number, 0);
    head[4] = code;
    return frame(type, head, this.#bytes.subarray(0, this.#at));
  }

  frame(type: number): Buffer {
    return frame(type, this.#bytes.subarray(0, this.#at));
  }
}

/** Reads the body of a frame; reading past its end throws {@link RangeError}. */
export class BodyReader {
  #at = 0;

  constructor(private readonly body: Buffer) {}

  get left(): number {
    return this.body.length - this.#at;
  }

  u8(): number {
    const value = this.body.readUInt8(this.#at);
    this.#at += 1;
    return value;
  }

  u32(): number {
    const value = this.body.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  f64(): number {
    const value = this.body.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  stream(): StreamId {
    const length = this.u8();
    const kind = this.bytes(length).toString('latin1');
    const stream = { kind, id: this.f64() };
    checkStream(stream);
    return stream;
  }

  /** A view. */
  bytes(length: number): Buffer {
    if (length > this.left) throw new RangeError(`a body that ends ${length - this.left} bytes early`);
    this.#at += length;
    return this.body.subarray(this.#at - length, this.#at);
  }

  rest(): Buffer {
    return this.bytes(this.left);
  }

  text(): string {
    return this.rest().toString('utf8');
  }
}
