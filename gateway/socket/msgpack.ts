/**
 * MessagePack as the contract has it: nil, booleans, integers, float64, strings, arrays and maps with string keys; no
 * binary and no extension types. Written here rather than taken from a package for two reasons: integers above 2^32 must
 * leave as uint64 and never as a float, and what a stranger sends must be refused by depth, by count and by duplicate
 * keys before anything is allocated for it.
 */
export const msgpackDepthMax = 16;

export class MsgpackError extends Error {
  override readonly name = 'MsgpackError';
}

let scratch = Buffer.allocUnsafe(64 * 1024);
let at = 0;

function room(bytes: number): void {
  if (at + bytes <= scratch.length) return;
  const larger = Buffer.allocUnsafe(Math.max(scratch.length * 2, at + bytes));
  scratch.copy(larger, 0, 0, at);
  scratch = larger;
}

function byte(value: number): void {
  room(1);
  scratch[at++] = value;
}

function head(fix: number, fixMax: number, codes: readonly [number | undefined, number, number], length: number): void {
  room(5);
  if (length <= fixMax) scratch[at++] = fix | length;
  else if (length < 0x100 && codes[0] !== undefined) {
    scratch[at++] = codes[0];
    scratch[at++] = length;
  } else if (length < 0x10000) {
    scratch[at++] = codes[1];
    at = scratch.writeUInt16BE(length, at);
  } else {
    scratch[at++] = codes[2];
    at = scratch.writeUInt32BE(length, at);
  }
}

const mapHead = (entries: number): void => head(0x80, 15, [undefined, 0xde, 0xdf], entries);
const arrayHead = (items: number): void => head(0x90, 15, [undefined, 0xdc, 0xdd], items);

function text(value: string): void {
  // Short keys are most of what is written: one byte a character, until a character proves otherwise.
  const start = at;
  if (value.length <= 31) {
    room(1 + value.length);
    scratch[at++] = 0xa0 | value.length;
    let i = 0;
    for (; i < value.length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) break;
      scratch[at++] = unit;
    }
    if (i === value.length) return;
    at = start;
  }
  const bytes = Buffer.byteLength(value);
  head(0xa0, 31, [0xd9, 0xda, 0xdb], bytes);
  room(bytes);
  at += scratch.write(value, at, 'utf8');
}

function integer(value: number): void {
  room(9);
  if (value >= 0) {
    if (value < 0x80) scratch[at++] = value;
    else if (value < 0x100) {
      scratch[at++] = 0xcc;
      scratch[at++] = value;
    } else if (value < 0x10000) {
      scratch[at++] = 0xcd;
      at = scratch.writeUInt16BE(value, at);
    } else if (value < 0x100000000) {
      scratch[at++] = 0xce;
      at = scratch.writeUInt32BE(value, at);
    } else {
      scratch[at++] = 0xcf;
      at = scratch.writeUInt32BE(Math.floor(value / 0x100000000), at);
      at = scratch.writeUInt32BE(value % 0x100000000, at);
    }
  } else if (value >= -0x20) scratch[at++] = value & 0xff;
  else if (value >= -0x80) {
    scratch[at++] = 0xd0;
    at = scratch.writeInt8(value, at);
  } else if (value >= -0x8000) {
    scratch[at++] = 0xd1;
    at = scratch.writeInt16BE(value, at);
  } else if (value >= -0x80000000) {
    scratch[at++] = 0xd2;
    at = scratch.writeInt32BE(value, at);
  } else {
    scratch[at++] = 0xd3;
    at = scratch.writeBigInt64BE(BigInt(value), at);
  }
}

function put(value: unknown): void {
  switch (typeof value) {
    case 'string':
      text(value);
      return;
    case 'number':
      if (Number.isSafeInteger(value)) integer(value);
      else {
        room(9);
        scratch[at++] = 0xcb;
        at = scratch.writeDoubleBE(value, at);
      }
      return;
    case 'boolean':
      byte(value ? 0xc3 : 0xc2);
      return;
    case 'object':
      if (value === null) byte(0xc0);
      else if (Array.isArray(value)) {
        arrayHead(value.length);
        for (const item of value) put(item);
      } else putMap(value as Record<string, unknown>, 0);
      return;
    default:
      byte(0xc0);
  }
}

/** The map's head counts `more` entries that the caller writes behind it. Undefined fields are left out, as in JSON. */
function putMap(map: Readonly<Record<string, unknown>>, more: number): void {
  let entries = more;
  for (const key in map) if (map[key] !== undefined) entries++;
  mapHead(entries);
  for (const key in map) {
    const value = map[key];
    if (value === undefined) continue;
    text(key);
    put(value);
  }
}

const taken = (): Buffer => {
  const bytes = Buffer.allocUnsafe(at);
  scratch.copy(bytes, 0, 0, at);
  return bytes;
};

export function packMsgpack(value: unknown): Buffer {
  at = 0;
  put(value);
  return taken();
}

