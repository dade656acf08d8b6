/**
 * Reads records back: from the newest commits in memory, else from the segments, where every record is checked again. A
 * record that fails its checks is reported as damage and remembered; what lies before it is still served.
 */
import { LogDamagedError } from '../event-log.ts';
import type { Damage } from './damage.ts';
import type { IndexStore } from './index-store.ts';
import { at, bodyChecks, headerChecks, kindAt, offsetOf, recordBytes, recordType, segmentOf } from './record.ts';
import type { Segments } from './segments.ts';
import type { Run } from './slot-index.ts';
import type { StreamEntry } from './stream-index.ts';
import type { TailCache } from './tail-cache.ts';

/** Runs that lie this close are fetched as one. */
const fetchGapBytes = 16 * 1024;
const fetchBytesMax = 1024 * 1024;
/** Disk reads at once; the thread pool has four threads and one belongs to the commits. */
const fetchesMax = 2;
export const readsWaitingMax = 10_000;

export interface ReadRecords {
  /** Whole records, one behind the other. */
  readonly bytes: Buffer;
  /** The last version, or (of a slot) the position behind the last record; 0 if there is none. */
  readonly last: number;
}

/** What was to be read was trimmed while it was read: the log begins later now, so read again from there. */
export class TrimmedMeanwhile extends Error {
  override readonly name = 'TrimmedMeanwhile';
}

export class Reader {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly segments: Segments,
    private readonly index: IndexStore,
    private readonly cache: TailCache,
    private readonly damage: Damage,
    private readonly onDamage: () => void,
    /** Records of the slot before this position were trimmed. */
    private readonly below: (slot: number) => number,
  ) {}

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Records of the stream from the one that holds `from` up to version `upto`: about `bytesMax` bytes, at least one. */
  async stream(entry: StreamEntry, from: number, upto: number, bytesMax: number): Promise<ReadRecords> {
    const runs = this.index.streams.runsFrom(entry, from, bytesMax);
    const picked: Buffer[] = [];
    let bytes = 0;
    let last = from - 1;
    let expected = 0;
    const fault = await this.#walk(runs, (buffer, offset, length, position) => {
      const version = buffer.readDoubleLE(offset + at.version);
      const end = version + buffer.readUInt32LE(offset + at.count) - 1;
      if (buffer.readDoubleLE(offset + at.id) !== entry.id || kindAt(buffer, offset) !== entry.kind) return true;
      if (end < from) return true;
      if (version > upto || (bytes > 0 && bytes + length > bytesMax)) return false;
      if (expected === 0 ? version > from : version !== expected) {
        throw new LogDamagedError(`stream ${entry.name} lacks the versions before ${version}, at position ${position}`);
      }
      picked.push(buffer.subarray(offset, offset + length));
      bytes += length;
      last = end;
      expected = end + 1;
      return true;
    });
    if (fault !== undefined) {
      if (fault.position < this.below(entry.slot)) throw new TrimmedMeanwhile();
      const known = { kind: entry.kind, id: entry.id, position: fault.position, what: fault.what };
      if (this.damage.addStream(known)) this.onDamage();
      if (bytes === 0)
        throw new LogDamagedError(`stream ${entry.name} is damaged at position ${fault.position}: ${fault.what}`);
    }
    return { bytes: joined(picked, bytes), last };
  }

  /** Records of one slot from `from` on: about `bytesMax` bytes, at least one. */
  async slot(slot: number, from: number, bytesMax: number): Promise<ReadRecords> {
    const picked: Buffer[] = [];
    let bytes = 0;
    let last = 0;
    const hole = this.damage.regionOfSlot(slot, from);
    const fault = await this.#walk(
      this.index.slots.runsFrom(slot, from, bytesMax),
      (buffer, offset, length, position) => {
        if (position < from || buffer[offset + at.type] !== recordType.events) return true;
        if (bytes > 0 && bytes + length > bytesMax) return false;
        if (hole !== undefined && position >= hole.from) return false;
        picked.push(buffer.subarray(offset, offset + length));
        bytes += length;
        last = position + length;
        return true;
      },
    );
    if (fault !== undefined && fault.position < this.below(slot)) throw new TrimmedMeanwhile();
    if (bytes === 0 && fault !== undefined)
      throw new LogDamagedError(`slot ${slot} is damaged at position ${fault.position}: ${fault.what}`);
    if (bytes === 0 && hole !== undefined)
      throw new LogDamagedError(`slot ${slot} lost records at position ${hole.from}`);
    return { bytes: joined(picked, bytes), last };
  }

  /** Calls `visit` for each record of the runs until it returns false. Returns the first fault instead of what lies behind it. */
  async #walk(
    runs: readonly Run[],
    visit: (buffer: Buffer, offset: number, length: number, position: number) => boolean,
  ): Promise<{ position: number; what: string } | undefined> {
    for (let i = 0; i < runs.length; ) {
      const first = runs[i] as Run;
      const cached = this.cache.find(first.position, first.length);
      let base = first.position;
      let buffer: Buffer;
      let end = i + 1;
      if (cached !== undefined) buffer = cached;
      else {
        let until = first.position + first.length;
        for (; end < runs.length; end++) {
          const next = runs[end] as Run;
          if (next.position - until > fetchGapBytes || next.position + next.length - base > fetchBytesMax) break;
          until = next.position + next.length;
        }
        try {
          buffer = await this.#fetch(base, until - base);
        } catch (error) {
          return { position: base, what: (error as Error).message };
        }
      }
      for (; i < end; i++) {
        const run = runs[i] as Run;
        let offset = run.position - base;
        for (const stop = offset + run.length; offset < stop; ) {
          const position = base + offset;
          if (cached === undefined) {
            if (!headerChecks(buffer, offset, position)) return { position, what: 'the header fails its checksum' };
            if (!bodyChecks(buffer, offset)) return { position, what: 'the body fails its checksum' };
          }
          const length = recordBytes(buffer.readUInt32LE(offset + at.bodyLength));
          if (!visit(buffer, offset, length, position)) return undefined;
          offset += length;
        }
      }
      base = 0;
    }
    return undefined;
  }

  async #fetch(position: number, length: number): Promise<Buffer> {
    if (this.#running >= fetchesMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      const buffer = Buffer.allocUnsafe(length);
      await this.segments.read(segmentOf(position), buffer, offsetOf(position));
      return buffer;
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

const joined = (parts: readonly Buffer[], bytes: number): Buffer =>
  parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, bytes);
