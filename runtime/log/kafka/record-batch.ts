/**
 * Kafka's record batch (magic 2), written and read: key and value alone, no headers, no compression, no producer id. Checked
 * by its CRC on reading, because a flipped byte must be reported and never be folded.
 *
 *   0 i64 base offset   12 i32 leader epoch   21 i16 attributes          27 i64 first timestamp   43 i64 producer id   53 i32 sequence
 *   8 i32 length        16 i8 magic  17 crc   23 i32 last offset delta   35 i64 max timestamp     51 i16 its epoch     57 i32 records
 */
import { LogDamagedError } from '../event-log.ts';
import { crc32c } from './crc32c.ts';
import { WireReader, type WireWriter } from './wire.ts';

const magic = 2;
const batchHeaderBytes = 61;
/** What a batch's length does not count: base offset and length. */
const batchPrefixBytes = 12;
const crcFrom = 21;
const compressionMask = 0x07;
const transactionalMask = 0x10;
const controlMask = 0x20;

export interface KafkaRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** At least of one record in a batch of its own, beside its key and value. */
export const batchOverheadBytes = batchHeaderBytes + 24;

export function writeRecordBatch(out: WireWriter, records: readonly KafkaRecord[], timestamp: number): void {
  const start = out.length;
  out.i64(0).i32(0).i32(0).i8(magic).i32(0);
  out.i16(0).i32(records.length - 1);
  out.i64(timestamp).i64(timestamp).i64(-1).i16(-1).i32(-1).i32(records.length);
  for (const [i, { key, value }] of records.entries()) {
    // Lengths and deltas are zigzag: twice the number.
    const body =
      3 + varintBytes(2 * i) + varintBytes(2 * key.byteLength) + varintBytes(2 * value.byteLength) + key.byteLength;
    out.varint(2 * (body + value.byteLength));
    out
      .i8(0)
      .i8(0)
      .varint(2 * i);
    out.varint(2 * key.byteLength).raw(key);
    out.varint(2 * value.byteLength).raw(value);
    out.i8(0);
  }
  out.setI32(start + 8, out.length - start - batchPrefixBytes);
  out.setI32(start + 17, crc32c(out.written, start + crcFrom, out.length));
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/** One record where it lies in a fetched buffer; a record without a key or a value has an empty one. */
export interface RecordPlace {
  readonly bytes: Buffer;
  readonly keyFrom: number;
  readonly keyTo: number;
  readonly valueFrom: number;
  readonly valueTo: number;
}

/** Calls `visit` for each record of the whole batches; a batch that was cut off at the end is left out. */
export function readRecordBatches(
  bytes: Buffer,
  from: number,
  to: number,
  visit: (offset: number, place: RecordPlace) => void,
): void {
  for (let at = from; to - at >= batchHeaderBytes; ) {
    const header = new WireReader(bytes, at, to);
    const base = header.i64();
    const end = at + batchPrefixBytes + header.i32();
    if (end > to) return;
    header.skip(4);
    const found = header.i8();
    if (found !== magic) throw new LogDamagedError(`the record batch at offset ${base} has format ${found}`);
    if (header.i32() !== crc32c(bytes, at + crcFrom, end))
      throw new LogDamagedError(`the record batch at offset ${base} does not match its checksum`);
    const attributes = header.i16();
    if ((attributes & compressionMask) !== 0)
      throw new LogDamagedError(`the record batch at offset ${base} is compressed: set compression.type=uncompressed`);
    if ((attributes & (transactionalMask | controlMask)) !== 0)
      throw new LogDamagedError(
        `the record batch at offset ${base} is of a transaction: nothing else may write this topic`,
      );
    readRecords(new WireReader(bytes, at + batchHeaderBytes - 4, end), base, visit);
    at = end;
  }
}

function readRecords(reader: WireReader, base: number, visit: (offset: number, place: RecordPlace) => void): void {
  const { bytes } = reader;
  for (let left = reader.i32(); left > 0; left--) {
    const next = reader.varint() / 2 + reader.at;
    reader.skip(1);
    reader.varint();
    const offset = base + reader.varint() / 2;
    const keyLength = lengthOf(reader.varint());
    const keyFrom = reader.at;
    reader.skip(keyLength);
    const valueLength = lengthOf(reader.varint());
    const valueFrom = reader.at;
    visit(offset, { bytes, keyFrom, keyTo: keyFrom + keyLength, valueFrom, valueTo: valueFrom + valueLength });
    reader.at = next;
  }
}

/** Zigzag; -1 stands for null. */
const lengthOf = (zigzag: number): number => (zigzag === 1 ? 0 : zigzag / 2);
