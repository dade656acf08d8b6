/**
 * How one record lies in a segment file, on the links and in the feed: the same bytes everywhere, so that the log process
 * copies records and never re-encodes them. Little endian, padded to 8 bytes:
 *
 *   0 u32 mark          16 u8  type          32 f64 version     56 f64 position
 *   4 u32 header crc    17 u8  kind length   40 f64 epoch       64 u32 offset in the segment where this record's commit began
 *   8 u32 body crc      18 u16 slot          48 f64 position of the slot's record before this one, 0 if there is none
 *  12 u32 body length   20 u32 count         68 kind, 12 bytes of ASCII, zero padded
 *                       24 f64 id            80 body
 *
 * Header and body have checksums of their own: a damaged body still names the stream that it belongs to. A record names its
 * own position, so that stale or misplaced bytes are never taken for a record; `commit start` tells a torn commit (which was
 * never acknowledged) from damage in the middle of the log; the chain through each slot shows which slots lost records.
 */
import { crc32 } from 'node:zlib';
import type { Position, Slot, StreamId, Version } from '../../../proto/ids.ts';
import type { LogRecord } from '../event-log.ts';

export const recordType = { events: 1, take: 2, end: 3 } as const;
export const recordMark = 0x52435248;
export const recordHeaderBytes = 80;
export const kindLengthMax = 12;
const kindPattern = /^[a-z][a-z0-9_-]{0,11}$/;

export const at = {
  mark: 0,
  headerCrc: 4,
  bodyCrc: 8,
  bodyLength: 12,
  type: 16,
  kindLength: 17,
  slot: 18,
  count: 20,
  id: 24,
  version: 32,
  epoch: 40,
  slotPrev: 48,
  position: 56,
  commitStart: 64,
  kind: 68,
} as const;

/** Of the whole record, padding included. */
export const recordBytes = (bodyLength: number): number => recordHeaderBytes + ((bodyLength + 7) & ~7);

/** A position in the log: segment number and offset in one integer below 2^53, so that positions only rise. */
export const segmentSpan = 2 ** 32;
export const positionOf = (segment: number, offset: number): Position => (segment * segmentSpan + offset) as Position;
export const segmentOf = (position: number): number => Math.floor(position / segmentSpan);
export const offsetOf = (position: number): number => position % segmentSpan;

/** Throws {@link RangeError} for a stream that the log cannot name. */
export function checkStream(stream: StreamId): void {
  if (!kindPattern.test(stream.kind)) {
    throw new RangeError(`stream kind "${stream.kind}": 1 to ${kindLengthMax} of a-z 0-9 _ -, beginning with a letter`);
  }
  if (!Number.isSafeInteger(stream.id) || stream.id < 0) {
    throw new RangeError(`stream id ${stream.id}: an integer from 0 to 2^53-1`);
  }
}

const kindBytesOf = new Map<string, Buffer>();
/** Kinds are few (one an actor kind); this bounds what a confused caller can make us remember. */
const kindsRememberedMax = 256;

function kindBytes(kind: string): Buffer {
  let bytes = kindBytesOf.get(kind);
  if (bytes === undefined) {
    bytes = Buffer.alloc(kindLengthMax);
    bytes.write(kind, 'latin1');
    if (kindBytesOf.size < kindsRememberedMax) kindBytesOf.set(kind, bytes);
  }
  return bytes;
}

export interface RecordFields {
  readonly type: number;
  readonly kind: string;
  readonly id: number;
  readonly slot: number;
  readonly version: number;
  readonly count: number;
  readonly epoch: number;
}

/** Writes header and body at `offset`, except for what only the log process knows: position, slot chain, commit start, checksums. */
export function writeRecord(out: Buffer, offset: number, fields: RecordFields, body: Uint8Array): number {
  const length = body.byteLength;
  // What is filled in later, or never: nothing else of this process's memory leaves with a record.
  out.fill(0, offset, offset + recordHeaderBytes);
  out.writeUInt32LE(recordMark, offset);
  out.writeUInt32LE(length, offset + at.bodyLength);
  out[offset + at.type] = fields.type;
  out[offset + at.kindLength] = fields.kind.length;
  out.writeUInt16LE(fields.slot, offset + at.slot);
  out.writeUInt32LE(fields.count, offset + at.count);
  out.writeDoubleLE(fields.id, offset + at.id);
  out.writeDoubleLE(fields.version, offset + at.version);
  out.writeDoubleLE(fields.epoch, offset + at.epoch);
  out.set(kindBytes(fields.kind), offset + at.kind);
  out.set(body, offset + recordHeaderBytes);
  const total = recordBytes(length);
  out.fill(0, offset + recordHeaderBytes + length, offset + total);
  return total;
}

