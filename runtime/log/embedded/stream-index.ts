/**
 * What the log process knows of each stream: its head, and where its records lie. Owns the streams in memory (bounded; the
 * rest is in LMDB) and their blocks: up to {@link blockRunsMax} runs of (version, position, length) under one key, never a
 * key per event. Written behind: the newest runs stay in memory until a flush has committed. Keeps I5.
 */
import { slotOf } from '../../../proto/ids.ts';
import { LogDamagedError } from '../event-log.ts';
import { type Run, runLengthMax } from './slot-index.ts';
import type { Table } from './store.ts';
import { blockHeaderBytes, blockKey, blockRunBytes as runBytes, StreamBlocks } from './stream-blocks.ts';

const blockRunsMax = 128;

/** Whoever is sent a stream's records; see feed-link.ts. */
export interface FeedTarget {
  readonly name: string;
}

export class StreamEntry {
  readonly slot: number;
  /** With all that waits to be committed: what the next append is compared with. */
  head = 0;
  /** What readers see. */
  committed = 0;
  /** Of the last committed record. */
  lastPosition = 0;
  /** The key of the newest block in LMDB; 0 = none. */
  tailBlock = 0;
  /** version, position, length, … not yet in LMDB. */
  runs: number[] = [];
  flushing: number[] | undefined;
  dirty = false;
  touched = true;
  subscribers: Set<FeedTarget> | undefined;
  /** The first version that is kept, as it was found last, and its position: good as long as the slot is not trimmed beyond. */
  oldest = 1;
  oldestPosition = 0;

  constructor(
    readonly kind: string,
    readonly id: number,
  ) {
    this.slot = slotOf(id);
  }

  get name(): string {
    return `${this.kind}/${this.id}`;
  }

  get evictable(): boolean {
    return !this.dirty && this.flushing === undefined && this.head === this.committed && this.subscribers === undefined;
  }
}

export class StreamIndex {
  readonly #kinds = new Map<string, Map<number, StreamEntry>>();
  #size = 0;
  #dirty: StreamEntry[] = [];
  /** Records that LMDB does not have yet: bounds memory and the scan at the next start. */
  unindexed = 0;

  readonly stored: StreamBlocks;

  constructor(
    private readonly blocks: Table,
    private readonly streamsMax: number,
  ) {
    this.stored = new StreamBlocks(blocks);
  }

  get size(): number {
    return this.#size;
  }

  entry(kind: string, id: number): StreamEntry {
    let ids = this.#kinds.get(kind);
    if (ids === undefined) {
      ids = new Map();
      this.#kinds.set(kind, ids);
    }
    let entry = ids.get(id);
    if (entry === undefined) {
      entry = this.#load(kind, id);
      ids.set(id, entry);
      this.#size++;
    }
    entry.touched = true;
    return entry;
  }

