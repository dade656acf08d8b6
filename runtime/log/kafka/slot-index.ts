/**
 * Where a slot's streams lie in its partition. Owns, for each stream, its head, its oldest version and *ranges*: stretches
 * of the partition that hold its records; and for the slot *landmarks*, the state of the fold at a position now and then. Both
 * let a reader begin in the middle. Made by folding, and no more than that: it may be thrown away at any time (I8).
 *
 * A range begins at a record of the stream and takes in those that follow within `rangeSpan` offsets: a quiet stream
 * has a range a record and is sought, a busy one is scanned along with its neighbours, and the index of a partition of
 * 100,000 records stays in the tens of kilobytes.
 */
import { type StreamId, streamKey } from '../../../proto/ids.ts';
import { LogDamagedError } from '../event-log.ts';
import type { Batch, FoldState } from './fold.ts';
import type { SlotLimits } from './limits.ts';

export interface StreamRange {
  readonly firstVersion: number;
  /** Of the record with that version; after a trim, of some record that counts before it. */
  readonly firstOffset: number;
  lastOffset: number;
}

export interface StreamEntry {
  readonly stream: StreamId;
  head: number;
  /** The lowest version in the log; head + 1 if none is left, 1 unless trimmed. */
  oldest: number;
  ranges: StreamRange[];
}

/** The fold's state before the record at `position`. */
export interface Landmark {
  readonly position: number;
  readonly state: FoldState;
}

export class SlotIndex {
  readonly streams = new Map<string, StreamEntry>();
  landmarks: Landmark[] = [];
  /** Nothing below is in the log. */
  trimmedTo = 0;
  #ranges = 0;

  constructor(readonly limits: SlotLimits) {}

  /** What it holds and what a checkpoint of it writes: streams, ranges and landmarks. */
  get size(): number {
    return this.streams.size + this.#ranges + this.landmarks.length;
  }

  get(stream: StreamId): StreamEntry | undefined {
    return this.streams.get(streamKey(stream));
  }

  head(stream: StreamId): number {
    return this.get(stream)?.head ?? 0;
  }

  /** A record that is about to be folded, whatever it is. */
  pass(position: number, state: FoldState): void {
    const last = this.landmarks.at(-1);
    if (position - (last?.position ?? this.trimmedTo) >= this.limits.landmarkSpan)
      this.landmarks.push({ position, state });
  }

  /** A batch that counted. */
  add(batch: Batch, offset: number): void {
    const { stream, version, count } = batch;
    const key = streamKey(stream);
    let entry = this.streams.get(key);
    if (entry === undefined) {
      entry = { stream, head: 0, oldest: 1, ranges: [] };
      this.streams.set(key, entry);
    }
    if (version !== entry.head + 1)
      throw new LogDamagedError(`${key}: version ${version} at offset ${offset} follows version ${entry.head}`);
    entry.head = version + count - 1;
    const last = entry.ranges.at(-1);
    if (last !== undefined && offset - last.firstOffset < this.limits.rangeSpan) last.lastOffset = offset;
    else {
      entry.ranges.push({ firstVersion: version, firstOffset: offset, lastOffset: offset });
      this.#ranges++;
    }
  }

  /** From a checkpoint. */
  restore(entry: StreamEntry): void {
    this.streams.set(streamKey(entry.stream), entry);
    this.#ranges += entry.ranges.length;
  }

  /** The state at the last landmark at or below the position, where a scan that wants that position may begin. */
  landmarkBelow(position: number): Landmark | undefined {
    const at = countWhile(this.landmarks, (one) => one.position <= position);
    return this.landmarks[at - 1];
  }

  /** The ranges that hold the stream's versions from `version` on. */
  rangesFrom(entry: StreamEntry, version: number): readonly StreamRange[] {
    const at = countWhile(entry.ranges, (range) => range.firstVersion <= version);
    return entry.ranges.slice(Math.max(0, at - 1));
  }

  /**
   * Lets go of everything below `position`, where a record lies that counts. `oldest` tells the first version from there on of
   * each stream that it names; a stream that it does not name has nothing below.
   */
  cut(position: number, oldest: ReadonlyMap<string, number>): void {
    if (position <= this.trimmedTo) return;
    this.trimmedTo = position;
    this.landmarks = this.landmarks.filter((one) => one.position >= position);
    for (const [key, version] of oldest) {
      const entry = this.streams.get(key);
      if (entry === undefined) continue;
      entry.oldest = Math.max(entry.oldest, version);
      const kept = entry.ranges.filter((range) => range.lastOffset >= position);
      const [first] = kept;
      // What begins below is scanned from the cut on.
      if (first !== undefined && first.firstOffset < position)
        kept[0] = { firstVersion: entry.oldest, firstOffset: position, lastOffset: first.lastOffset };
      this.#ranges += kept.length - entry.ranges.length;
      entry.ranges = kept;
    }
  }
}

/** How many of the sorted items, from the first on, hold it. */
function countWhile<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
