/**
 * What has left the log. Owns the marks (up to which position each slot may be let go of), the base (what outlives the
 * segments that are gone), and the removal of segments.
 *
 * A trim counts when its mark is on the disk. From then on the slot begins with the segment of its first record that is to
 * be kept, or, if none is, with the segment that is appended to; so a slot that falls silent holds nobody up. A segment is
 * removed when no slot begins before its end, in this order: the index is beyond it, the base says what must outlive it, the
 * file goes. So whatever a crash leaves is either still in the log or in the base, and I2 (heads) and the epochs need no
 * segment that is gone. That what is trimmed is in the archive is the caller's affair (I8).
 */
import { slotCount } from '../../../proto/ids.ts';
import type { Cancel, Timers } from '../../kernel/timer.ts';
import { LogUnavailableError } from '../event-log.ts';
import { type Base, emptyBase, type StreamHead, writeBase } from './base.ts';
import type { Disk } from './disk.ts';
import type { IndexStore } from './index-store.ts';
import { writeMarks } from './marks.ts';
import { at, kindAt, positionOf, recordBytes, recordType, segmentOf, slotAt } from './record.ts';
import { listSegments, type Segments, segmentName } from './segments.ts';
import { type Pause, walkSegment } from './walk.ts';

/** Segments, and heads found in them, that one rewriting of the base takes along: bounds what is held in memory. */
const roundSegmentsMax = 8;
const roundHeadsMax = 200_000;
const looksPerStep = 500;
/** Between two steps of going through a segment: a fifth of the process's time at most. */
const stepPauseMs = 4;
/** All slots are trimmed one after the other: one look for all of them. */
const sweepDelayMs = 100;

export interface TrimStart {
  /** By slot: the position before which it may be let go of. */
  readonly marks: Float64Array;
  readonly base: Base | undefined;
}

export class Trim {
  readonly #marks: Float64Array;
  /** By slot: the segment that it begins with; 0 for one that was never trimmed. Only rises. */
  readonly #begins = new Float64Array(slotCount);
  #base: Base;
  /** Marks that were asked for; they count once they are written. */
  readonly #wanted: Float64Array;
  #writing: Promise<void> | undefined;
  #sweeping: Promise<void> | undefined;
  #cancelSweep: Cancel | undefined;
  /** A segment that was trimmed but cannot be read whole: it stays, and all behind it. */
  #stuckAt = Number.POSITIVE_INFINITY;
  #isClosing = false;

  constructor(
    private readonly disk: Disk,
    private readonly segments: Segments,
    private readonly index: IndexStore,
    start: TrimStart,
    /** Where appending goes on. */
    private readonly end: () => number,
    private readonly timers: Timers,
    private readonly onTrouble: (message: string) => void,
  ) {
    this.#marks = start.marks;
    this.#wanted = Float64Array.from(start.marks);
    this.#base = start.base ?? emptyBase();
    for (let slot = 0; slot < slotCount; slot++) this.#begin(slot);
  }

  /** Records of the slot before this position are gone. Begins a segment; 0 for a slot that was never trimmed. */
  below(slot: number): number {
    const first = this.#begins[slot] as number;
    return first === 0 ? 0 : positionOf(first, 0);
  }

