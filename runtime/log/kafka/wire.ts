/** Big-endian numbers, strings and varints, as Kafka's protocol and our own records have them. */

const bytesFirst = 512;
const two32 = 2 ** 32;

export class WireWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(bytes = bytesFirst) {
    this.#bytes = Buffer.allocUnsafe(bytes);
  }

  get length(): number {
    return this.#length;
  }

  /** A view: valid until something more is written. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  i8(value: number): this {
    const at = this.#room(1);
    this.#bytes[at] = value & 0xff;
    return this;
  }
  i16(value: number): this {
    const at = this.#room(2);
    this.#bytes.writeInt16BE(value, at);
    return this;
  }
  i32(value: number): this {
    const at = this.#room(4);
    this.#bytes.writeInt32BE(value, at);
    return this;
  }
  /** From -1 to 2^53 - 1. */
  i64(value: number): this {
    const at = this.#room(8);
    this.#bytes.writeInt32BE(Math.floor(value / two32), at);
    this.#bytes.writeUInt32BE(value < 0 ? two32 + value : value % two32, at + 4);
    return this;
  }
  string(value: string | null): this {
    if (value === null) return this.i16(-1);
    const length = Buffer.byteLength(value);
    this.i16(length);
    this.#bytes.write(value, this.#room(length));
    return this;
  }
  /** Below 2^53, where bit operations on 32 bits do not reach. */
  varint(value: number): this {
    let at = this.#room(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[at++] = rest;
    this.#length = at;
    return this;
  }
  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.byteLength);
    this.#bytes.set(bytes, at);
    return this;
  }
  text(value: string): this {
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.#bytes.write(value, this.#room(length));
    return this;
  }
  /** Four bytes that were left out before, now that their value is known. */
  setI32(at: number, value: number): this {
    this.#bytes.writeInt32BE(value | 0, at);
    return this;
  }

  #room(length: number): number {
    const at = this.#length;
    if (at + length > this.#bytes.length) {
      const more = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, at + length));
      this.#bytes.copy(more, 0, 0, at);
      this.#bytes = more;
    }
    this.#length = at + length;
    return at;
  }
}

/** Throws {@link RangeError} where the bytes end too early. */
export class WireReader {
  constructor(
    readonly bytes: Buffer,
    public at = 0,
    readonly end = bytes.length,
  ) {}

  get left(): number {
    return this.end - this.at;
  }

  i8(): number {
    return this.bytes.readInt8(this.#take(1));
  }
  i16(): number {
    return this.bytes.readInt16BE(this.#take(2));
  }
  i32(): number {
    return this.bytes.readInt32BE(this.#take(4));
  }
  i64(): number {
    const at = this.#take(8);
    return this.bytes.readInt32BE(at) * two32 + this.bytes.readUInt32BE(at + 4);
  }
  string(): string | null {
    const length = this.i16();
    if (length < 0) return null;
    const at = this.#take(length);
    return this.bytes.toString('utf8', at, at + length);
  }
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.bytes[this.#take(1)] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      if (scale > 2 ** 49) throw new RangeError('a varint of more than 53 bits');
    }
  }
  text(): string {
    const length = this.varint();
    const at = this.#take(length);
    return this.bytes.toString('utf8', at, at + length);
  }
  array<T>(item: () => T): T[] {
    const length = this.i32();
    const items: T[] = [];
    for (let i = 0; i < length; i++) items.push(item());
    return items;
  }
  skip(length: number): this {
    this.#take(length);
    return this;
  }

  #take(length: number): number {
    const at = this.at;
    if (length < 0 || at + length > this.end) throw new RangeError(`${length} bytes at ${at} of ${this.end}`);
    this.at = at + length;
    return at;
  }
}
