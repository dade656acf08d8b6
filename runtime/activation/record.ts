/**
 * The bytes of one log record (proto/node/v1/record.proto), written and read by hand: this is the one message that every
 * turn writes. A test holds it to the generated code.
 */
const eventTag = 0x0a;
const epochTag = 0x70;
const ownerTag = 0x7a;

export interface RecordBytes {
  /** Views into the record. */
  readonly events: readonly Uint8Array[];
  readonly epoch: number;
  readonly owner: string;
}

export class RecordDamagedError extends Error {
  override readonly name = 'RecordDamagedError';
}

export function encodeRecord(events: readonly Uint8Array[], epoch: number, owner: string): Buffer {
  const ownerLength = Buffer.byteLength(owner);
  let length = 1 + varintLength(epoch) + 1 + varintLength(ownerLength) + ownerLength;
  for (const event of events) length += 1 + varintLength(event.byteLength) + event.byteLength;
  const out = Buffer.allocUnsafe(length);
  let at = 0;
  for (const event of events) {
    out[at++] = eventTag;
    at = writeVarint(out, at, event.byteLength);
    out.set(event, at);
    at += event.byteLength;
  }
  out[at++] = epochTag;
  at = writeVarint(out, at, epoch);
  out[at++] = ownerTag;
  at = writeVarint(out, at, ownerLength);
  out.write(owner, at, 'utf8');
  return out;
}

/** Unknown fields are skipped; damage throws {@link RecordDamagedError}. */
export function splitRecord(bytes: Uint8Array): RecordBytes {
  const events: Uint8Array[] = [];
  let epoch = 0;
  let owner = '';
  const cursor = new Cursor(bytes);
  while (cursor.at < bytes.byteLength) {
    const tag = cursor.varint();
    if (tag === eventTag) events.push(cursor.bytes());
    else if (tag === epochTag) epoch = cursor.varint();
    else if (tag === ownerTag) owner = Buffer.from(cursor.bytes()).toString('utf8');
    else cursor.skip(tag & 7);
  }
  return { events, epoch, owner };
}

/** The record's events. Their vectors are as stored: whole on the first, empty on the others (`expandVectors`). */
export function decodeRecord<E>(
  bytes: Uint8Array,
  codec: { decode(bytes: Uint8Array): E },
): { events: E[]; epoch: number; owner: string } {
  const { events, epoch, owner } = splitRecord(bytes);
  return { events: events.map((event) => codec.decode(event)), epoch, owner };
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
  return length;
}

function writeVarint(out: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 128) {
    out[at++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  out[at++] = rest;
  return at;
}

class Cursor {
  at = 0;
  constructor(readonly source: Uint8Array) {}

  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.source[this.at++];
      if (byte === undefined || factor > 2 ** 63)
        throw new RecordDamagedError(`a record ends within a number at byte ${this.at}`);
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  bytes(): Uint8Array {
    const length = this.varint();
    const start = this.at;
    this.at += length;
    if (this.at > this.source.byteLength)
      throw new RecordDamagedError(`a record ends within a field of ${length} bytes`);
    return this.source.subarray(start, this.at);
  }

  skip(wire: number): void {
    if (wire === 0) this.varint();
    else if (wire === 1) this.at += 8;
    else if (wire === 2) this.bytes();
    else if (wire === 5) this.at += 4;
    else throw new RecordDamagedError(`a record has a field of unknown wire type ${wire}`);
    if (this.at > this.source.byteLength) throw new RecordDamagedError('a record ends within a field');
  }
}
