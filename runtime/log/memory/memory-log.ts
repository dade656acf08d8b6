import {
  type Position,
  type Slot,
  type StreamId,
  slotCount,
  slotOf,
  streamKey,
  type Version,
} from '../../../proto/ids.ts';
import {
  type AppendOutcome,
  type EventLog,
  FencedError,
  type LogRecord,
  LogUnavailableError,
  type ReadPage,
  type SlotPage,
  type SlotWriter,
  type StreamWriter,
  sharedKinds,
} from '../event-log.ts';
import type { Feed, FeedListener, Subscription } from '../feed.ts';

const readBytesDefault = 1024 * 1024;

/** What the test or simulation makes of one append. `lose_request`: not done, ambiguous. `lose_reply`: done, ambiguous. */
export type AppendFate = 'do' | 'refuse_full' | 'refuse_busy' | 'refuse_too_large' | 'lose_request' | 'lose_reply';

export interface Faults {
  append?: (append: {
    readonly stream: StreamId;
    readonly expected: number;
    readonly count: number;
    readonly epoch: number;
  }) => AppendFate;
  /** Throws LogUnavailableError when true. */
  read?: () => boolean;
}

/**
 * The event log in memory: honest about conditional append, fencing and order, and as unreliable as it is told to be.
 *
 * `hold('requests')` lets appends wait before they are done, `hold('replies')` lets them be done and the outcomes wait;
 * `release` ends it, and `step` lets one through.
 */
export class MemoryLog implements EventLog, Feed {
  faults: Faults = {};
  readonly #streams = new Map<string, LogRecord[]>();
  readonly #slots: LogRecord[][] = Array.from({ length: slotCount }, () => []);
  /** Records of each slot that were trimmed away; positions go on counting them. */
  readonly #trimmed: number[] = Array.from({ length: slotCount }, () => 0);
  /** The last trimmed version of each stream that lost records. */
  readonly #heads = new Map<string, Version>();
  readonly #epochs = new Map<Slot, number>();
  readonly #listeners = new Map<string, Set<FeedListener>>();
  #held: { readonly requests: (() => void)[]; readonly replies: (() => void)[] } = { requests: [], replies: [] };
  #isHolding: 'nothing' | 'requests' | 'replies' = 'nothing';
  /** How often each operation was called. */
  readonly calls = { take: 0, append: 0, read: 0, readSlot: 0, head: 0 };

  hold(what: 'requests' | 'replies'): void {
    this.#isHolding = what;
  }

  release(): void {
    this.#isHolding = 'nothing';
    const { requests, replies } = this.#held;
    this.#held = { requests: [], replies: [] };
    for (const run of requests) run();
    for (const run of replies) run();
  }