/** Completes a record in place: from here on it is whole and checks. */
export function placeRecord(
  out: Buffer,
  offset: number,
  position: number,
  slotPrev: number,
  commitStart: number,
): void {
  out.writeDoubleLE(slotPrev, offset + at.slotPrev);
  out.writeDoubleLE(position, offset + at.position);
  out.writeUInt32LE(commitStart, offset + at.commitStart);
  const length = out.readUInt32LE(offset + at.bodyLength);
  out.writeUInt32LE(
    crc32(out.subarray(offset + recordHeaderBytes, offset + recordHeaderBytes + length)),
    offset + at.bodyCrc,
  );
  out.writeUInt32LE(headerCrc(out, offset), offset + at.headerCrc);
}

const table = new Int32Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  table[n] = c;
}

/** In JavaScript on purpose: for 72 bytes the call into zlib and the view for it cost more. */
function headerCrc(bytes: Buffer, offset: number): number {
  let c = -1;
  for (let i = offset + at.bodyCrc; i < offset + recordHeaderBytes; i++) {
    c = (table[(c ^ (bytes[i] as number)) & 255] as number) ^ (c >>> 8);
  }
  return (c ^ -1) >>> 0;
}

/** Whether a whole, undamaged header that belongs to `position` lies at `offset`. Says nothing about the body. */
export function headerChecks(bytes: Buffer, offset: number, position: number): boolean {
  return (
    offset + recordHeaderBytes <= bytes.length &&
    bytes.readUInt32LE(offset) === recordMark &&
    bytes.readDoubleLE(offset + at.position) === position &&
    bytes.readUInt32LE(offset + at.headerCrc) === headerCrc(bytes, offset)
  );
}

/** Whether the body behind a header that checks is there and undamaged. */
export function bodyChecks(bytes: Buffer, offset: number): boolean {
  const length = bytes.readUInt32LE(offset + at.bodyLength);
  const start = offset + recordHeaderBytes;
  return (
    start + length <= bytes.length &&
    crc32(bytes.subarray(start, start + length)) === bytes.readUInt32LE(offset + at.bodyCrc)
  );
}

const kindNames = new Map<number, string>();

/** The kind's name; the short ones that all real kinds are come from a table instead of a decoder. */
export function kindAt(bytes: Buffer, offset: number): string {
  const start = offset + at.kind;
  const length = bytes[offset + at.kindLength] as number;
  if (length > 6) return bytes.toString('latin1', start, start + Math.min(length, kindLengthMax));
  const key = bytes.readUIntLE(start, 6);
  let name = kindNames.get(key);
  if (name === undefined) {
    name = bytes.toString('latin1', start, start + length);
    if (kindNames.size < kindsRememberedMax) kindNames.set(key, name);
  }
  return name;
}

/** The record at `offset` as the port knows it; `bytes` is a view. */
export function readRecord(bytes: Buffer, offset: number): LogRecord {
  const start = offset + recordHeaderBytes;
  return {
    stream: { kind: kindAt(bytes, offset), id: bytes.readDoubleLE(offset + at.id) },
    version: bytes.readDoubleLE(offset + at.version) as Version,
    count: bytes.readUInt32LE(offset + at.count),
    epoch: bytes.readDoubleLE(offset + at.epoch),
    position: bytes.readDoubleLE(offset + at.position) as Position,
    bytes: bytes.subarray(start, start + bytes.readUInt32LE(offset + at.bodyLength)),
  };
}

/** All records of a run of whole, checked records. */
export function readRecords(bytes: Buffer): LogRecord[] {
  const records: LogRecord[] = [];
  for (let offset = 0; offset < bytes.length; offset += recordBytes(bytes.readUInt32LE(offset + at.bodyLength))) {
    if (bytes[offset + at.type] === recordType.events) records.push(readRecord(bytes, offset));
  }
  return records;
}

export const slotAt = (bytes: Buffer, offset: number): Slot => bytes.readUInt16LE(offset + at.slot) as Slot;
