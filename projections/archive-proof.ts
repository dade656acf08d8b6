import type { Position, Slot } from '../proto/ids.ts';
import type { Archive } from '../runtime/log/archive/archive.ts';
import { isSameRecord, readObject } from '../runtime/log/archive/archiving.ts';
import { ObjectDamagedError } from '../runtime/log/archive/sealed.ts';
import { type Listed, Shelf } from '../runtime/log/archive/shelf.ts';
import type { EventLog, LogRecord } from '../runtime/log/event-log.ts';
import { timesOf, writeChapter } from './archive-chapter.ts';
import { ArchiveConflictError, SlotMovedError } from './archive-fault.ts';

/** Proves of one slot that the archive has what the log is about to let go of (I8), by reading both. Owns nothing. */
export class ArchiveProof {
  constructor(
    private readonly slot: Slot,
    private readonly log: EventLog,
    private readonly archive: Archive,
  ) {}

  /**
   * Reads everything that the log still has before `before` from the archive and compares. Resolves with how many objects
   * were damaged and are written anew; throws {@link ArchiveConflictError} where both are whole and differ.
   */
  async run(before: Position, now: number): Promise<number> {
    const { oldest } = await this.log.readSlot(this.slot, 0 as Position, 1);
    const shelf = await Shelf.list(this.archive, this.slot);
    let mended = 0;
    let isDamaged = false;
    for (let at = oldest; at < before; ) {
      const listed = shelf.records.find((one) => one.from <= at && at < one.to);
      if (listed === undefined) {
        const next = shelf.records.find((one) => one.from > at)?.from ?? before;
        const to = Math.min(next, before) as Position;
        const held = await this.#heldByLog(at, to);
        // Of a damaged object, what the log still has; of one that is missing there may be more than one object takes.
        if (held.length > 0 && !isDamaged)
          throw new SlotMovedError(`the archive lacks positions ${at} to ${to} of slot ${this.slot}`);
        if (held.length > 0) {
          await this.#write(at, to, held, now);
          mended++;
        }
        at = to;
      } else if (await this.#isProved(listed, at, oldest)) at = listed.to;
      else {
        shelf.setAside(listed.object, 'it is damaged');
        isDamaged = true;
        if (oldest <= listed.from) {
          const held = await this.#heldByLog(listed.from, listed.to);
          await this.#write(listed.from, listed.to, held, now);
          mended++;
          at = listed.to;
        } else if (!holds(shelf, listed.from, oldest))
          throw new ArchiveConflictError(
            `archive object ${listed.object} is damaged, and the log has let go of a part of it: restore the object from a copy`,
          );
      }
    }
    return mended;
  }

  /** Whether the object can be read whole and has from `at` on what the log has there. */
  async #isProved(listed: Listed, at: Position, oldest: Position): Promise<boolean> {
    let archived: readonly LogRecord[];
    try {
      archived = (await readObject(this.archive, listed.object)).filter((one) => one.position >= at);
    } catch (error) {
      if (!(error instanceof ObjectDamagedError)) throw error;
      return false;
    }
    const held = await this.#heldByLog(at, listed.to);
    const isSame =
      held.length === archived.length && held.every((one, i) => isSameRecord(one, archived[i] as LogRecord));
    if (isSame) return true;
    if ((await this.log.readSlot(this.slot, 0 as Position, 1)).oldest > oldest)
      throw new SlotMovedError(`slot ${this.slot} was trimmed by somebody else while it was compared`);
    throw new ArchiveConflictError(
      `archive object ${listed.object} is not what the log has from position ${at} on: nothing of slot ${this.slot} is trimmed`,
    );
  }

  /** The log's records at positions [from, to). */
  async #heldByLog(from: number, to: number): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for (let next = from as Position; next < to; ) {
      const page = await this.log.readSlot(this.slot, next);
      for (const record of page.records) if (record.position < to) records.push(record);
      if (page.next === page.end || page.next <= next) break;
      next = page.next;
    }
    return records;
  }

  async #write(from: Position, to: Position, records: readonly LogRecord[], now: number): Promise<void> {
    await writeChapter(this.archive, { slot: this.slot, from, to, records, times: timesOf(records, now) });
  }
}

/** Whether sound objects hold all of [from, to). */
function holds(shelf: Shelf, from: Position, to: Position): boolean {
  let at: number = from;
  for (const listed of shelf.records) if (listed.from <= at) at = Math.max(at, listed.to);
  return at >= to;
}
