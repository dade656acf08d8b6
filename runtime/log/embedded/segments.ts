/**
 * The folder of segment files: `00000001.seg`, `00000002.seg`, … Each is filled with zeros before it is used, so that an
 * append changes no metadata and one O_DSYNC write is one trip to the disk. Owns the open files (one descriptor each for
 * appending and, bounded, for reading) and the preparation of the next segment; knows nothing of what is in them.
 *
 * A segment begins with 64 bytes: mark, format, number, size, checksum. A half prepared one is called `.new` and is thrown
 * away at the next start.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Clock } from '../../kernel/clock.ts';
import type { Timers } from '../../kernel/timer.ts';
import { LogDamagedError } from '../event-log.ts';
import { type Disk, type DiskFile, noSpace, storeRoomBytes } from './disk.ts';

export const segmentHeaderBytes = 64;
export const segmentBytesDefault = 64 * 1024 * 1024;
export const segmentBytesMin = 16 * 1024;
const segmentMark = 'HUNTSEG1';
const zeroChunkBytes = 256 * 1024;
/** Between two chunks of zeros it pauses as long as the chunk took, within these: the commits need the disk more. */
const zeroPauseMsMin = 1;
const zeroPauseMsMax = 20;
const readersMax = 64;
const closeAfterMs = 10_000;

export const segmentName = (number: number): string => `${String(number).padStart(8, '0')}.seg`;
const segmentPattern = /^(\d{8,})\.seg$/;

/** Numbers of the segments in the folder, rising. */
export async function listSegments(disk: Disk, folder: string): Promise<number[]> {
  const numbers: number[] = [];
  for (const name of await disk.list(folder)) {
    const match = segmentPattern.exec(name);
    if (match !== null) numbers.push(Number(match[1]));
  }
  return numbers.sort((a, b) => a - b);
}

export function segmentHeader(number: number, size: number): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes);
  header.write(segmentMark, 'latin1');
  header.writeUInt32LE(number, 8);
  header.writeUInt32LE(size, 12);
  header.writeUInt32LE(crc32(header.subarray(0, 16)), 16);
  return header;
}

/** The segment's size by its header, or undefined if the header is damaged. */
export function segmentSizeOf(header: Buffer, number: number): number | undefined {
  if (header.length < segmentHeaderBytes || header.toString('latin1', 0, 8) !== segmentMark) return undefined;
  if (crc32(header.subarray(0, 16)) !== header.readUInt32LE(16) || header.readUInt32LE(8) !== number) return undefined;
  return header.readUInt32LE(12);
}

/** A segment that can be appended to. */
export interface OpenSegment {
  readonly number: number;
  readonly size: number;
  readonly file: DiskFile;
}

export class Segments {
  readonly #readers = new Map<number, Promise<DiskFile>>();

  constructor(
    private readonly disk: Disk,
    readonly folder: string,
    private readonly clock: Clock,
    private readonly timers: Timers,
    /** Descriptors for appending are opened with O_DSYNC. */
    readonly syncs: boolean,
    /** Size of new segments. */
    readonly bytes: number,
  ) {}

  path(number: number): string {
    return join(this.folder, segmentName(number));
  }

  async list(): Promise<number[]> {
    for (const name of await this.disk.list(this.folder)) {
      if (name.endsWith('.new')) await this.disk.remove(join(this.folder, name));
    }
    return listSegments(this.disk, this.folder);
  }

  /** Makes segment `number`: zeros, header, synced, and only then under its name. `hurry`: somebody waits for it. */
  async prepare(number: number, hurry: () => boolean): Promise<OpenSegment> {
    await this.#checkRoom();
    const temporary = `${this.path(number)}.new`;
    const file = await this.disk.open(temporary, { create: true });
    try {
      const zeros = Buffer.alloc(Math.min(zeroChunkBytes, this.bytes));
      for (let offset = 0; offset < this.bytes; offset += zeros.length) {
        const began = this.clock.monotonic();
        await file.write(zeros.subarray(0, Math.min(zeros.length, this.bytes - offset)), offset);
        await file.sync();
        const pause = Math.min(zeroPauseMsMax, Math.max(zeroPauseMsMin, this.clock.monotonic() - began));
        if (!hurry()) await new Promise<void>((resolve) => this.timers.after(Math.round(pause), resolve));
      }
      await file.write(segmentHeader(number, this.bytes), 0);
      await file.sync();
      await file.close();
    } catch (error) {
      await file.close().catch(() => undefined);
      await this.disk.remove(temporary).catch(() => undefined);
      throw error;
    }
    await this.disk.rename(temporary, this.path(number));
    await this.disk.syncFolder(this.folder);
    return this.openForAppend(number, this.bytes);
  }

