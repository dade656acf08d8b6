import { type Position, type Slot, streamKey, type Version } from '../proto/ids.ts';
import type { Archive } from '../runtime/log/archive/archive.ts';
import { ArchiveReader } from '../runtime/log/archive/archive-reader.ts';
import { archivedTo, isSameRecord } from '../runtime/log/archive/archiving.ts';
import { Shelf } from '../runtime/log/archive/shelf.ts';
import type { EventLog, LogRecord } from '../runtime/log/event-log.ts';
import { type Chapter, chapterOf, lastRecord, timeOf, writeChapter } from './archive-chapter.ts';
import { ArchiveConflictError, SlotMovedError } from './archive-fault.ts';
import { ArchiveProof } from './archive-proof.ts';

/**
 * One slot on its way from the log into the archive.
 *
 * Owns: up to where the slot is archived, which archived stretches (chapters) may still be in the log, and how much lies
 * behind them; all of it found out anew from archive and log when the slot is opened, so nothing has to survive a crash.
 * Keeps I8: nothing is trimmed but what was read back from the archive, right before, and was the same record by record as
 * the log had it.
 */
const pageBytes = 1024 * 1024;

export interface Copied {
  readonly records: number;
  readonly storedBytes: number;
}

export interface Trimmed {
  readonly trimmed: boolean;
  /** Objects that were damaged and are written anew: open the slot again, and look at them before anything is trimmed. */
  readonly mended: number;
}

export class ArchivingSlot {
  #archivedTo: Position;
  #chapters: readonly Chapter[];
  /** Up to where the log was looked through; what lies between is pending. */
  #learnedTo: Position;
  #pendingBytes = 0;
  #pendingSince = Number.POSITIVE_INFINITY;
  /** Up to where the slot had been looked through, and when; the oldest first. */
  #looks: { readonly at: number; readonly to: Position }[] = [];
  #askedTo = 0;

  private constructor(
    readonly slot: Slot,
    private readonly log: EventLog,
    private readonly archive: Archive,
    to: Position,
    chapters: readonly Chapter[],
    /** Where the log began when the slot was opened. */
    private readonly openedAt: Position,
  ) {
    this.#archivedTo = to;
    this.#learnedTo = to;
    this.#chapters = chapters;
  }

  /** Throws {@link ArchiveConflictError} when the archive holds another history than the log. */
  static async open(slot: Slot, log: EventLog, archive: Archive, end: Position): Promise<ArchivingSlot> {
    const shelf = await Shelf.list(archive, slot);
    const { oldest } = await log.readSlot(slot, 0 as Position, 1);
    const isEmpty = shelf.records.length === 0;
    // An archive that is begun late says so by where it begins.
    const to = isEmpty ? oldest : archivedTo(shelf);
    if (to < oldest && shelf.records.some((listed) => listed.from > to))
      throw new ArchiveConflictError(
        `the archive lacks what follows position ${to} of slot ${slot}, and the log begins at ${oldest}: restore the objects from a copy`,
      );
    // Somebody else may have archived since it ended there.
    if (to > end && to > ((await log.ends())[slot] as Position))
      throw new ArchiveConflictError(
        `the archive holds slot ${slot} up to position ${to}, but the log ends at ${end}: this is the archive of another log, or the log lost its end`,
      );
    const chapters: Chapter[] = [];
    for (const listed of shelf.records) {
      if (listed.to <= oldest || listed.to > to) continue;
      chapters.push(await chapterOf(archive, listed));
    }
    const opened = new ArchivingSlot(slot, log, archive, to, chapters, oldest);
    await opened.#mustAgree();
    return opened;
  }

