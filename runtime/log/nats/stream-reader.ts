/**
 * Reads one stream by version. Owns nothing but hints. The head is asked of the log each time; from there (or from a
 * record nearer by) the ways back that records carry lead to the version asked for, sixteen records a round trip. Where
 * that is far, the record to start from is searched by sequence. A record that is missing on the way is damage (reported,
 * never skipped), unless the slot was trimmed meanwhile.
 */
import { type StreamId, slotOf, type Version } from '../../../proto/ids.ts';
import { LogDamagedError, type LogRecord, type ReadPage } from '../event-log.ts';
import type { Landmark, Landmarks } from './landmarks.ts';
import type { Names } from './names.ts';
import { waysBack } from './record-header.ts';
import type { SlotRegister } from './slot-register.ts';
import { headOf, logRecord, recordOf, type StoredMessages, type StoredRecord } from './stored-messages.ts';
import type { Tips } from './tips.ts';

export const readBytesDefault = 1024 * 1024;
/** A page starts to be read from a record that is at most so many versions above the one asked for. */
const stretchVersionsMin = 16;
const stretchVersionsMax = 256;
const searchesMax = 8;
const knownAtOnceMax = 64;
/** A trim may let go of what is being read; a second one right behind it is rare. */
const attemptsMax = 3;

export interface StreamReaderParts {
  readonly names: Names;
  readonly messages: StoredMessages;
  readonly trims: SlotRegister;
  readonly tips: Tips;
  readonly landmarks: Landmarks;
}

/** The way back ended where a record should be. */
class MissingRecord extends Error {}

export class StreamReader {
  constructor(private readonly parts: StreamReaderParts) {}

  async head(stream: StreamId): Promise<Version> {
    const last = await this.#last(this.parts.names.record(stream));
    return last === undefined ? (0 as Version) : headOf(last);
  }

  async read(stream: StreamId, from: Version, bytesMax = readBytesDefault): Promise<ReadPage> {
    const subject = this.parts.names.record(stream);
    for (let attempt = 1; ; attempt++) {
      const [last, trimmedTo] = await Promise.all([this.#last(subject), this.parts.trims.ask(slotOf(stream.id))]);
      try {
        return await this.#read(subject, last, trimmedTo, from, bytesMax);
      } catch (error) {
        if (!(error instanceof MissingRecord)) throw error;
        this.parts.landmarks.forget(subject);
        if (attempt === attemptsMax) throw new LogDamagedError(`${stream.kind} ${stream.id}: ${error.message}`);
      }
    }
  }

  async #read(
    subject: string,
    last: StoredRecord | undefined,
    trimmedTo: number,
    from: number,
    bytesMax: number,
  ): Promise<ReadPage> {
    if (last === undefined) return { records: [], next: undefined, head: 0 as Version, oldest: 1 as Version };
    const head = headOf(last);
    const oldest = trimmedTo === 0 ? (1 as Version) : await this.#oldest(subject, last, trimmedTo);
    const start = Math.max(from, oldest);
    if (start > head) return { records: [], next: undefined, head, oldest };
    const above = await this.#near(subject, last, trimmedTo, start, oldest, stretchOf(last, bytesMax));
    const records = await this.#back(subject, above, start, bytesMax);
    const end = records.at(-1) as LogRecord;
    const next = (end.version + end.count) as Version;
    return { records, next: next > head ? undefined : next, head, oldest };
  }

  async #last(subject: string): Promise<StoredRecord | undefined> {
    const stored = await this.parts.messages.last(subject);
    const last = stored && recordOf(stored);
    if (last !== undefined) this.parts.tips.saw(subject, last);
    return last;
  }

