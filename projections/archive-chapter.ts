/** A stretch of a slot that is archived, as one object: how it is written, and what is known of it afterwards. */
import { Envelope } from '../proto/generated/node/v1/record.ts';
import type { Position, Slot } from '../proto/ids.ts';
import { splitRecord } from '../runtime/activation/record.ts';
import type { Archive } from '../runtime/log/archive/archive.ts';
import { readFooter } from '../runtime/log/archive/archive-reader.ts';
import { archiveRecords } from '../runtime/log/archive/archiving.ts';
import { type BlockPlace, openBlock } from '../runtime/log/archive/record-block.ts';
import { ObjectDamagedError } from '../runtime/log/archive/sealed.ts';
import type { Listed } from '../runtime/log/archive/shelf.ts';
import type { LogRecord } from '../runtime/log/event-log.ts';

export interface Chapter {
  readonly listed: Listed;
  /** Of the records as the log has them. */
  readonly bytes: number;
  /** When the newest of its events occurred. */
  readonly newestAt: number;
}

/** Records of the slot at positions [from, to), and when each of them occurred. */
export interface Stretch {
  readonly slot: Slot;
  readonly from: Position;
  readonly to: Position;
  readonly records: readonly LogRecord[];
  readonly times: readonly number[];
}

/** Written, and read back. */
export async function writeChapter(archive: Archive, { slot, from, to, records, times }: Stretch): Promise<Chapter> {
  const oldestAt = times.reduce((least, time) => Math.min(least, time), Number.POSITIVE_INFINITY);
  const newestAt = times.reduce((most, time) => Math.max(most, time), 0);
  const { listed, meta } = await archiveRecords(archive, { slot, from, to, oldestAt, newestAt }, records);
  return { listed, bytes: meta.recordBytes, newestAt };
}

export async function chapterOf(archive: Archive, listed: Listed): Promise<Chapter> {
  try {
    const { meta } = await readFooter(archive, listed);
    return { listed, bytes: meta.recordBytes, newestAt: meta.newestAt };
  } catch (error) {
    if (!(error instanceof ObjectDamagedError)) throw error;
    // As if it were old: it is looked at, and mended, before anything of it may leave the log.
    return { listed, bytes: 0, newestAt: 0 };
  }
}

/** The newest record of the object; undefined if it cannot be read. */
export async function lastRecord(archive: Archive, listed: Listed): Promise<LogRecord | undefined> {
  try {
    const { blocks } = await readFooter(archive, listed);
    const place = blocks.at(-1) as BlockPlace;
    const packed = await archive.get(listed.object, { offset: place.offset, length: place.packed });
    return (await openBlock(packed ?? Buffer.alloc(0), place, listed.object)).at(-1);
  } catch (error) {
    if (!(error instanceof ObjectDamagedError)) throw error;
    // Found again, and mended, before anything of it may leave the log.
    return undefined;
  }
}

/** When the record's last event occurred, not later than `now`. What cannot be read counts as of the time before it. */
export function timeOf(record: LogRecord, before: number, now: number): number {
  try {
    const last = splitRecord(record.bytes).events.at(-1);
    return last === undefined ? before : Math.min(now, Envelope.decode(last).occurredAt);
  } catch {
    // It is archived as it is.
    return before;
  }
}

export function timesOf(records: readonly LogRecord[], now: number): number[] {
  let time = 0;
  return records.map((record) => {
    time = timeOf(record, time, now);
    return time;
  });
}
