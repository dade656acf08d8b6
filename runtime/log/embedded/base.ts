/**
 * What outlives the segments that were removed, as one file beside those that are kept: from which segment on the log still
 * has everything, and of what lay before it each slot's epoch, the end of its chain, and the heads of the streams of which
 * nothing is left. Without it a lost index would take such a stream for an empty one, and fork it (I2).
 *
 *   0  mark, u32 first segment kept, u32 0, f64 number of heads
 *  24  256 × (f64 epoch, f64 position of the slot's last record, f64 position behind its last record of events)
 *      u32 checksum of all that
 *      blocks of heads: u32 bytes, u32 checksum, heads sorted by kind and id, each kind (12) id f64 head f64, big endian
 *
 * Written anew as a whole and renamed into place: its size is that of the heads, not of the history.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { slotCount } from '../../../proto/ids.ts';
import { LogDamagedError } from '../event-log.ts';
import { type Disk, type DiskFile, readStart, replaceFile } from './disk.ts';
import { kindLengthMax } from './record.ts';

export const baseName = 'base';
const baseMark = 'HUNTBAS1';
const tableAt = 24;
const slotBytes = 24;
const headerBytes = tableAt + slotCount * slotBytes + 4;
const headBytes = kindLengthMax + 16;
const keyBytes = kindLengthMax + 8;
/** About a millisecond of work between two trips to the disk. */
const blockHeads = 2_000;

export interface Base {
  /** The first segment that is kept. */
  readonly floor: number;
  readonly epochs: Float64Array;
  readonly slotLast: Float64Array;
  readonly ends: Float64Array;
}

export const emptyBase = (): Base => ({
  floor: 1,
  epochs: new Float64Array(slotCount),
  slotLast: new Float64Array(slotCount),
  ends: new Float64Array(slotCount),
});

export interface StreamHead {
  readonly kind: string;
  readonly id: number;
  readonly head: number;
}

/** Undefined: nothing was removed yet. Throws {@link LogDamagedError} when the file cannot be trusted. */
export async function readBase(disk: Disk, folder: string): Promise<Base | undefined> {
  const bytes = await readStart(disk, join(folder, baseName), headerBytes);
  if (bytes === undefined) return undefined;
  if (
    bytes.length < headerBytes ||
    bytes.toString('latin1', 0, 8) !== baseMark ||
    crc32(bytes.subarray(0, headerBytes - 4)) !== bytes.readUInt32LE(headerBytes - 4)
  ) {
    throw new LogDamagedError('the file "base" beside the segments is damaged: restore it from a copy');
  }
  const base = { ...emptyBase(), floor: bytes.readUInt32LE(8) };
  for (let slot = 0; slot < slotCount; slot++) {
    const at = tableAt + slot * slotBytes;
    base.epochs[slot] = bytes.readDoubleLE(at);
    base.slotLast[slot] = bytes.readDoubleLE(at + 8);
    base.ends[slot] = bytes.readDoubleLE(at + 16);
  }
  return base;
}

/** The heads, sorted, in blocks. Throws {@link LogDamagedError} at the first block that fails its checksum. */
export async function* readHeads(disk: Disk, folder: string): AsyncGenerator<readonly StreamHead[], void, void> {
  for await (const block of readBlocks(disk, folder)) yield headsOf(block);
}

async function* readBlocks(disk: Disk, folder: string): AsyncGenerator<Buffer, void, void> {
  if (!(await disk.list(folder)).includes(baseName)) return;
  const file = await disk.open(join(folder, baseName), { readOnly: true });
  const damaged = (): LogDamagedError =>
    new LogDamagedError('heads in the file "base" beside the segments are damaged: restore it from a copy');
  try {
    const start = Buffer.alloc(tableAt);
    await file.read(start, 0);
    const prefix = Buffer.alloc(8);
    let at = headerBytes;
    for (let left = start.readDoubleLE(16); left > 0; ) {
      if ((await file.read(prefix, at)) < prefix.length) throw damaged();
      const length = prefix.readUInt32LE(0);
      if (length === 0 || length > blockHeads * headBytes || length % headBytes !== 0) throw damaged();
      const block = Buffer.allocUnsafe(length);
      if ((await file.read(block, at + prefix.length)) < length || crc32(block) !== prefix.readUInt32LE(4))
        throw damaged();
      yield block;
      at += prefix.length + length;
      left -= length / headBytes;
    }
  } finally {
    await file.close();
  }
}

