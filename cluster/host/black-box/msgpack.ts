/**
 * The part of msgpack that the contract allows (section 0 and 5): maps with string keys, arrays, strings, integers, floats,
 * booleans, null. Written out by hand so that the tests judge the server's bytes instead of trusting a library that mends
 * them: a float where an integer belongs, an extension type or bytes behind the message are faults.
 */
export class MsgpackFault extends Error {
  override readonly name = 'MsgpackFault';
}

/** How an integer above 2^32 is sent: as typed clients do, or as JavaScript packers do. The server must take both. */
export type WideAs = 'uint64' | 'float64';

export function encodeMsgpack(value: unknown, wideAs: WideAs = 'uint64'): Buffer {
  const parts: Buffer[] = [];
  write(value, wideAs, parts);
  return Buffer.concat(parts);
}

function write(value: unknown, wideAs: WideAs, out: Buffer[]): void {
  if (value === null || value === undefined) out.push(Buffer.from([0xc0]));
  else if (typeof value === 'boolean') out.push(Buffer.from([value ? 0xc3 : 0xc2]));
  else if (typeof value === 'number') out.push(numberBytes(value, wideAs));
  else if (typeof value === 'string') {
    const bytes = Buffer.from(value, 'utf8');
    out.push(head(bytes.length, 0xa0, 31, [0xd9, 0xda, 0xdb]), bytes);
  } else if (Array.isArray(value)) {
    out.push(head(value.length, 0x90, 15, [undefined, 0xdc, 0xdd]));
    for (const item of value) write(item, wideAs, out);
  } else if (value instanceof Uint8Array) {
    out.push(head(value.length, 0, -1, [0xc4, 0xc5, 0xc6]), Buffer.from(value));
  } else {
    const entries = Object.entries(value as object).filter(([, item]) => item !== undefined);
    out.push(head(entries.length, 0x80, 15, [undefined, 0xde, 0xdf]));
    for (const [key, item] of entries) {
      write(key, wideAs, out);
      write(item, wideAs, out);
    }
  }
}

function head(
  length: number,
  fix: number,
  fixMax: number,
  tags: readonly [number | undefined, number, number],
): Buffer {
  if (length <= fixMax) return Buffer.from([fix | length]);
  if (tags[0] !== undefined && length < 0x100) return Buffer.from([tags[0], length]);
  const wide = length >= 0x10000;
  const bytes = Buffer.alloc(wide ? 5 : 3);
  bytes[0] = wide ? tags[2] : tags[1];
  if (wide) bytes.writeUInt32BE(length, 1);
  else bytes.writeUInt16BE(length, 1);
  return bytes;
}

function numberBytes(value: number, wideAs: WideAs): Buffer {
  if (!Number.isSafeInteger(value) || (Math.abs(value) > 0xffffffff && wideAs === 'float64') || Object.is(value, -0)) {
    const bytes = Buffer.alloc(9);
    bytes[0] = 0xcb;
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (value >= 0 && value < 128) return Buffer.from([value]);
  if (value < 0 && value >= -32) return Buffer.from([0x100 + value]);
  const bytes = Buffer.alloc(9);
  if (value >= 0) {
    if (value <= 0xffffffff) {
      bytes[0] = 0xce;
      bytes.writeUInt32BE(value, 1);
      return bytes.subarray(0, 5);
    }
    bytes[0] = 0xcf;
    bytes.writeBigUInt64BE(BigInt(value), 1);
    return bytes;
  }
  bytes[0] = 0xd3;
  bytes.writeBigInt64BE(BigInt(value), 1);
  return bytes;
}

/** Fields that are measures, so that a float with no fraction is right in them. */
const measures = new Set([
  'lat',
  'lon',
  'radius_m',
  'distance_m',
  'accuracy',
  'retry_s',
  'seconds',
  'weight',
  'imbalance_after',
]);

/** Decodes one message, whole. Throws {@link MsgpackFault} for whatever the contract forbids the server to send. */
export function decodeMsgpack(bytes: Buffer): unknown {
  const reader = new Reader(bytes);
  const value = reader.value('');
  if (reader.at !== bytes.length) throw new MsgpackFault(`${bytes.length - reader.at} bytes behind the message`);
  return value;
}

class Reader {
  at = 0;
  constructor(private readonly bytes: Buffer) {}

  value(key: string): unknown {
    const tag = this.bytes[this.at++];
    if (tag === undefined) throw new MsgpackFault('the message ends early');
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.map(tag & 15);
    if (tag < 0xa0) return this.array(tag & 15, key);
    if (tag < 0xc0) return this.text(tag & 31);
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.float(this.take(4).readFloatBE(0), key);
      case 0xcb:
        return this.float(this.take(8).readDoubleBE(0), key);
      case 0xcc:
        return this.take(1).readUInt8(0);
      case 0xcd:
        return this.take(2).readUInt16BE(0);
      case 0xce:
        return this.take(4).readUInt32BE(0);
      case 0xcf:
        return this.safe(this.take(8).readBigUInt64BE(0));
      case 0xd0:
        return this.take(1).readInt8(0);
      case 0xd1:
        return this.take(2).readInt16BE(0);
      case 0xd2:
        return this.take(4).readInt32BE(0);
      case 0xd3:
        return this.safe(this.take(8).readBigInt64BE(0));
      case 0xd9:
        return this.text(this.take(1).readUInt8(0));
      case 0xda:
        return this.text(this.take(2).readUInt16BE(0));
      case 0xdb:
        return this.text(this.take(4).readUInt32BE(0));
      case 0xdc:
        return this.array(this.take(2).readUInt16BE(0), key);
      case 0xdd:
        return this.array(this.take(4).readUInt32BE(0), key);
      case 0xde:
        return this.map(this.take(2).readUInt16BE(0));
      case 0xdf:
        return this.map(this.take(4).readUInt32BE(0));
      default:
        throw new MsgpackFault(`type 0x${tag.toString(16)} (binary or extension) under "${key}"`);
    }
  }

  private take(count: number): Buffer {
    if (this.at + count > this.bytes.length) throw new MsgpackFault('the message ends early');
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  private text(length: number): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.take(length));
  }

  private float(value: number, key: string): number {
    if (Number.isInteger(value) && !measures.has(key))
      throw new MsgpackFault(`the integer ${value} under "${key}" came as a float`);
    return value;
  }

  private safe(value: bigint): number {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw new MsgpackFault(`${value} is not within 2^53`);
    return number;
  }

  private array(length: number, key: string): unknown[] {
    return Array.from({ length }, () => this.value(key));
  }

  private map(length: number): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const key = this.value('');
      if (typeof key !== 'string') throw new MsgpackFault(`a key that is a ${typeof key}`);
      if (Object.hasOwn(out, key)) throw new MsgpackFault(`the key "${key}" twice`);
      out[key] = this.value(key);
    }
    return out;
  }
}