/** The map `head` with further entries whose values are packed already. */
export function packMsgpackMap(
  map: Readonly<Record<string, unknown>>,
  packed: readonly (readonly [string, Uint8Array])[],
): Buffer {
  at = 0;
  putMap(map, packed.length);
  for (const [key, bytes] of packed) {
    text(key);
    room(bytes.length);
    scratch.set(bytes, at);
    at += bytes.length;
  }
  return taken();
}

/** An array of values that are packed already. */
export function packMsgpackArray(packed: readonly Uint8Array[]): Buffer {
  at = 0;
  arrayHead(packed.length);
  for (const bytes of packed) {
    room(bytes.length);
    scratch.set(bytes, at);
    at += bytes.length;
  }
  return taken();
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads exactly one value. Throws {@link MsgpackError}; the sentence says what is not accepted. */
export function unpackMsgpack(bytes: Buffer): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw new MsgpackError('one message is one map: bytes follow it');
  return value;
}

class Reader {
  at = 0;
  constructor(private readonly bytes: Buffer) {}

  value(depth: number): unknown {
    const code = this.#u8();
    if (code < 0x80) return code;
    if (code < 0x90) return this.#map(code & 0x0f, depth);
    if (code < 0xa0) return this.#array(code & 0x0f, depth);
    if (code < 0xc0) return this.#text(code & 0x1f);
    if (code >= 0xe0) return code - 0x100;
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.#finite(this.bytes.readFloatBE(this.#skip(4)));
      case 0xcb:
        return this.#finite(this.bytes.readDoubleBE(this.#skip(8)));
      case 0xcc:
        return this.#u8();
      case 0xcd:
        return this.bytes.readUInt16BE(this.#skip(2));
      case 0xce:
        return this.bytes.readUInt32BE(this.#skip(4));
      case 0xcf:
        return this.#safe(this.bytes.readBigUInt64BE(this.#skip(8)));
      case 0xd0:
        return this.bytes.readInt8(this.#skip(1));
      case 0xd1:
        return this.bytes.readInt16BE(this.#skip(2));
      case 0xd2:
        return this.bytes.readInt32BE(this.#skip(4));
      case 0xd3:
        return this.#safe(this.bytes.readBigInt64BE(this.#skip(8)));
      case 0xd9:
        return this.#text(this.#u8());
      case 0xda:
        return this.#text(this.bytes.readUInt16BE(this.#skip(2)));
      case 0xdb:
        return this.#text(this.bytes.readUInt32BE(this.#skip(4)));
      case 0xdc:
        return this.#array(this.bytes.readUInt16BE(this.#skip(2)), depth);
      case 0xdd:
        return this.#array(this.bytes.readUInt32BE(this.#skip(4)), depth);
      case 0xde:
        return this.#map(this.bytes.readUInt16BE(this.#skip(2)), depth);
      case 0xdf:
        return this.#map(this.bytes.readUInt32BE(this.#skip(4)), depth);
      default:
        throw new MsgpackError('extension and binary types are not accepted: send strings, numbers, arrays and maps');
    }
  }

  #skip(bytes: number): number {
    const start = this.at;
    if (start + bytes > this.bytes.length) throw new MsgpackError('the message ends in the middle of a value');
    this.at = start + bytes;
    return start;
  }
  #u8(): number {
    return this.bytes[this.#skip(1)] as number;
  }
  #finite(value: number): number {
    if (!Number.isFinite(value)) throw new MsgpackError('NaN and infinities are not numbers here');
    return value;
  }
  #safe(value: bigint): number {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw new MsgpackError('integers lie between -(2^53-1) and 2^53-1');
    return number;
  }
  #text(length: number): string {
    const start = this.#skip(length);
    try {
      return utf8.decode(this.bytes.subarray(start, this.at));
    } catch {
      throw new MsgpackError('a string is not UTF-8');
    }
  }
  #array(items: number, depth: number): unknown[] {
    this.#collection(items, depth);
    const out: unknown[] = [];
    for (let i = 0; i < items; i++) out.push(this.value(depth + 1));
    return out;
  }
  #map(entries: number, depth: number): Record<string, unknown> {
    this.#collection(entries * 2, depth);
    const out: Record<string, unknown> = {};
    for (let i = 0; i < entries; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== 'string') throw new MsgpackError('the keys of a map are strings');
      if (Object.hasOwn(out, key)) throw new MsgpackError('a key stands twice in one map');
      const value = this.value(depth + 1);
      // A plain assignment to this one key would set the prototype.
      if (key === '__proto__') Object.defineProperty(out, key, { value, enumerable: true });
      else out[key] = value;
    }
    return out;
  }
  /** Every value takes a byte at least, so a count beyond the rest of the message is a lie: refused before the loop. */
  #collection(values: number, depth: number): void {
    if (depth >= msgpackDepthMax) throw new MsgpackError(`nested deeper than ${msgpackDepthMax}`);
    if (values > this.bytes.length - this.at)
      throw new MsgpackError('a collection claims more entries than the message has bytes');
  }
}
