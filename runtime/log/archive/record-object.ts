/**
 * One archive object: the records of one slot at positions [from, to), in the order of the log.
 *
 *   "HUNTARC1", blocks (record-block.ts), then sealed (sealed.ts): u32 slot, f64 from, f64 to, f64 records, f64 record bytes,
 *   f64 oldest and newest time, u32 blocks, per block f64 offset, u32 packed, u32 plain, u32 checksum, f64 first and last
 *   position; then the stream table, whose places are numbers of blocks
 *
 * The same records make the same bytes: archiving again replaces an object by itself.
 */
import type { Position, Slot } from '../../../proto/ids.ts';
import type { LogRecord } from '../event-log.ts';
import { type BlockPlace, encodedBytes, openBlock, packBlock } from './record-block.ts';
import { indexLength, ObjectDamagedError, openSealed, seal, trailerBytes } from './sealed.ts';
import { type Row, StreamTable } from './stream-table.ts';

export const objectMark = 'HUNTARC1';
/** Plain bytes of a block: what a read of one record unpacks. */
export const blockBytes = 128 * 1024;
const metaBytes = 56;
const blockRowBytes = 36;

export interface ObjectMeta {
  readonly slot: Slot;
  readonly from: Position;
  readonly to: Position;
  readonly records: number;
  /** Of the records as the log has them. */
  readonly recordBytes: number;
  /** When the oldest and the newest of them occurred, ms since 1970. */
  readonly oldestAt: number;
  readonly newestAt: number;
}

export interface Footer {
  readonly meta: ObjectMeta;
  readonly blocks: readonly BlockPlace[];
  readonly table: StreamTable;
}

/** `records`: one at least, in the order of the log, all at positions [from, to). */
export async function encodeObject(
  meta: Omit<ObjectMeta, 'records' | 'recordBytes'>,
  records: readonly LogRecord[],
): Promise<{ readonly bytes: Buffer; readonly footer: Footer }> {
  const parts: Buffer[] = [Buffer.from(objectMark, 'latin1')];
  const blocks: BlockPlace[] = [];
  const rows: Row[] = [];
  let offset = objectMark.length;
  let recordBytes = 0;
  for (let i = 0; i < records.length; ) {
    const first = i;
    let plain = 0;
    for (; i < records.length && plain < blockBytes; i++) {
      const record = records[i] as LogRecord;
      plain += encodedBytes(record);
      recordBytes += record.bytes.byteLength;
    }
    const run = records.slice(first, i);
    const { bytes, place } = await packBlock(run, offset);
    rows.push(...rowsOf(run, blocks.length));
    blocks.push(place);
    parts.push(bytes);
    offset += bytes.length;
  }
  const footer = { meta: { ...meta, records: records.length, recordBytes }, blocks, table: StreamTable.of(rows) };
  parts.push(...(await seal(encodeFooter(footer))));
  return { bytes: Buffer.concat(parts), footer };
}

/** One row for each stream of the block, or several where its versions do not follow one another. */
function rowsOf(records: readonly LogRecord[], block: number): Row[] {
  const rows: Row[] = [];
  const open = new Map<string, { kind: string; id: number; first: number; last: number; place: [number, number] }>();
  for (const { stream, version, count } of records) {
    const key = `${stream.kind}/${stream.id}`;
    const row = open.get(key);
    if (row !== undefined && version === row.last + 1) row.last = version + count - 1;
    else {
      const begun = { ...stream, first: version, last: version + count - 1, place: [block, 0] as [number, number] };
      open.set(key, begun);
      rows.push(begun);
    }
  }
  return rows;
}

