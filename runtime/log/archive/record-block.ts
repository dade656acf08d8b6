/**
 * A run of whole records as it lies, packed, in an archive object. Little endian:
 *
 *   u8 kind length, kind, f64 id, f64 version, u32 count, f64 epoch, f64 position, u32 length, bytes
 */
import { crc32 } from 'node:zlib';
import type { Position, Version } from '../../../proto/ids.ts';
import type { LogRecord } from '../event-log.ts';
import { ObjectDamagedError, pack, unpack } from './sealed.ts';

/** Beside the kind and the bytes. */
const fieldBytes = 40;

export interface BlockPlace {
  readonly offset: number;
  readonly packed: number;
  readonly plain: number;
  readonly checksum: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
}

/** The block's packed bytes, and its place if it lies at `offset`. */
export async function packBlock(
  records: readonly LogRecord[],
  offset: number,
): Promise<{ readonly bytes: Buffer; readonly place: BlockPlace }> {
  let plain = 0;
  for (const record of records) plain += encodedBytes(record);
  const bytes = await pack(encodeRecords(records, plain));
  const [first, last] = [records[0] as LogRecord, records.at(-1) as LogRecord];
  return {
    bytes,
    place: {
      offset,
      packed: bytes.length,
      plain,
      checksum: crc32(bytes),
      firstPosition: first.position,
      lastPosition: last.position,
    },
  };
}

/** The block's records, from its packed bytes. */
export async function openBlock(packed: Buffer, place: BlockPlace, object: string): Promise<LogRecord[]> {
  if (packed.length !== place.packed || crc32(packed) !== place.checksum)
    throw new ObjectDamagedError(object, `the block at ${place.offset} is damaged`);
  try {
    return decodeRecords(await unpack(packed, place.plain, object));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ObjectDamagedError(object, `the block at ${place.offset} ends within a record`);
  }
}

/** What the record takes in a block. */
export const encodedBytes = (record: LogRecord): number =>
  1 + record.stream.kind.length + fieldBytes + record.bytes.byteLength;

function encodeRecords(records: readonly LogRecord[], length: number): Buffer {
  const out = Buffer.allocUnsafe(length);
  let at = 0;
  for (const { stream, version, count, epoch, position, bytes } of records) {
    out[at] = stream.kind.length;
    out.write(stream.kind, at + 1, 'latin1');
    at += 1 + stream.kind.length;
    out.writeDoubleLE(stream.id, at);
    out.writeDoubleLE(version, at + 8);
    out.writeUInt32LE(count, at + 16);
    out.writeDoubleLE(epoch, at + 20);
    out.writeDoubleLE(position, at + 28);
    out.writeUInt32LE(bytes.byteLength, at + 36);
    out.set(bytes, at + fieldBytes);
    at += fieldBytes + bytes.byteLength;
  }
  return out;
}

function decodeRecords(block: Buffer): LogRecord[] {
  const records: LogRecord[] = [];
  for (let at = 0; at < block.length; ) {
    const kindLength = block.readUInt8(at);
    const kind = block.toString('latin1', at + 1, at + 1 + kindLength);
    at += 1 + kindLength;
    const length = block.readUInt32LE(at + 36);
    if (at + fieldBytes + length > block.length) throw new RangeError('a record that ends behind its block');
    records.push({
      stream: { kind, id: block.readDoubleLE(at) },
      version: block.readDoubleLE(at + 8) as Version,
      count: block.readUInt32LE(at + 16),
      epoch: block.readDoubleLE(at + 20),
      position: block.readDoubleLE(at + 28) as Position,
      bytes: block.subarray(at + fieldBytes, at + fieldBytes + length),
    });
    at += fieldBytes + length;
  }
  return records;
}