  /** The first record that the trim has left; the version behind the head if it has left none. */
  async #oldest(subject: string, last: StoredRecord, trimmedTo: number): Promise<Version> {
    if (last.seq < trimmedTo || last.count === 0) return (headOf(last) + 1) as Version;
    const first = await this.#next(subject, trimmedTo);
    return (first.count === 0 ? first.version + 1 : first.version) as Version;
  }

  /** A record above `start`, by `stretch` versions at most; farther only where that is hard to find. */
  async #near(
    subject: string,
    last: StoredRecord,
    trimmedTo: number,
    start: number,
    oldest: number,
    stretch: number,
  ): Promise<StoredRecord> {
    if (last.version - start <= stretch) return last;
    const { landmarks } = this.parts;
    const known = landmarks.around(subject, start + stretch).below;
    if (known !== undefined && known.version >= start + stretch / 4) return this.#at(subject, known.seq);
    let below: Landmark = { version: oldest, seq: Math.max(trimmedTo, 1) };
    if (known !== undefined && known.version <= start && known.seq > below.seq) below = known;
    let above = last;
    /** No record that is above `start` is known to lie below this sequence. */
    let high = above.seq;
    for (let search = 1; above.version - start > stretch && search <= searchesMax; search++) {
      const seq =
        search % 2 === 0 ? Math.floor((below.seq + high) / 2) : guess(below, above, start + (stretch * 3) / 4, high);
      const found = await this.#next(subject, seq);
      if (found.version <= start) below = found;
      else {
        above = found;
        high = seq;
      }
    }
    return above;
  }

  /** The records from the one that contains `start` up to `above`, those at the far end left out where they are too many. */
  async #back(subject: string, above: StoredRecord, start: number, bytesMax: number): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    let bytes = 0;
    /** Newest first. */
    const add = (stored: StoredRecord): void => {
      records.push(logRecord(stored));
      this.parts.landmarks.saw(subject, stored.version, stored.seq);
      bytes += stored.body.byteLength;
      // What was read first lies farthest from where the page begins.
      let far = 0;
      for (
        let first = records[far];
        records.length - far > 1 && first !== undefined && bytes > bytesMax;
        first = records[far]
      ) {
        bytes -= first.bytes.byteLength;
        far++;
      }
      if (far > 0) records.splice(0, far);
    };
    add(above);
    const asked = new Map<number, Promise<StoredRecord>>();
    const ask = (seq: number): Promise<StoredRecord> => {
      let found = asked.get(seq);
      if (found === undefined) {
        found = this.#at(subject, seq);
        // It is awaited only if the way leads there.
        found.catch(() => undefined);
        asked.set(seq, found);
      }
      return found;
    };
    // Those that are known already are asked for in the same round trip as the first ways back.
    for (const seq of this.parts.landmarks.within(subject, start, above.version).slice(-knownAtOnceMax)) void ask(seq);
    for (let nearest = above; nearest.version > start; ) {
      const seqs = waysBack(nearest).slice(0, nearest.version - start);
      if (seqs.length === 0) throw new MissingRecord(`nothing lies before version ${nearest.version}`);
      for (const stored of await Promise.all(seqs.map(ask))) {
        if (headOf(stored) + 1 !== nearest.version)
          throw new MissingRecord(`version ${headOf(stored)} lies before version ${nearest.version}`);
        if (stored.count === 0) throw new MissingRecord(`version ${nearest.version - 1} was trimmed`);
        asked.delete(stored.seq);
        add(stored);
        nearest = stored;
        if (stored.version <= start) break;
      }
    }
    return records.reverse();
  }

  async #at(subject: string, seq: number): Promise<StoredRecord> {
    const stored = await this.parts.messages.at(seq);
    const record = stored?.subject === subject ? recordOf(stored) : undefined;
    if (record === undefined) throw new MissingRecord(`its record at position ${seq} is missing`);
    return record;
  }

  async #next(subject: string, seq: number): Promise<StoredRecord> {
    const stored = await this.parts.messages.next(subject, seq);
    const record = stored && recordOf(stored);
    if (record === undefined) throw new MissingRecord(`no record lies behind position ${seq}`);
    return record;
  }
}

/** About as many versions as the page can hold, if all records are like the last. */
function stretchOf({ body, count }: StoredRecord, bytesMax: number): number {
  const versions = Math.floor(bytesMax / Math.max(1, body.byteLength / Math.max(1, count)));
  return Math.min(Math.max(versions, stretchVersionsMin), stretchVersionsMax);
}

/** Where the version should lie, if the stream was written evenly. */
function guess(below: Landmark, above: Landmark, version: number, high: number): number {
  const share = (version - below.version) / Math.max(1, above.version - below.version);
  const seq = below.seq + Math.ceil((above.seq - below.seq) * share);
  return Math.min(Math.max(seq, below.seq + 1), high);
}