  /** The newest that is archived is what the log has there, if it still has it. */
  async #mustAgree(): Promise<void> {
    const last = this.#chapters.at(-1)?.listed;
    if (last === undefined) return;
    const archived = await lastRecord(this.archive, last);
    if (archived === undefined) return;
    const { records, oldest } = await this.log.readSlot(this.slot, archived.position, 1);
    const [held] = records;
    if (oldest <= archived.position && (held === undefined || !isSameRecord(held, archived)))
      throw new ArchiveConflictError(
        `archive object ${last.object} ends in another record than the log has at position ${archived.position}: this is the archive of another log`,
      );
  }

  get learnedTo(): Position {
    return this.#learnedTo;
  }
  get chapters(): readonly Chapter[] {
    return this.#chapters;
  }
  get pendingBytes(): number {
    return this.#pendingBytes;
  }
  /** When the oldest event that is in the log alone occurred; infinity if there is none. */
  get pendingSince(): number {
    return this.#pendingSince;
  }

  /** Looks through what was appended since the last look. */
  async learn(now: number, isOver: () => boolean): Promise<void> {
    const before = this.#learnedTo;
    for (let time = 0; !isOver(); ) {
      const page = await this.log.readSlot(this.slot, this.#learnedTo, pageBytes);
      this.#mustNotHaveMoved(page.oldest);
      for (const record of page.records) {
        time = timeOf(record, time, now);
        this.#pendingBytes += record.bytes.byteLength;
        this.#pendingSince = Math.min(this.#pendingSince, time);
      }
      const reached = page.next === page.end || page.next <= this.#learnedTo;
      this.#learnedTo = page.next;
      if (reached) break;
    }
    if (this.#learnedTo > before) this.#looks.push({ at: now, to: this.#learnedTo });
  }

  /** Up to where the slot was looked through at `time`: what a log may lose with the power that it has just got is not archived. */
  settledTo(time: number): Position {
    let settled = this.#archivedTo;
    for (const look of this.#looks) {
      if (look.at > time) break;
      settled = look.to;
    }
    this.#looks = this.#looks.filter(({ to }) => to >= settled);
    return settled;
  }

  /** Copies the oldest pending records, from before `settled`, as one object of about `bytesMax`. */
  async copy(settled: Position, bytesMax: number, now: number): Promise<Copied> {
    const from = this.#archivedTo;
    const records: LogRecord[] = [];
    const times: number[] = [];
    let bytes = 0;
    let to: Position | undefined;
    let since = Number.POSITIVE_INFINITY;
    for (let next = from; to === undefined && next < settled; ) {
      const page = await this.log.readSlot(this.slot, next, Math.min(pageBytes, bytesMax));
      this.#mustNotHaveMoved(page.oldest);
      for (const record of page.records) {
        const time = timeOf(record, times.at(-1) ?? 0, now);
        if (record.position >= settled || (bytes > 0 && bytes + record.bytes.byteLength > bytesMax)) {
          to = record.position;
          since = time;
          break;
        }
        records.push(record);
        times.push(time);
        bytes += record.bytes.byteLength;
      }
      if (to === undefined && (page.next === page.end || page.next >= settled)) to = page.next;
      next = page.next;
    }
    if (records.length === 0 || to === undefined) return { records: 0, storedBytes: 0 };
    if (this.openedAt > from) await mustFollow(this.archive, this.slot, records);
    const chapter = await writeChapter(this.archive, { slot: this.slot, from, to, records, times });
    this.#chapters = [...this.#chapters, chapter];
    this.#archivedTo = to;
    const isAll = to >= this.#learnedTo;
    this.#learnedTo = Math.max(to, this.#learnedTo) as Position;
    this.#pendingBytes = isAll ? 0 : Math.max(0, this.#pendingBytes - bytes);
    this.#pendingSince = isAll ? Number.POSITIVE_INFINITY : since;
    return { records: records.length, storedBytes: chapter.listed.bytes };
  }

  /** Lets the log go of the chapters of which every event occurred before `time`, once the archive has proved that it has them. */
  async trim(time: number, now: number): Promise<Trimmed> {
    let before: Position | undefined;
    for (const { newestAt, listed } of this.#chapters) {
      if (newestAt >= time) break;
      before = listed.to;
    }
    if (before === undefined || before <= this.#askedTo) return { trimmed: false, mended: 0 };
    const mended = await new ArchiveProof(this.slot, this.log, this.archive).run(before, now);
    if (mended > 0) return { trimmed: false, mended };
    const kept = await this.log.trim(this.slot, before);
    this.#askedTo = before;
    this.#chapters = this.#chapters.filter(({ listed }) => listed.to > kept);
    return { trimmed: true, mended: 0 };
  }

  #mustNotHaveMoved(oldest: Position): void {
    if (oldest > this.#archivedTo && oldest > this.openedAt)
      throw new SlotMovedError(
        `the log begins at ${oldest} now, beyond ${this.#archivedTo}, up to where slot ${this.slot} was archived here`,
      );
  }
}

/**
 * The log begins behind the archive's end. Mostly other slots' records lie between; whether something of this one was lost
 * there, the versions tell.
 */
async function mustFollow(archive: Archive, slot: Slot, records: readonly LogRecord[]): Promise<void> {
  const reader = new ArchiveReader(archive);
  const seen = new Set<string>();
  for (const { stream, version } of records) {
    if (seen.has(streamKey(stream))) continue;
    seen.add(streamKey(stream));
    if (version === 1) continue;
    const before = (version - 1) as Version;
    if ((await reader.stream(stream, before, 1, version)).records.length === 0)
      throw new ArchiveConflictError(
        `stream ${streamKey(stream)} begins at version ${version} in the log, and the archive lacks version ${before}: restore the objects of slot ${slot} from a copy`,
      );
  }
}
