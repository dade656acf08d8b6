/**
 * Reading streams and slots back. Owns cursors: where a page ended, so that the next one begins there without asking the
 * index. A cursor is a record that counted, or a position with the fold's state at it: facts, so they never grow old.
 */
import { type Position, type StreamId, streamKey, type Version } from '../../../proto/ids.ts';
import { LogDamagedError, type LogRecord, LogUnavailableError, type ReadPage, type SlotPage } from '../event-log.ts';
import type { BatchEntry } from './entry.ts';
import { emptySlot } from './fold.ts';
import { type ScanStart, scan } from './scan.ts';
import type { StreamEntry } from './slot-index.ts';
import type { SlotReader } from './slot-reader.ts';

export const readBytesDefault = 1024 * 1024;
const cursorsMax = 4096;
/** A reader that is overtaken by trims so often in a row is told to come again. */
const overtakenMax = 5;

export class SlotReads {
  readonly #cursors = new Map<string, ScanStart>();

  async read(reader: SlotReader, stream: StreamId, from: Version, bytesMax: number): Promise<ReadPage> {
    for (let overtaken = 0; overtaken < overtakenMax; overtaken++) {
      await reader.catchUp();
      const entry = reader.index.get(stream);
      if (entry === undefined) return { records: [], next: undefined, head: 0 as Version, oldest: 1 as Version };
      const page = await this.#readPage(reader, entry, from, bytesMax);
      if (page !== undefined) return page;
    }
    throw new LogUnavailableError(`slot ${reader.slot} is being trimmed: try again`);
  }

  /** Undefined if it was overtaken by a trim. */
  async #readPage(
    reader: SlotReader,
    entry: StreamEntry,
    from: number,
    bytesMax: number,
  ): Promise<ReadPage | undefined> {
    const { head, oldest, stream } = entry;
    const records: LogRecord[] = [];
    let bytes = 0;
    let version = Math.max(from, oldest);
    const take = (batch: BatchEntry, offset: number): 'on' | 'stop' => {
      const upto = batch.version + batch.count - 1;
      if (batch.stream.id !== stream.id || batch.stream.kind !== stream.kind || upto < version) return 'on';
      if (records.length > 0 && bytes + batch.bytes.byteLength > bytesMax) {
        this.#save(`${streamKey(stream)}@${batch.version}`, { offset, state: undefined });
        return 'stop';
      }
      records.push(recordOf(batch, offset));
      bytes += batch.bytes.byteLength;
      version = upto + 1;
      return version > head ? 'stop' : 'on';
    };
    const key = `${streamKey(stream)}@${version}`;
    for (const range of reader.index.rangesFrom(entry, version)) {
      if (version > head) break;
      const cursor = this.#cursors.get(key);
      const isHere = cursor !== undefined && cursor.offset >= range.firstOffset && cursor.offset <= range.lastOffset;
      const start = isHere ? cursor : { offset: range.firstOffset, state: undefined };
      const reached = await scan(reader.source, reader.slot, start, range.lastOffset + 1, take);
      if (reached === undefined) {
        this.#cursors.delete(key);
        return undefined;
      }
      if (reached.offset <= range.lastOffset) break;
    }
    if (version <= head && records.length === 0)
      throw new LogDamagedError(`${streamKey(stream)}: version ${version} is not where the index says`);
    const next = version <= head ? (version as Version) : undefined;
    return { records, next, head: head as Version, oldest: oldest as Version };
  }

  async readSlot(reader: SlotReader, from: Position, bytesMax: number): Promise<SlotPage> {
    for (let overtaken = 0; overtaken < overtakenMax; overtaken++) {
      const page = await this.#slotPage(reader, from, bytesMax);
      if (page !== undefined) return page;
      reader.logStart = await reader.source.start(reader.slot);
    }
    throw new LogUnavailableError(`slot ${reader.slot} is being trimmed: try again`);
  }

  async #slotPage(reader: SlotReader, from: number, bytesMax: number): Promise<SlotPage | undefined> {
    const { slot, source } = reader;
    const end = (await source.end(slot)) as Position;
    if (from > end)
      throw new LogDamagedError(`slot ${slot} was read up to ${from}, but ends at ${end}: was it cut off?`);
    const records: LogRecord[] = [];
    const pageOf = (next: number): SlotPage => {
      return {
        records,
        next: next as Position,
        end,
        oldest: Math.max(reader.logStart, reader.index.trimmedTo) as Position,
      };
    };
    if (from >= end) return pageOf(end);
    const start = await this.startAt(reader, Math.max(from, reader.logStart));
    if (start === undefined) return undefined;
    let bytes = 0;
    const reached = await scan(source, slot, start, end, (batch, offset) => {
      if (records.length > 0 && bytes + batch.bytes.byteLength > bytesMax) return 'stop';
      records.push(recordOf(batch, offset));
      bytes += batch.bytes.byteLength;
      return 'on';
    });
    if (reached === undefined) return undefined;
    this.#save(`${slot}:${reached.offset}`, reached);
    return pageOf(reached.offset);
  }

  /**
   * The fold's state at any position: known from the page before, or found from a landmark. Below what was trimmed, the place
   * where the slot begins. Undefined if a trim overtook it.
   */
  async startAt(reader: SlotReader, position: number): Promise<ScanStart | undefined> {
    const cursor = this.#cursors.get(`${reader.slot}:${position}`);
    if (cursor !== undefined) return cursor;
    if (position === 0) return { offset: 0, state: emptySlot };
    await reader.catchUp();
    const { trimmedTo } = reader.index;
    if (position <= trimmedTo) return { offset: trimmedTo, state: undefined };
    const landmark = reader.index.landmarkBelow(position);
    if (landmark !== undefined)
      return scan(
        reader.source,
        reader.slot,
        { offset: landmark.position, state: landmark.state },
        position,
        () => 'on',
      );
    const first = trimmedTo === 0 ? emptySlot : undefined;
    return scan(reader.source, reader.slot, { offset: trimmedTo, state: first }, position, () => 'on');
  }

  #save(key: string, cursor: ScanStart): void {
    this.#cursors.delete(key);
    this.#cursors.set(key, cursor);
    if (this.#cursors.size <= cursorsMax) return;
    const [oldest] = this.#cursors.keys();
    if (oldest !== undefined) this.#cursors.delete(oldest);
  }
}

export function recordOf(batch: BatchEntry, offset: number): LogRecord {
  return {
    stream: batch.stream,
    version: batch.version as Version,
    count: batch.count,
    epoch: batch.epoch,
    position: offset as Position,
    // A copy: a view would keep all that was fetched with it.
    bytes: Uint8Array.from(batch.bytes),
  };
}
