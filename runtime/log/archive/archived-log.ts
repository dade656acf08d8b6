/**
 * The event log with the archive behind it: one history from the first event on. Wraps an adapter's log; what was trimmed
 * is read from the archive, all else is the log's own. Owns small copies of what it learned: how far the log was trimmed
 * (which only rises) and where history turned out to be incomplete.
 *
 * While nothing was trimmed, a read costs one comparison more. What is still in the log is served without the archive, so
 * that play needs only the log (I10); it is then taken for granted that what was trimmed is in the archive (I8): `oldest` is
 * 1 until somebody asks for what is missing.
 */
import { LRUCache } from 'lru-cache';
import { type Position, type Slot, type StreamId, streamKey, type Version } from '../../../proto/ids.ts';
import {
  type AppendPacing,
  type EventLog,
  LogDamagedError,
  LogUnavailableError,
  type ReadPage,
  type SlotPage,
  type SlotWriter,
  type StreamWriter,
} from '../event-log.ts';
import { type Archive, ArchiveUnavailableError } from './archive.ts';
import { ArchiveReader } from './archive-reader.ts';

const readBytesDefault = 1024 * 1024;
const streamsRememberedMax = 10_000;

export class ArchivedLog implements EventLog {
  declare readonly pacing?: AppendPacing;
  readonly #reader: ArchiveReader;
  /** Of streams that were read below it: the version from which on the log has them. */
  readonly #inLog = new LRUCache<string, Version>({ max: streamsRememberedMax });
  readonly #slotInLog = new Map<Slot, Position>();
  /** Of streams of which the beginning is in neither: the first version that is. */
  readonly #incomplete = new LRUCache<string, Version>({ max: streamsRememberedMax });

  constructor(
    private readonly log: EventLog,
    archive: Archive,
    onDamage?: (message: string) => void,
  ) {
    if (log.pacing !== undefined) this.pacing = log.pacing;
    this.#reader = new ArchiveReader(archive, onDamage);
  }

  take(slot: Slot, epoch: number): Promise<SlotWriter> {
    return this.log.take(slot, epoch);
  }

  shared(stream: StreamId): StreamWriter {
    return this.log.shared(stream);
  }

  head(stream: StreamId): Promise<Version> {
    return this.log.head(stream);
  }

  ends(): Promise<readonly Position[]> {
    return this.log.ends();
  }

  trim(slot: Slot, before: Position): Promise<Position> {
    return this.log.trim(slot, before);
  }

  close(): Promise<void> {
    return this.log.close();
  }

  async read(stream: StreamId, from: Version, bytesMax: number = readBytesDefault): Promise<ReadPage> {
    const key = streamKey(stream);
    // A walk through the archive does not ask the log again and again for what it will not take from it.
    if (from < (this.#inLog.get(key) ?? 0)) return this.#archived(stream, from, bytesMax, undefined);
    const page = await this.log.read(stream, from, bytesMax);
    if (page.oldest <= 1) return page;
    if (page.oldest > from) return this.#archived(stream, from, bytesMax, page);
    return { ...page, oldest: this.#incomplete.get(key) ?? (1 as Version) };
  }

  /** `page`: what the log said, if it was asked. */
  async #archived(stream: StreamId, from: Version, bytesMax: number, page: ReadPage | undefined): Promise<ReadPage> {
    const key = streamKey(stream);
    const inLog = page?.oldest ?? this.#inLog.get(key) ?? (1 as Version);
    if (page !== undefined) this.#inLog.set(key, inLog);
    const { records, oldest } = await reached(this.#reader.stream(stream, from, bytesMax, inLog));
    const last = records.at(-1);
    if (last !== undefined) {
      const head = page?.head ?? (await this.log.head(stream));
      const next = (last.version + last.count) as Version;
      return {
        records,
        next: next > head ? undefined : next,
        head,
        oldest: this.#incomplete.get(key) ?? (1 as Version),
      };
    }
    const own = page ?? (await this.log.read(stream, from, bytesMax));
    if (own.oldest <= from) return { ...own, oldest: this.#incomplete.get(key) ?? own.oldest };
    if (oldest !== undefined && oldest < from)
      throw new LogDamagedError(
        `versions ${from} to ${own.oldest - 1} of stream ${key} are neither in the log nor in the archive`,
      );
    const first = oldest !== undefined && oldest < own.oldest ? oldest : own.oldest;
    this.#incomplete.set(key, first);
    if (first === own.oldest) return own;
    return this.#archived(stream, first, bytesMax, own);
  }

  async readSlot(slot: Slot, from: Position, bytesMax: number = readBytesDefault): Promise<SlotPage> {
    if (from < (this.#slotInLog.get(slot) ?? 0)) {
      const archived = await reached(this.#reader.slot(slot, from, bytesMax));
      if (archived !== undefined) return { ...archived, end: (await this.log.ends())[slot] as Position };
    }
    const page = await this.log.readSlot(slot, from, bytesMax);
    if (page.oldest === 0) return page;
    if (page.oldest <= from) return { ...page, oldest: 0 as Position };
    this.#slotInLog.set(slot, page.oldest);
    const archived = await reached(this.#reader.slot(slot, from, bytesMax));
    if (archived !== undefined) return { ...archived, end: page.end };
    // Between the archive's end and the log's beginning lie other slots' records.
    return { ...page, oldest: (await reached(this.#reader.oldestOf(slot))) ?? page.oldest };
  }
}

/** For readers there is one log: what they cannot reach of it now, they may ask for again. */
async function reached<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ArchiveUnavailableError) throw new LogUnavailableError(error.message, { cause: error });
    throw error;
  }
}