  /** Lets the oldest that is held go on. */
  step(): void {
    (this.#held.requests.shift() ?? this.#held.replies.shift())?.();
  }

  /** Lets the requests that are held overtake one another: appends of different writers have no order. */
  reorder(order: (requests: readonly (() => void)[]) => readonly ((() => void) | undefined)[]): void {
    const reordered = order([...this.#held.requests]).filter((run) => run !== undefined);
    this.#held.requests.splice(0, this.#held.requests.length, ...reordered);
  }

  get heldAppends(): number {
    return this.#held.requests.length + this.#held.replies.length;
  }

  async take(slot: Slot, epoch: number): Promise<SlotWriter> {
    this.calls.take++;
    await Promise.resolve();
    this.#mayBeUnavailable();
    const present = this.#epochs.get(slot) ?? 0;
    if (epoch < present) throw new FencedError(slot, present);
    this.#epochs.set(slot, epoch);
    return {
      slot,
      epoch,
      append: (stream, expected, count, bytes) => this.#append(stream, expected, count, bytes, epoch),
    };
  }

  shared(stream: StreamId): StreamWriter {
    if (!sharedKinds.includes(stream.kind)) throw new Error(`streams of kind ${stream.kind} have an owner`);
    return { stream, append: (expected, count, bytes) => this.#append(stream, expected, count, bytes, undefined) };
  }

  async read(stream: StreamId, from: Version, bytesMax: number = readBytesDefault): Promise<ReadPage> {
    this.calls.read++;
    await Promise.resolve();
    this.#mayBeUnavailable();
    const all = this.#streams.get(streamKey(stream)) ?? [];
    const records: LogRecord[] = [];
    let bytes = 0;
    let next: Version | undefined;
    for (let i = indexOfVersion(all, from); i < all.length; i++) {
      const record = all[i] as LogRecord;
      if (records.length > 0 && bytes + record.bytes.byteLength > bytesMax) {
        next = record.version;
        break;
      }
      records.push(record);
      bytes += record.bytes.byteLength;
    }
    return { records, next, head: this.#headOf(stream), oldest: this.#oldestOf(stream) };
  }

  async readSlot(slot: Slot, from: Position, bytesMax: number = readBytesDefault): Promise<SlotPage> {
    this.calls.readSlot++;
    await Promise.resolve();
    this.#mayBeUnavailable();
    const all = this.#slots[slot] ?? [];
    const records: LogRecord[] = [];
    const trimmed = this.#trimmed[slot] ?? 0;
    let at = Math.max(0, from - trimmed);
    for (let bytes = 0; at < all.length; at++) {
      const record = all[at] as LogRecord;
      if (records.length > 0 && bytes + record.bytes.byteLength > bytesMax) break;
      records.push(record);
      bytes += record.bytes.byteLength;
    }
    return {
      records,
      next: (at + trimmed) as Position,
      end: (all.length + trimmed) as Position,
      oldest: trimmed as Position,
    };
  }

  async head(stream: StreamId): Promise<Version> {
    this.calls.head++;
    await Promise.resolve();
    this.#mayBeUnavailable();
    return this.#headOf(stream);
  }

  async ends(): Promise<readonly Position[]> {
    await Promise.resolve();
    this.#mayBeUnavailable();
    return this.#slots.map((records, slot) => (records.length + (this.#trimmed[slot] ?? 0)) as Position);
  }

  async trim(slot: Slot, before: Position): Promise<Position> {
    await Promise.resolve();
    this.#mayBeUnavailable();
    const inSlot = this.#slots[slot] as LogRecord[];
    const gone = inSlot.splice(0, Math.max(0, before - (this.#trimmed[slot] ?? 0)));
    this.#trimmed[slot] = (this.#trimmed[slot] ?? 0) + gone.length;
    for (const record of gone) {
      this.#heads.set(streamKey(record.stream), (record.version + record.count - 1) as Version);
      this.#streams.get(streamKey(record.stream))?.shift();
    }
    return (this.#trimmed[slot] ?? 0) as Position;
  }

  async close(): Promise<void> {}

  async subscribe(stream: StreamId, listener: FeedListener): Promise<Subscription> {
    const key = streamKey(stream);
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners);
    listeners.add(listener);
    return { head: this.#headOf(stream), close: () => listeners.delete(listener) };
  }

  /** All records of a stream, for checkers. */
  records(stream: StreamId): readonly LogRecord[] {
    return this.#streams.get(streamKey(stream)) ?? [];
  }

  #append(
    stream: StreamId,
    expected: number,
    count: number,
    bytes: Uint8Array,
    epoch: number | undefined,
  ): Promise<AppendOutcome> {
    this.calls.append++;
    return new Promise((resolve) => {
      const run = (): void => {
        const outcome = this.#carryOut(stream, expected, count, bytes, epoch);
        const reply = (): void => resolve(outcome);
        if (this.#isHolding === 'replies') this.#held.replies.push(reply);
        else reply();
      };
      // Behind what is held, so that one writer's appends stay in order.
      if (this.#isHolding === 'requests' || this.#held.requests.length > 0) this.#held.requests.push(run);
      else run();
    });
  }

  #carryOut(
    stream: StreamId,
    expected: number,
    count: number,
    bytes: Uint8Array,
    epoch: number | undefined,
  ): AppendOutcome {
    const fate = this.faults.append?.({ stream, expected, count, epoch: epoch ?? 0 }) ?? 'do';
    if (fate === 'lose_request') return { kind: 'ambiguous', message: 'the request was lost' };
    if (fate === 'refuse_full') return { kind: 'refused', reason: 'full', message: 'no space is left' };
    if (fate === 'refuse_busy') return { kind: 'refused', reason: 'busy', message: 'too much is waiting' };
    if (fate === 'refuse_too_large')
      return { kind: 'refused', reason: 'too_large', message: `${bytes.byteLength} bytes` };
    const slot = slotOf(stream.id);
    const present = this.#epochs.get(slot) ?? 0;
    if (epoch !== undefined && epoch < present)
      return fate === 'lose_reply'
        ? { kind: 'ambiguous', message: 'the reply was lost' }
        : { kind: 'fenced', epoch: present };
    const key = streamKey(stream);
    const records = this.#streams.get(key) ?? [];
    const head = this.#headOf(stream);
    if (head !== expected)
      return fate === 'lose_reply' ? { kind: 'ambiguous', message: 'the reply was lost' } : { kind: 'conflict', head };
    const inSlot = this.#slots[slot] as LogRecord[];
    const record: LogRecord = {
      stream,
      version: (expected + 1) as Version,
      count,
      epoch: epoch ?? 0,
      position: (inSlot.length + (this.#trimmed[slot] ?? 0)) as Position,
      bytes: Uint8Array.from(bytes),
    };
    records.push(record);
    inSlot.push(record);
    this.#streams.set(key, records);
    for (const listener of this.#listeners.get(key) ?? []) listener.record(record);
    return fate === 'lose_reply'
      ? { kind: 'ambiguous', message: 'the reply was lost' }
      : { kind: 'appended', position: record.position };
  }

  #headOf(stream: StreamId): Version {
    const last = this.#streams.get(streamKey(stream))?.at(-1);
    if (last !== undefined) return (last.version + last.count - 1) as Version;
    return this.#heads.get(streamKey(stream)) ?? (0 as Version);
  }

  #oldestOf(stream: StreamId): Version {
    const first = this.#streams.get(streamKey(stream))?.[0];
    return first?.version ?? (((this.#heads.get(streamKey(stream)) ?? 0) + 1) as Version);
  }

  #mayBeUnavailable(): void {
    if (this.faults.read?.() === true) throw new LogUnavailableError('the log does not answer');
  }
}

/** The record that contains the version, or the first after it. */
function indexOfVersion(records: readonly LogRecord[], version: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const record = records[middle] as LogRecord;
    if (record.version + record.count - 1 < version) low = middle + 1;
    else high = middle;
  }
  return low;
}