function headsOf(block: Buffer): StreamHead[] {
  const heads: StreamHead[] = [];
  for (let at = 0; at < block.length; at += headBytes) {
    const kind = block.toString('latin1', at, at + kindLengthMax);
    const end = kind.indexOf('\0');
    heads.push({
      kind: end === -1 ? kind : kind.slice(0, end),
      id: block.readDoubleBE(at + kindLengthMax),
      head: block.readDoubleBE(at + keyBytes),
    });
  }
  return heads;
}

/** One head as it lies in a block; its first bytes order it. */
function encoded({ kind, id, head }: StreamHead): Buffer {
  const bytes = Buffer.alloc(headBytes);
  bytes.write(kind, 'latin1');
  bytes.writeDoubleBE(id, kindLengthMax);
  bytes.writeDoubleBE(head, keyBytes);
  return bytes;
}

const byKey = (a: Buffer, b: Buffer): number => a.compare(b, 0, keyBytes, 0, keyBytes);

/** Replaces the base: the heads that it had and `more` of them, the higher one where both name a stream. */
export async function writeBase(disk: Disk, folder: string, base: Base, more: readonly StreamHead[]): Promise<void> {
  const fresh = more.map(encoded).sort(byKey);
  await replaceFile(disk, folder, baseName, async (file) => {
    const out = new BlockWriter(file);
    let next = 0;
    for await (const block of readBlocks(disk, folder)) {
      for (let at = 0; at < block.length; at += headBytes) {
        const held = block.subarray(at, at + headBytes);
        for (; next < fresh.length && byKey(fresh[next] as Buffer, held) < 0; next++)
          await out.add(fresh[next] as Buffer);
        const same = next < fresh.length && byKey(fresh[next] as Buffer, held) === 0 ? fresh[next++] : undefined;
        const newer = same !== undefined && same.readDoubleBE(keyBytes) > held.readDoubleBE(keyBytes);
        await out.add(newer ? same : held);
      }
    }
    for (; next < fresh.length; next++) await out.add(fresh[next] as Buffer);
    await out.flush();
    await file.write(headerOf(base, out.count), 0);
  });
}

class BlockWriter {
  readonly #block = Buffer.allocUnsafe(blockHeads * headBytes);
  #filled = 0;
  #at = headerBytes;
  count = 0;

  constructor(private readonly file: DiskFile) {}

  /** Nothing to wait for but once a block. */
  add(head: Buffer): Promise<void> | undefined {
    head.copy(this.#block, this.#filled);
    this.#filled += headBytes;
    this.count++;
    return this.#filled === this.#block.length ? this.flush() : undefined;
  }

  async flush(): Promise<void> {
    if (this.#filled === 0) return;
    const prefix = Buffer.alloc(8);
    const block = this.#block.subarray(0, this.#filled);
    prefix.writeUInt32LE(block.length, 0);
    prefix.writeUInt32LE(crc32(block), 4);
    await this.file.write(Buffer.concat([prefix, block]), this.#at);
    this.#at += prefix.length + block.length;
    this.#filled = 0;
  }
}

function headerOf(base: Base, heads: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.write(baseMark, 'latin1');
  bytes.writeUInt32LE(base.floor, 8);
  bytes.writeDoubleLE(heads, 16);
  for (let slot = 0; slot < slotCount; slot++) {
    const at = tableAt + slot * slotBytes;
    bytes.writeDoubleLE(base.epochs[slot] as number, at);
    bytes.writeDoubleLE(base.slotLast[slot] as number, at + 8);
    bytes.writeDoubleLE(base.ends[slot] as number, at + 16);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, headerBytes - 4)), headerBytes - 4);
  return bytes;
}
