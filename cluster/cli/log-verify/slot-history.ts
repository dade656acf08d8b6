/**
 * One slot's history out of archive and log, each record once and in order, where both have it compared.
 *
 * Owns: where the archive was read to. Does not own the log: its records are brought here, in order. What the archive holds
 * before them is told on the way. A damaged object is reported and, where another holds the same, read there.
 */
import type { Slot, StreamId } from '../../../proto/ids.ts';
import type { Archive } from '../../../runtime/log/archive/archive.ts';
import { isSameRecord, readBlocks } from '../../../runtime/log/archive/archiving.ts';
import { decodeCatalog } from '../../../runtime/log/archive/catalog.ts';
import { ObjectDamagedError } from '../../../runtime/log/archive/sealed.ts';
import { type Listed, Shelf } from '../../../runtime/log/archive/shelf.ts';
import type { LogRecord } from '../../../runtime/log/event-log.ts';

export interface HistoryVisitor {
  record(record: LogRecord): void;
  unreadable(stream: StreamId | undefined, version: number, detail: string): void;
  disagreement(record: LogRecord, kind: 'fork' | 'hole', detail: string): void;
}

export class SlotHistory {
  readonly #archived: AsyncGenerator<LogRecord, void, void>;
  #next: LogRecord | undefined;
  #hasNext = false;
  /** Up to here the archive was read. */
  #at = 0;

  private constructor(
    private readonly archive: Archive,
    private readonly shelf: Shelf,
    private readonly visitor: HistoryVisitor,
    /** From here on the log should have everything; infinity: from the first record that it brings. */
    private logFrom: number,
  ) {
    this.#archived = this.#read();
  }

  static async open(
    archive: Archive,
    slot: Slot,
    visitor: HistoryVisitor,
    logFrom = Number.POSITIVE_INFINITY,
  ): Promise<SlotHistory> {
    const shelf = await Shelf.list(archive, slot);
    for (const listed of shelf.catalogs) {
      try {
        await decodeCatalog((await archive.get(listed.object)) ?? Buffer.alloc(0), listed.object);
      } catch (error) {
        if (!(error instanceof ObjectDamagedError)) throw error;
        visitor.unreadable(undefined, 0, `${error.message}; it may be removed, for it only says where things are`);
      }
    }
    return new SlotHistory(archive, shelf, visitor, logFrom);
  }

  /** The next record of the log. */
  async log(record: LogRecord): Promise<void> {
    this.logFrom = Math.min(this.logFrom, record.position);
    await this.upTo(record.position);
    const archived = await this.#peek();
    if (archived?.position === record.position) {
      this.#hasNext = false;
      if (!isSameRecord(archived, record))
        this.visitor.disagreement(record, 'fork', `the archive has another record at position ${record.position}`);
    } else if (this.#claimant(record.position) !== undefined)
      this.visitor.disagreement(record, 'hole', `the archive lacks the record at position ${record.position}`);
    this.visitor.record(record);
  }

  /** Tells what the archive has before the position. */
  async upTo(position: number): Promise<void> {
    for (let next = await this.#peek(); next !== undefined && next.position < position; next = await this.#peek()) {
      this.#hasNext = false;
      if (next.position >= this.logFrom)
        this.visitor.disagreement(next, 'hole', `the log lacks the record at position ${next.position}`);
      this.visitor.record(next);
    }
  }

  /** The log has no more. */
  end(): Promise<void> {
    return this.upTo(Number.POSITIVE_INFINITY);
  }

  async #peek(): Promise<LogRecord | undefined> {
    if (!this.#hasNext) {
      const { value } = await this.#archived.next();
      this.#next = value ?? undefined;
      this.#hasNext = true;
    }
    return this.#next;
  }

  async *#read(): AsyncGenerator<LogRecord, void, void> {
    for (;;) {
      const listed = this.shelf.records.find((one) => one.to > this.#at);
      if (listed === undefined) return;
      try {
        for await (const records of readBlocks(this.archive, listed)) {
          for (const record of records) {
            if (record.position < this.#at) continue;
            this.#at = record.position + 1;
            yield record;
          }
        }
        this.#at = listed.to;
      } catch (error) {
        if (!(error instanceof ObjectDamagedError)) throw error;
        this.visitor.unreadable(undefined, 0, error.message);
        this.shelf.setAside(listed.object, error.message);
      }
    }
  }

  /** The sound object that should hold the position. */
  #claimant(position: number): Listed | undefined {
    const { records } = this.shelf;
    if (position >= (records.at(-1)?.to ?? 0)) return undefined;
    return records.find((one) => one.from <= position && position < one.to);
  }
}