  /** Makes use of the slot's mark as far as whole segments go. */
  #begin(slot: number): void {
    const mark = this.#marks[slot] as number;
    if (mark === 0) return;
    const first = this.index.slots.first(slot, mark);
    const begins = segmentOf(first ?? this.end());
    this.#begins[slot] = Math.max(begins, this.#begins[slot] as number);
  }

  /** The first record of the slot that is kept; its end if none is, 0 if it was never trimmed. */
  oldest(slot: number): number {
    const below = this.below(slot);
    return below === 0 ? 0 : (this.index.slots.first(slot, below) ?? this.index.slots.end(slot));
  }

  /** The first segment that is on the disk by right. */
  get floor(): number {
    return this.#base.floor;
  }

  /** Resolves with the first record that is kept, once that is durable. Keeps the whole segment that holds `before`. */
  async trim(slot: number, before: number): Promise<number> {
    // What is appended later was not meant.
    const mark = Math.min(before, this.end());
    this.#wanted[slot] = Math.max(mark, this.#wanted[slot] as number);
    try {
      while (mark > (this.#marks[slot] as number)) {
        this.#writing ??= this.#write().finally(() => {
          this.#writing = undefined;
        });
        await this.#writing;
      }
    } catch (error) {
      throw new LogUnavailableError(`the trim cannot be written down: ${(error as Error).message}`);
    }
    this.#begin(slot);
    this.sweep();
    return this.oldest(slot);
  }

  async #write(): Promise<void> {
    const marks = Float64Array.from(this.#wanted);
    await writeMarks(this.disk, this.segments.folder, marks);
    this.#marks.set(marks);
  }

  /** Removes segments that nobody needs, in the background and not at once. Called whenever that may have changed. */
  sweep(): void {
    if (this.#isClosing) return;
    this.#cancelSweep ??= this.timers.after(sweepDelayMs, () => {
      this.#cancelSweep = undefined;
      this.#sweepNow();
    });
  }

  #sweepNow(): void {
    this.#sweeping ??= this.#sweep()
      .catch((error: Error) => {
        if (!this.#isClosing) this.onTrouble(`trimmed segments cannot be removed: ${error.message}`);
      })
      .finally(() => {
        this.#sweeping = undefined;
      });
  }

  async #sweep(): Promise<void> {
    for (;;) {
      await this.#clear();
      const floor = this.#removable();
      if (floor <= this.floor || this.#isClosing) return;
      if (!(await this.#raise(floor))) return;
    }
  }

  /** The first segment that some slot still needs, or that the index does not have whole. */
  #removable(): number {
    let floor = Math.min(segmentOf(this.index.checkpointed), segmentOf(this.end()), this.#stuckAt);
    for (let slot = 0; slot < slotCount; slot++) {
      this.#begin(slot);
      const first = this.index.slots.first(slot, this.below(slot));
      if (first !== undefined) floor = Math.min(floor, segmentOf(first));
    }
    return floor;
  }

  /** Says in the base what must outlive the segments before `floor`, or before as many as one round takes. */
  async #raise(floor: number): Promise<boolean> {
    const { epochs, slotLast, ends } = copyOf(this.#base);
    const seen = new SeenStreams();
    let reached = this.floor;
    while (reached < floor && reached < this.floor + roundSegmentsMax && seen.size < roundHeadsMax) {
      const fault = await walkSegment(this.segments, reached, this.#step, (bytes, offset) => {
        const slot = slotAt(bytes, offset);
        const position = bytes.readDoubleLE(offset + at.position);
        slotLast[slot] = position;
        epochs[slot] = Math.max(epochs[slot] as number, bytes.readDoubleLE(offset + at.epoch));
        if (bytes[offset + at.type] !== recordType.events) return;
        ends[slot] = position + recordBytes(bytes.readUInt32LE(offset + at.bodyLength));
        seen.add(bytes, offset);
      });
      if (fault !== undefined) {
        this.#stuckAt = reached;
        this.onTrouble(
          `segment ${segmentName(reached)} was trimmed but is damaged, so it is kept: ${fault.what} at ${fault.position}`,
        );
        break;
      }
      reached++;
    }
    if (reached === this.floor) return false;
    const heads = await this.#dormant(seen, positionOf(reached, 0));
    // An index that a power loss takes back to before these segments would look for them.
    await this.index.onDisk();
    const base = { floor: reached, epochs, slotLast, ends };
    await writeBase(this.disk, this.segments.folder, base, heads);
    this.#base = base;
    return true;
  }

  /** Of the streams that were seen, the heads of those that no later record, safe on the disk, tells. */
  async #dormant(seen: SeenStreams, from: number): Promise<StreamHead[]> {
    const heads: StreamHead[] = [];
    const safe = this.index.checkpointed;
    let looked = 0;
    for (const stream of seen.all()) {
      const { lastPosition } = this.index.streams.peek(stream.kind, stream.id);
      if (lastPosition < from || lastPosition >= safe) heads.push(stream);
      if (++looked % looksPerStep === 0) await this.#step(0);
    }
    return heads;
  }

  /** Removes the segments that the base has made needless; also those that a crash left. */
  async #clear(): Promise<void> {
    const below = positionOf(this.floor, 0);
    const gone = (await listSegments(this.disk, this.segments.folder)).filter((number) => number < this.floor);
    for (const number of gone) {
      const seen = new SeenStreams();
      // What cannot be read names no streams; some blocks of the index then stay for nothing.
      await walkSegment(this.segments, number, this.#step, (bytes, offset) => {
        if (bytes[offset + at.type] === recordType.events) seen.add(bytes, offset);
      }).catch(() => this.#step(0));
      await this.index.prune([...seen.all()], below);
      await this.segments.remove(number);
    }
    if (gone.length > 0) await this.segments.syncFolder();
  }

  /** The next start goes on with what a close interrupts. */
  readonly #step: Pause = () => {
    if (this.#isClosing) throw new Error('the log is closing');
    return new Promise((resolve) => this.timers.after(stepPauseMs, resolve));
  };

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#cancelSweep?.();
    await this.#sweeping;
    await this.#writing?.catch(() => undefined);
  }
}

const copyOf = (base: Base): Pick<Base, 'epochs' | 'slotLast' | 'ends'> => ({
  epochs: Float64Array.from(base.epochs),
  slotLast: Float64Array.from(base.slotLast),
  ends: Float64Array.from(base.ends),
});

/** Streams of which records were seen, each with the last version. */
class SeenStreams {
  readonly #kinds = new Map<string, Map<number, number>>();
  size = 0;

  add(bytes: Buffer, offset: number): void {
    const kind = kindAt(bytes, offset);
    const id = bytes.readDoubleLE(offset + at.id);
    let heads = this.#kinds.get(kind);
    if (heads === undefined) {
      heads = new Map();
      this.#kinds.set(kind, heads);
    }
    if (!heads.has(id)) this.size++;
    heads.set(id, bytes.readDoubleLE(offset + at.version) + bytes.readUInt32LE(offset + at.count) - 1);
  }

  *all(): Iterable<StreamHead> {
    for (const [kind, heads] of this.#kinds) for (const [id, head] of heads) yield { kind, id, head };
  }
}
