/**
 * Reads history back from the archive. Owns bounded copies (I5) of what it looked at: what is listed of each slot, the tables
 * of objects and catalogs, unpacked blocks. Objects never change, so copies never age; listings do, and whoever finds less
 * than it looked for lists again before it says so.
 *
 * Damage is reported and never skipped: what another object holds whole is read there, all else throws.
 */
import { LRUCache } from 'lru-cache';
import {
  type Position,
  type Slot,
  type StreamId,
  slotCount,
  slotOf,
  streamKey,
  type Version,
} from '../../../proto/ids.ts';
import { LogDamagedError, type LogRecord } from '../event-log.ts';
import type { Archive } from './archive.ts';
import { decodeCatalog } from './catalog.ts';
import { type BlockPlace, openBlock } from './record-block.ts';
import { decodeFooter, type Footer } from './record-object.ts';
import { indexLength, ObjectDamagedError, openSealed, trailerBytes } from './sealed.ts';
import { type Listed, Shelf } from './shelf.ts';
import type { Row, StreamTable } from './stream-table.ts';

const tableCacheBytesMax = 16 * 1024 * 1024;
const blockCacheBytesMax = 8 * 1024 * 1024;
/** Of an object whose index is read first: most indexes fit, the others take a second read. */
const tailBytes = 32 * 1024;
/** Of a table or a block in memory, beside its bytes. */
const overheadBytes = 500;

export interface ArchivedRecords {
  /** From the one that contains what was asked for; none if the archive does not hold it. */
  readonly records: readonly LogRecord[];
  /** The lowest version that the archive holds of the stream. */
  readonly oldest: Version | undefined;
}

export interface ArchivedSlot {
  readonly records: readonly LogRecord[];
  /** Where to read on: in the archive, or in the log. */
  readonly next: Position;
  /** The first position that the archive answers for. */
  readonly oldest: Position;
}

export class ArchiveReader {
  readonly #shelves = new LRUCache<Slot, Shelf>({ max: slotCount });
  readonly #footers: LRUCache<string, Footer>;
  readonly #catalogs: LRUCache<string, StreamTable>;
  readonly #blocks: LRUCache<string, { readonly records: readonly LogRecord[]; readonly bytes: number }>;
  /** What is being read now: once, however many want it. */
  readonly #reading = new Map<string, Promise<unknown>>();