  #load(kind: string, id: number): StreamEntry {
    const entry = new StreamEntry(kind, id);
    const newest = this.stored.at(kind, id, Number.MAX_SAFE_INTEGER);
    if (newest !== undefined) {
      entry.head = entry.committed = newest.value.readDoubleLE(0);
      entry.lastPosition = newest.value.readDoubleLE(8);
      entry.tailBlock = newest.version;
    }
    return entry;
  }

  /** Head and last position, without keeping the stream in memory. */
  peek(kind: string, id: number): { readonly committed: number; readonly lastPosition: number } {
    return this.#kinds.get(kind)?.get(id) ?? this.#load(kind, id);
  }

  /**
   * The first version at or behind position `below`, which begins a segment: no run lies across it. Head + 1 if nothing of
   * the stream is left there.
   */
  oldest(entry: StreamEntry, below: number): number {
    if (below === 0) return 1;
    if (entry.lastPosition < below) return entry.committed + 1;
    if (entry.oldestPosition < below) {
      const first = this.#firstRun(entry, below);
      if (first === undefined)
        throw new LogDamagedError(`the index has lost where stream ${entry.name} begins: delete it`);
      entry.oldest = first.version;
      entry.oldestPosition = first.position;
    }
    return entry.oldest;
  }

  #firstRun(entry: StreamEntry, below: number): { version: number; position: number } | undefined {
    const stored = this.stored.firstBehind(entry.kind, entry.id, entry.tailBlock, below);
    if (stored !== undefined) return stored;
    for (const runs of [entry.flushing, entry.runs]) {
      for (let i = 0; runs !== undefined && i < runs.length; i += 3) {
        if ((runs[i + 1] as number) >= below) return { version: runs[i] as number, position: runs[i + 1] as number };
      }
    }
    return undefined;
  }

  /** A committed record. `boundary`: the position up to which a flush is under way; no run may cross it. */
  add(entry: StreamEntry, version: number, count: number, position: number, length: number, boundary: number): void {
    entry.committed = version + count - 1;
    entry.lastPosition = position;
    this.unindexed++;
    const runs = entry.runs;
    const last = runs.length - 3;
    if (last >= 0 && position !== boundary) {
      const size = runs[last + 2] as number;
      if ((runs[last + 1] as number) + size === position && size + length <= runLengthMax) {
        runs[last + 2] = size + length;
        return;
      }
    }
    runs.push(version, position, length);
    if (!entry.dirty) {
      entry.dirty = true;
      this.#dirty.push(entry);
    }
  }

  /** The runs from the one that holds `version` on, about `bytesMax` bytes of them, and whether they reach the newest. */
  runsFrom(entry: StreamEntry, version: number, bytesMax: number): Run[] {
    const found: (Run & { version: number })[] = [];
    let bytes = 0;
    // The run before the first one whose version is higher holds `version`: keep one until the next shows it is too early.
    const take = (first: number, position: number, length: number): boolean => {
      const last = found.at(-1);
      if (last !== undefined && position <= last.position) return true;
      if (first <= version) {
        found.length = 0;
        bytes = 0;
      }
      found.push({ version: first, position, length });
      bytes += length;
      return bytes < bytesMax || first < version;
    };
    if (entry.tailBlock > 0) {
      const { kind, id } = entry;
      let start: Buffer | undefined;
      const before = { start: blockKey(kind, id, version), end: blockKey(kind, id, 0), reverse: true, limit: 1 };
      for (const { key } of this.blocks.getRange(before)) start = key;
      const range = { start: start ?? blockKey(kind, id, 0), end: blockKey(kind, id, Number.MAX_SAFE_INTEGER) };
      for (const { key, value } of this.blocks.getRange(range)) {
        const base = key.readDoubleBE(key.length - 8);
        for (let i = blockHeaderBytes; i < value.length; i += runBytes) {
          if (!take(base + value.readUInt32LE(i), value.readDoubleLE(i + 8), value.readUInt32LE(i + 4))) return found;
        }
      }
    }
    for (const runs of [entry.flushing, entry.runs]) {
      for (let i = 0; runs !== undefined && i < runs.length; i += 3) {
        if (!take(runs[i] as number, runs[i + 1] as number, runs[i + 2] as number)) return found;
      }
    }
    return found;
  }

  /** What is dirty now; hand it to {@link flush} slice by slice. */
  takeDirty(): StreamEntry[] {
    const dirty = this.#dirty;
    this.#dirty = [];
    return dirty;
  }

  /** Writes the runs before `boundary` of these streams. Called inside a batch; {@link flushed} or {@link failed} ends it. */
  flush(entries: readonly StreamEntry[], boundary: number): void {
    for (const entry of entries) {
      const runs = entry.runs;
      let split = runs.length;
      while (split > 0 && (runs[split - 2] as number) >= boundary) split -= 3;
      entry.flushing = split === runs.length ? runs : runs.slice(0, split);
      entry.runs = split === runs.length ? [] : runs.slice(split);
      if (entry.flushing.length > 0) this.#write(entry, entry.flushing);
    }
  }

  flushed(entries: readonly StreamEntry[]): void {
    for (const entry of entries) {
      entry.flushing = undefined;
      entry.dirty = entry.runs.length > 0;
      if (entry.dirty) this.#dirty.push(entry);
    }
  }

  failed(entries: readonly StreamEntry[]): void {
    for (const entry of entries) {
      if (entry.flushing !== undefined) entry.runs = entry.flushing.concat(entry.runs);
      entry.flushing = undefined;
      // A block that may or may not have been written is found again by looking.
      entry.tailBlock = this.#load(entry.kind, entry.id).tailBlock;
      entry.dirty = true;
      this.#dirty.push(entry);
    }
  }

  #write(entry: StreamEntry, runs: readonly number[]): void {
    const { kind, id } = entry;
    let base = entry.tailBlock;
    let held = base === 0 ? undefined : this.blocks.get(blockKey(kind, id, base));
    if (held !== undefined && held.length >= blockHeaderBytes + blockRunsMax * runBytes) held = undefined;
    // The head as of these runs: the newest run's last version is known only to the entry when nothing came meanwhile.
    const whole = entry.runs.length === 0;
    const head = whole ? entry.committed : (entry.runs[0] as number) - 1;
    const lastPosition = whole ? entry.lastPosition : (runs.at(-2) as number);
    for (let i = 0; i < runs.length; ) {
      if (held === undefined) base = runs[i] as number;
      const from: number = held?.length ?? blockHeaderBytes;
      const count = Math.min(blockRunsMax - (from - blockHeaderBytes) / runBytes, (runs.length - i) / 3);
      const block = Buffer.allocUnsafe(from + count * runBytes);
      held?.copy(block);
      block.writeDoubleLE(head, 0);
      block.writeDoubleLE(lastPosition, 8);
      for (let n = 0, to = from; n < count; n++, i += 3, to += runBytes) {
        block.writeUInt32LE((runs[i] as number) - base, to);
        block.writeUInt32LE(runs[i + 2] as number, to + 4);
        block.writeDoubleLE(runs[i + 1] as number, to + 8);
      }
      void this.blocks.put(blockKey(kind, id, base), block);
      entry.tailBlock = base;
      held = undefined;
    }
  }

  /** Forgets streams that were not used since the last sweep, down to the bound. Their heads are in LMDB. */
  sweep(): void {
    if (this.#size <= this.streamsMax) return;
    for (const ids of this.#kinds.values()) {
      for (const [id, entry] of ids) {
        if (this.#size <= this.streamsMax) return;
        if (!entry.evictable) continue;
        if (entry.touched) entry.touched = false;
        else {
          ids.delete(id);
          this.#size--;
        }
      }
    }
  }
}