function encodeFooter({ meta, blocks, table }: Footer): Buffer {
  const head = Buffer.alloc(metaBytes + blocks.length * blockRowBytes);
  head.writeUInt32LE(meta.slot, 0);
  [meta.from, meta.to, meta.records, meta.recordBytes, meta.oldestAt, meta.newestAt].forEach((value, i) => {
    head.writeDoubleLE(value, 4 + i * 8);
  });
  head.writeUInt32LE(blocks.length, 52);
  for (const [i, block] of blocks.entries()) {
    const at = metaBytes + i * blockRowBytes;
    head.writeDoubleLE(block.offset, at);
    head.writeUInt32LE(block.packed, at + 8);
    head.writeUInt32LE(block.plain, at + 12);
    head.writeUInt32LE(block.checksum, at + 16);
    head.writeDoubleLE(block.firstPosition, at + 20);
    head.writeDoubleLE(block.lastPosition, at + 28);
  }
  return Buffer.concat([head, table.bytes]);
}

/** From the plain bytes of {@link openSealed}. */
export function decodeFooter(bytes: Buffer, object: string): Footer {
  try {
    const meta: ObjectMeta = {
      slot: bytes.readUInt32LE(0) as Slot,
      from: bytes.readDoubleLE(4) as Position,
      to: bytes.readDoubleLE(12) as Position,
      records: bytes.readDoubleLE(20),
      recordBytes: bytes.readDoubleLE(28),
      oldestAt: bytes.readDoubleLE(36),
      newestAt: bytes.readDoubleLE(44),
    };
    const blocks = Array.from({ length: bytes.readUInt32LE(52) }, (_, i): BlockPlace => {
      const at = metaBytes + i * blockRowBytes;
      return {
        offset: bytes.readDoubleLE(at),
        packed: bytes.readUInt32LE(at + 8),
        plain: bytes.readUInt32LE(at + 12),
        checksum: bytes.readUInt32LE(at + 16),
        firstPosition: bytes.readDoubleLE(at + 20),
        lastPosition: bytes.readDoubleLE(at + 28),
      };
    });
    return { meta, blocks, table: new StreamTable(bytes.subarray(metaBytes + blocks.length * blockRowBytes)) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ObjectDamagedError(object, 'its index is cut short');
  }
}

/** All of an object from its bytes, every checksum looked at; for verifying. Throws {@link ObjectDamagedError}. */
export async function decodeObject(
  bytes: Buffer,
  object: string,
): Promise<{ readonly footer: Footer; readonly records: readonly LogRecord[] }> {
  const trailer = bytes.subarray(Math.max(0, bytes.length - trailerBytes));
  const footerAt = bytes.length - trailerBytes - indexLength(trailer, object);
  if (footerAt < objectMark.length) throw new ObjectDamagedError(object, 'it is cut short');
  const packed = bytes.subarray(footerAt, bytes.length - trailerBytes);
  const footer = decodeFooter(await openSealed(packed, trailer, object), object);
  const check = new ObjectCheck(footer, object, bytes.subarray(0, objectMark.length));
  const records: LogRecord[] = [];
  for (const place of footer.blocks) {
    const block = await openBlock(bytes.subarray(place.offset, place.offset + place.packed), place, object);
    check.block(place, block);
    records.push(...block);
  }
  check.end(footerAt);
  return { footer, records };
}

/** That an object is nothing but its mark, its blocks and its index, one behind the other. */
export class ObjectCheck {
  #at = objectMark.length;
  #records = 0;

  constructor(
    private readonly footer: Footer,
    private readonly object: string,
    mark: Buffer,
  ) {
    if (mark.toString('latin1') !== objectMark) throw new ObjectDamagedError(object, 'it does not begin as one');
  }

  block(place: BlockPlace, records: readonly LogRecord[]): void {
    if (place.offset !== this.#at)
      throw new ObjectDamagedError(this.object, `a block at ${place.offset} where ${this.#at} follows`);
    this.#at += place.packed;
    this.#records += records.length;
  }

  end(indexAt: number): void {
    const { records } = this.footer.meta;
    if (this.#at !== indexAt || this.#records !== records)
      throw new ObjectDamagedError(this.object, `${this.#records} records up to ${this.#at} where ${records} were put`);
  }
}