  constructor(
    private readonly archive: Archive,
    /** A damaged object was found; told once for each listing. */
    private readonly onDamage: (message: string) => void = () => {},
  ) {
    const sizeOf = (table: StreamTable): number => table.bytes.length + overheadBytes;
    this.#footers = new LRUCache({
      maxSize: tableCacheBytesMax / 2,
      sizeCalculation: ({ table, blocks }) => sizeOf(table) + blocks.length * overheadBytes,
    });
    this.#catalogs = new LRUCache({ maxSize: tableCacheBytesMax / 2, sizeCalculation: sizeOf });
    this.#blocks = new LRUCache({ maxSize: blockCacheBytesMax, sizeCalculation: ({ bytes }) => bytes + overheadBytes });
  }

  /**
   * Records of the stream from the one that holds `from` on, about `bytesMax` bytes, at least one if the archive holds it.
   * What begins at `below` or behind is not looked for: the log has it.
   */
  stream(stream: StreamId, from: Version, bytesMax: number, below: Version): Promise<ArchivedRecords> {
    return this.#onShelf(slotOf(stream.id), async (shelf, isFresh) => {
      const records: LogRecord[] = [];
      let bytes = 0;
      let expected = from as number;
      while (bytes < bytesMax && expected < below) {
        const found = await this.#locate(shelf, stream, expected as Version);
        if (found === undefined || found.row.first > expected) break;
        const before = expected;
        for (const record of await this.#block(found.object, found.block, found.row.place[0])) {
          const last = record.version + record.count - 1;
          if (streamKey(record.stream) !== streamKey(stream) || last < expected) continue;
          if (record.version > (records.length === 0 ? from : expected)) break;
          if (records.length > 0 && bytes + record.bytes.byteLength > bytesMax) return { records, oldest: undefined };
          records.push(record);
          bytes += record.bytes.byteLength;
          expected = last + 1;
        }
        if (expected === before)
          throw new ObjectDamagedError(
            found.object.object,
            `it lacks version ${before} of ${streamKey(stream)}, which its index names`,
          );
      }
      if (records.length > 0) return { records, oldest: undefined };
      if (!isFresh) return undefined;
      if (shelf.fault !== undefined) throw new LogDamagedError(shelf.fault);
      const oldest = (await this.#locate(shelf, stream, 1 as Version))?.row.first;
      return { records, oldest: oldest as Version | undefined };
    });
  }

  /** Records of the slot from `from` on. Undefined if the archive ends before. */
  slot(slot: Slot, from: Position, bytesMax: number): Promise<ArchivedSlot | undefined> {
    return this.#onShelf<ArchivedSlot | null>(slot, async (shelf, isFresh) => {
      const oldest = shelf.records[0]?.from;
      if (oldest === undefined) return isFresh ? null : undefined;
      const records: LogRecord[] = [];
      const start = Math.max(from, oldest) as Position;
      let bytes = 0;
      let at = start;
      for (const listed of shelf.records) {
        if (listed.to <= at) continue;
        if (listed.from > at) {
          if (at > start) break;
          if (!isFresh) return undefined;
          throw new LogDamagedError(shelf.fault ?? `the archive lacks position ${at} of slot ${slot}`);
        }
        const { blocks } = await this.#footer(listed);
        for (const [i, block] of blocks.entries()) {
          if (block.lastPosition < at) continue;
          for (const record of await this.#block(listed, block, i)) {
            if (record.position < at) continue;
            if (records.length > 0 && bytes + record.bytes.byteLength > bytesMax)
              return { records, next: record.position, oldest };
            records.push(record);
            bytes += record.bytes.byteLength;
          }
        }
        at = listed.to;
        if (bytes >= bytesMax) break;
      }
      if (at > start) return { records, next: at, oldest };
      return isFresh ? null : undefined;
    }).then((found) => found ?? undefined);
  }

  /** The first position that the archive answers for; undefined if it holds nothing of the slot. */
  async oldestOf(slot: Slot): Promise<Position | undefined> {
    return (await this.#shelf(slot)).records[0]?.from;
  }

  /** Where the stream's version is, or else the first of it behind that. */
  async #locate(
    shelf: Shelf,
    stream: StreamId,
    version: Version,
  ): Promise<{ readonly object: Listed; readonly block: BlockPlace; readonly row: Row } | undefined> {
    for (const listed of shelf.cover) {
      let object = listed;
      if (listed.level > 0) {
        const row = (await this.#catalog(listed)).find(stream, version);
        if (row === undefined) continue;
        const named = shelf.object(...row.place);
        if (named === undefined) throw new ObjectDamagedError(listed.object, 'it names an object that is not there');
        object = named;
      }
      const { table, blocks } = await this.#footer(object);
      const row = table.find(stream, version);
      const block = row && blocks[row.place[0]];
      if (row !== undefined && block !== undefined) return { object, block, row };
    }
    return undefined;
  }

  /** Does the work on what is listed; again on a new listing when it found less (undefined), and without what is damaged. */
  async #onShelf<T>(slot: Slot, work: (shelf: Shelf, isFresh: boolean) => Promise<T | undefined>): Promise<T> {
    let isFresh = !this.#shelves.has(slot);
    const damaged = new Set<string>();
    for (;;) {
      const shelf = await this.#shelf(slot);
      try {
        const done = await work(shelf, isFresh);
        if (done !== undefined) return done;
        this.#shelves.delete(slot);
        isFresh = true;
      } catch (error) {
        if (!(error instanceof ObjectDamagedError)) throw error;
        if (shelf.setAside(error.object, error.message)) this.onDamage(error.message);
        else if (damaged.has(error.object)) throw error;
        damaged.add(error.object);
      }
    }
  }

  async #shelf(slot: Slot): Promise<Shelf> {
    const held = this.#shelves.get(slot);
    if (held !== undefined) return held;
    const listed = await this.#once(`slot ${slot}`, () => Shelf.list(this.archive, slot));
    this.#shelves.set(slot, listed);
    return listed;
  }

  async #footer(listed: Listed): Promise<Footer> {
    const held = this.#footers.get(listed.object);
    if (held !== undefined) return held;
    const footer = await this.#once(listed.object, () => readFooter(this.archive, listed));
    this.#footers.set(listed.object, footer);
    return footer;
  }

  async #catalog(listed: Listed): Promise<StreamTable> {
    const held = this.#catalogs.get(listed.object);
    if (held !== undefined) return held;
    const table = await this.#once(listed.object, async () =>
      decodeCatalog(await bytesOf(this.archive, listed.object, 0, listed.bytes), listed.object),
    );
    this.#catalogs.set(listed.object, table);
    return table;
  }

  async #block(listed: Listed, place: BlockPlace, number: number): Promise<readonly LogRecord[]> {
    const key = `${listed.object}#${number}`;
    const held = this.#blocks.get(key);
    if (held !== undefined) return held.records;
    const records = await this.#once(key, async () =>
      openBlock(await bytesOf(this.archive, listed.object, place.offset, place.packed), place, listed.object),
    );
    this.#blocks.set(key, { records, bytes: place.plain });
    return records;
  }

  #once<T>(key: string, read: () => Promise<T>): Promise<T> {
    let reading = this.#reading.get(key) as Promise<T> | undefined;
    if (reading === undefined) {
      reading = read().finally(() => this.#reading.delete(key));
      this.#reading.set(key, reading);
    }
    return reading;
  }
}

/** The index of an object of records, by one read from its end, or two. */
export async function readFooter(archive: Archive, listed: Listed): Promise<Footer> {
  const { object, bytes: size } = listed;
  let tail = await bytesOf(archive, object, Math.max(0, size - tailBytes), tailBytes);
  const trailer = tail.subarray(Math.max(0, tail.length - trailerBytes));
  const wanted = indexLength(trailer, object) + trailerBytes;
  if (wanted > size) throw new ObjectDamagedError(object, 'its index is cut short');
  if (wanted > tail.length) tail = await bytesOf(archive, object, size - wanted, wanted);
  const packed = tail.subarray(tail.length - wanted, tail.length - trailerBytes);
  return decodeFooter(await openSealed(packed, trailer, object), object);
}

async function bytesOf(archive: Archive, object: string, offset: number, length: number): Promise<Buffer> {
  const bytes = await archive.get(object, { offset, length });
  if (bytes === undefined) throw new ObjectDamagedError(object, 'it is gone');
  return bytes;
}
