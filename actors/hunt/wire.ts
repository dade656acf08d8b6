/**
 * Protobuf's wire format for the three messages of the hot path (SubmitRequest, SubmitReply, Event), where generated code
 * cost several times as much. Parity with the generated code is tested. Field numbers below 16 have tags of one byte.
 */
export const wireVarint = 0;
export const wireDouble = 1;
export const wireBytes = 2;
export const wireFixed32 = 5;

const scratchBytes = 64 * 1024;

/** Writes into one buffer of the process's own, grown at need; {@link finish} copies the message out. */
export class WireWriter {
  #buffer = Buffer.allocUnsafeSlow(scratchBytes);
  #at = 0;

  start(): this {
    this.#at = 0;
    return this;
  }

  finish(): Buffer {
    const message = Buffer.allocUnsafe(this.#at);
    this.#buffer.copy(message, 0, 0, this.#at);
    return message;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.#buffer[this.#at++] = (rest % 128) | 128;
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 128);
    }
    this.#buffer[this.#at++] = rest;
  }

  /** Unsigned and non-negative signed integers; 0 is left out, as proto3 does, unless it is to be told. */
  uint(field: number, value: number, always = false): void {
    if (value === 0 && !always) return;
    this.#room(20);
    this.#varint(field * 8 + wireVarint);
    this.#varint(value);
  }

  bool(field: number, value: boolean): void {
    if (value) this.uint(field, 1);
  }

  /** Zigzag. */
  sint(field: number, value: number): void {
    this.uint(field, value < 0 ? -value * 2 - 1 : value * 2);
  }

  /** A negative int32 takes ten bytes: its 64-bit two's complement. */
  int32(field: number, value: number): void {
    if (value >= 0) {
      this.uint(field, value);
      return;
    }
    this.#room(20);
    this.#varint(field * 8 + wireVarint);
    let low = value >>> 0;
    for (let i = 0; i < 4; i++, low >>>= 7) this.#buffer[this.#at++] = (low & 127) | 128;
    this.#buffer[this.#at++] = low | 0xf0;
    for (let i = 0; i < 4; i++) this.#buffer[this.#at++] = 0xff;
    this.#buffer[this.#at++] = 1;
  }

  fixed32(field: number, value: number): void {
    if (value === 0) return;
    this.#room(14);
    this.#varint(field * 8 + wireFixed32);
    this.#at = this.#buffer.writeUInt32LE(value, this.#at);
  }

  double(field: number, value: number, always = false): void {
    if (value === 0 && !always) return;
    this.#room(18);
    this.#varint(field * 8 + wireDouble);
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }

  string(field: number, value: string): void {
    if (value !== '') this.text(field, value);
  }

  /** Also when it is empty: an element of a repeated field. */
  text(field: number, value: string): void {
    this.#room(20 + value.length * 3);
    const body = this.open(field);
    const from = this.#at;
    let i = 0;
    for (; i < value.length; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 128) break;
      this.#buffer[this.#at++] = unit;
    }
    if (i < value.length) this.#at = from + this.#buffer.write(value, from, 'utf8');
    this.close(body);
  }

  /** Begins a message within: fields up to {@link close} are its own. */
  open(field: number): number {
    this.#room(20);
    this.#varint(field * 8 + wireBytes);
    return this.#at++;
  }

  /** Most bodies are shorter than 128 bytes, whose length takes the one byte left for it; longer ones are moved. */
  close(body: number): void {
    const length = this.#at - body - 1;
    if (length < 128) {
      this.#buffer[body] = length;
      return;
    }
    const more = length < 16_384 ? 1 : length < 2_097_152 ? 2 : 3;
    this.#room(more);
    this.#buffer.copyWithin(body + 1 + more, body + 1, this.#at);
    this.#at = body;
    this.#varint(length);
    this.#at = body + 1 + more + length;
  }

  /** Fields encoded elsewhere. */
  raw(fields: Uint8Array): void {
    this.#room(fields.length);
    this.#buffer.set(fields, this.#at);
    this.#at += fields.length;
  }

  /** A message encoded elsewhere. */
  bytes(field: number, value: Uint8Array): void {
    this.#room(20 + value.length);
    this.#varint(field * 8 + wireBytes);
    this.#varint(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }
}

/** Reads one message's fields. Throws RangeError on bytes that are none. */
export class WireReader {
  #at: number;
  #end: number;
  readonly #buffer: Buffer;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = 0;
    this.#end = bytes.length;
  }

  get more(): boolean {
    return this.#at < this.#end;
  }

  /** field * 8 + wire type. */
  tag(): number {
    return this.uint();
  }

  uint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (this.#at >= this.#end) break;
      const byte = this.#buffer[this.#at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) throw new RangeError('an integer of 2^53 or more');
        return value;
      }
      scale *= 128;
    }
    throw new RangeError('a varint that does not end');
  }

  double(): number {
    if (this.#at + 8 > this.#end) throw new RangeError('a double that does not end');
    const value = this.#buffer.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  string(): string {
    const length = this.#length();
    const from = this.#at;
    this.#at += length;
    for (let i = from; i < this.#at; i++)
      if (this.#buffer[i]! >= 128) return this.#buffer.toString('utf8', from, this.#at);
    return this.#buffer.toString('latin1', from, this.#at);
  }

  /** Enters the message within; returns what {@link leave} needs. */
  enter(): number {
    const length = this.#length();
    const outer = this.#end;
    this.#end = this.#at + length;
    return outer;
  }
  leave(outer: number): void {
    this.#end = outer;
  }

  /** Passes over a field that is unknown here. */
  skip(tag: number): void {
    const type = tag & 7;
    if (type === wireVarint) while (this.#at < this.#end && this.#buffer[this.#at++]! >= 128);
    else if (type === wireDouble) this.#at += 8;
    else if (type === wireFixed32) this.#at += 4;
    else if (type === wireBytes) {
      const length = this.#length();
      this.#at += length;
    } else throw new RangeError(`wire type ${type}`);
    if (this.#at > this.#end) throw new RangeError('a field that does not end');
  }

  #length(): number {
    const length = this.uint();
    if (this.#at + length > this.#end) throw new RangeError('a field longer than its message');
    return length;
  }
}