  /** Asked first, so that a disk that is nearly full is not filled with zeros again and again, and index and pages keep some of it. */
  async #checkRoom(): Promise<void> {
    const free = await this.disk.freeBytes?.(this.folder);
    const needed = this.bytes + 2 * storeRoomBytes;
    if (free !== undefined && free < needed) throw noSpace(free, needed);
  }

  async openForAppend(number: number, size: number): Promise<OpenSegment> {
    return { number, size, file: await this.disk.open(this.path(number), { syncs: this.syncs }) };
  }

  /** `into.length` bytes of a segment. Throws {@link LogDamagedError} when they are not there. */
  async read(number: number, into: Buffer, offset: number): Promise<void> {
    let reader = this.#readers.get(number);
    if (reader === undefined) {
      reader = this.disk.open(this.path(number), { readOnly: true });
      this.#readers.set(number, reader);
      if (this.#readers.size > readersMax) {
        const [oldest, file] = this.#readers.entries().next().value as [number, Promise<DiskFile>];
        this.#readers.delete(oldest);
        this.#closeLater(file);
      }
    }
    let file: DiskFile;
    try {
      file = await reader;
    } catch (error) {
      this.#readers.delete(number);
      throw new LogDamagedError(`segment ${segmentName(number)} cannot be opened: ${(error as Error).message}`);
    }
    const got = await file.read(into, offset);
    if (got < into.length)
      throw new LogDamagedError(
        `segment ${segmentName(number)} ends at ${offset + got}: bytes up to ${offset + into.length} are missing`,
      );
  }

  /** By its header. Throws {@link LogDamagedError} when that is not to be trusted. */
  async size(number: number): Promise<number> {
    const header = Buffer.alloc(segmentHeaderBytes);
    await this.read(number, header, 0);
    const size = segmentSizeOf(header, number);
    if (size === undefined) throw new LogDamagedError(`the header of segment ${segmentName(number)} is damaged`);
    return size;
  }

  /** For good. A read that is under way still finishes. */
  async remove(number: number): Promise<void> {
    await this.disk.remove(this.path(number));
    const reader = this.#readers.get(number);
    this.#readers.delete(number);
    if (reader !== undefined) this.#closeLater(reader);
  }

  /** Removals survive power loss when this resolves. */
  syncFolder(): Promise<void> {
    return this.disk.syncFolder(this.folder);
  }

  /** The whole segment, for scanning at the start. */
  async load(number: number): Promise<{ bytes: Buffer; size: number | undefined }> {
    const file = await this.disk.open(this.path(number), { readOnly: true });
    try {
      const header = Buffer.alloc(segmentHeaderBytes);
      const got = await file.read(header, 0);
      const size = segmentSizeOf(header.subarray(0, got), number);
      const bytes = Buffer.allocUnsafeSlow(size ?? this.bytes);
      const length = await file.read(bytes, 0);
      return { bytes: bytes.subarray(0, length), size };
    } finally {
      await file.close();
    }
  }

  /** A read that is under way finishes on its own descriptor first: closing waits behind it. */
  #closeLater(reader: Promise<DiskFile>): void {
    void reader
      .then((open) => this.timers.after(closeAfterMs, () => void open.close().catch(() => undefined)))
      .catch(() => undefined);
  }

  async close(): Promise<void> {
    for (const reader of this.#readers.values()) {
      await reader.then((file) => file.close()).catch(() => undefined);
    }
    this.#readers.clear();
  }
}
