/**
 * The one writer. Owns the active segment, the heads as the next append sees them (StreamEntry.head), the slots' epochs and
 * what waits to be committed; one commit is in flight, and all that came meanwhile is the next one. Keeps I1 (nothing is
 * answered or shown before it is durable), I2 (compare-and-set and epochs are judged here, in one order) and I5.
 *
 * Commits begin at once when it is quiet and at most every {@link commitGapMs} under load. A failed write is erased before
 * anything else is written, and everything that waited is refused: surely not done. While no next segment can be made, the end of
 * the active one is kept for what the cluster itself appends, so that a full disk hinders no start and no failover.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { Cancel, Timers } from '../../kernel/timer.ts';
import { isDiskTrouble } from './disk.ts';
import { at, placeRecord, positionOf, recordHeaderBytes, recordType, writeRecord } from './record.ts';
import { type OpenSegment, type Segments, segmentHeaderBytes } from './segments.ts';
import type { StreamEntry } from './stream-index.ts';

const commitGapMs = 3;
/** A commit with fewer records than this is no load: the next one need not wait. */
const quietRecords = 16;
const commitBytesMax = 4 * 1024 * 1024;
const retryMs = 250;
/** Of the active segment, kept for takes and the cluster's stream while there is no next one: enough for dozens of starts. */
const reserveBytesMax = 1024 * 1024;
const reservePart = 4;
const prepareAgainMs = 1_000;
const noNextSegment = (fault: string): string =>
  `the log's next segment cannot be made (${fault}): free space on its disk`;
const bodyBytesMax = 8 * 1024 * 1024;
const committed = { kind: 'committed' } as const;

export type Settled =
  | { readonly kind: 'committed' }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'ambiguous'; readonly message: string };

/** Something that waits for the commit: a record, or (without `source`) an answer that rests on what is before it. */
export interface Waiting {
  readonly entry: StreamEntry | undefined;
  readonly slot: number;
  readonly version: number;
  readonly count: number;
  /** The bytes with the record, as written by `writeRecord`; undefined for a rider. */
  readonly source: Buffer | undefined;
  readonly offset: number;
  readonly length: number;
  /** Given by the lane when it lays out the commit. */
  position: number;
  settle(settled: Settled): void;
}

/** One finished commit, in the order of the log. */
export interface Committed {
  readonly position: number;
  readonly bytes: Buffer;
  readonly records: readonly Waiting[];
}

/** Where appending stands; a lifecycle, so that it is in one state at a time. */
type LaneState =
  | { readonly kind: 'open' }
  /** The disk refuses: appends are refused until a try succeeds. `eraseFrom`: bytes of a failed write that are still there. */
  | {
      readonly kind: 'full';
      readonly message: string;
      readonly erase: { readonly offset: number; readonly length: number } | undefined;
    }
  | { readonly kind: 'closed' };

export class CommitLane {
  readonly epochs: Float64Array;
  readonly slotLast: Float64Array;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #writing = false;
  #scheduled = false;
  #state: LaneState = { kind: 'open' };
  #offset: number;
  #active: OpenSegment;
  /** `isMissed`: records were refused for want of it. */
  #spare: { segment?: OpenSegment; preparing?: Promise<void>; fault?: string; isMissed?: true } = {};
  #cancelPrepare: Cancel | undefined;
  /** Of the commit in flight. */
  #writingBytes = 0;
  #lastBegan = Number.NEGATIVE_INFINITY;
  #lastRecords = 0;
  #idle: (() => void)[] = [];
  commits = 0;

  constructor(
    private readonly segments: Segments,
    start: {
      active: OpenSegment;
      offset: number;
      spare: OpenSegment | undefined;
      epochs: Float64Array;
      slotLast: Float64Array;
    },
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly onCommitted: (commit: Committed) => void,
    private readonly onTrouble: (message: string) => void,
  ) {
    this.#active = start.active;
    this.#offset = start.offset;
    this.epochs = start.epochs;
    this.slotLast = start.slotLast;
    if (start.spare !== undefined) this.#spare.segment = start.spare;
    else this.#prepare();
    const smallest = Math.min(this.#active.size, this.#spare.segment?.size ?? segments.bytes, segments.bytes);
    this.bodyBytesMax = Math.min(bodyBytesMax, smallest - segmentHeaderBytes - 2 * recordHeaderBytes - 8);
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The message with which all appends are refused at present, if they are. */
  get trouble(): string | undefined {
    return this.#state.kind === 'full' ? this.#state.message : undefined;
  }

  /** The same if some are, since the disk has no room: whoever is refused sends again. */
  get shortage(): string | undefined {
    const { segment, fault, isMissed } = this.#spare;
    return segment === undefined && fault !== undefined && isMissed === true ? noNextSegment(fault) : undefined;
  }

  /** Why a record of so many bytes would take what is kept for the cluster itself; undefined: it would not. */
  tightFor(bytes: number): string | undefined {
    const { segment, fault } = this.#spare;
    if (segment !== undefined || fault === undefined) return undefined;
    const taken = this.#offset + this.#writingBytes + this.#waitingBytes + bytes + recordHeaderBytes;
    const reserve = Math.min(reserveBytesMax, Math.floor(this.#active.size / reservePart));
    if (this.#active.size - taken >= reserve) return undefined;
    this.#spare.isMissed = true;
    return noNextSegment(fault);
  }

  /** Position behind the last committed record, in a moment when nothing is in flight or not. */
  get end(): number {
    return positionOf(this.#active.number, this.#offset);
  }

  /** The largest body that fits every segment that appending may go on in. */
  readonly bodyBytesMax: number;

  get quiet(): boolean {
    return this.#waiting.length === 0 && !this.#writing;
  }

  get writing(): boolean {
    return this.#writing;
  }

  /** Runs once, in the moment after the commit in flight and before the next. */
  afterCommit(run: () => void): void {
    this.#after.push(run);
  }
  readonly #after: (() => void)[] = [];

  submit(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#waitingBytes += waiting.length;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#writing || this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    const wait = this.#lastRecords < quietRecords ? 0 : this.#lastBegan + commitGapMs - this.clock.monotonic();
    const begin = (): void => {
      this.#scheduled = false;
      void this.#commit();
    };
    if (wait < 0.5) this.timers.soon(begin);
    else this.timers.after(Math.round(wait), begin);
  }

  async #commit(): Promise<void> {
    if (this.#writing || this.#waiting.length === 0) return;
    if (this.#state.kind !== 'open') {
      this.#refuseAll([], {
        kind: 'refused',
        message: this.#state.kind === 'full' ? this.#state.message : 'the log process is stopping',
      });
      return;
    }
    this.#writing = true;
    this.#lastBegan = this.clock.monotonic();
    const group = this.#nextGroup();
    if (group === undefined) {
      await this.#roll();
      this.#writing = false;
      this.#schedule();
      this.#settleIdle();
      return;
    }
    this.#lastRecords = group.records.length;
    this.#writingBytes = group.bytes.length;
    try {
      if (group.bytes.length > 0) await this.#active.file.write(group.bytes, this.#offset);
    } catch (error) {
      await this.#failed(group, error as Error);
      this.#writing = false;
      this.#writingBytes = 0;
      this.#settleIdle();
      return;
    }
    this.#offset += group.bytes.length;
    this.#writingBytes = 0;
    this.commits++;
    this.onCommitted(group);
    for (const waiting of group.records) waiting.settle(committed);
    this.#writing = false;
    this.#schedule();
    this.#settleIdle();
  }

  /** Lays out the next commit; undefined if not even the first record fits what is left of the segment. */
  #nextGroup(): Committed | undefined {
    const room = this.#active.size - this.#offset - recordHeaderBytes;
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      if (bytes + waiting.length > room || (bytes > 0 && bytes + waiting.length > commitBytesMax)) break;
      bytes += waiting.length;
      count++;
    }
    if (count === 0) return undefined;
    const records = count === this.#waiting.length ? this.#waiting : this.#waiting.slice(0, count);
    this.#waiting = count === this.#waiting.length ? [] : this.#waiting.slice(count);
    this.#waitingBytes -= bytes;
    const out = Buffer.allocUnsafeSlow(bytes);
    const commitStart = this.#offset;
    const position = positionOf(this.#active.number, commitStart);
    let to = 0;
    for (const waiting of records) {
      if (waiting.source === undefined) continue;
      waiting.source.copy(out, to, waiting.offset, waiting.offset + waiting.length);
      placeRecord(out, to, position + to, this.slotLast[waiting.slot] as number, commitStart);
      this.slotLast[waiting.slot] = position + to;
      waiting.position = position + to;
      to += waiting.length;
    }
    return { position, bytes: out, records };
  }

  /** Ends the active segment and goes on in the spare one. */
  async #roll(): Promise<void> {
    const spare = this.#spare;
    if (spare.segment === undefined) {
      if (spare.preparing === undefined) this.#prepare();
      this.#needsSpare = true;
      await this.#spare.preparing;
      this.#needsSpare = false;
    }
    const next = this.#spare.segment;
    if (next === undefined) {
      this.#state = {
        kind: 'full',
        message: noNextSegment(this.#spare.fault ?? ''),
        erase: undefined,
      };
      this.#becomeFull([]);
      return;
    }
    const end = Buffer.alloc(recordHeaderBytes);
    writeRecord(
      end,
      0,
      { type: recordType.end, kind: 'log', id: 0, slot: 0, version: 0, count: 0, epoch: 0 },
      new Uint8Array(0),
    );
    placeRecord(end, 0, positionOf(this.#active.number, this.#offset), 0, this.#offset);
    try {
      await this.#active.file.write(end, this.#offset);
    } catch (error) {
      await this.#failed({ position: 0, bytes: end, records: [] }, error as Error);
      return;
    }
    const old = this.#active;
    this.#active = next;
    this.#offset = segmentHeaderBytes;
    this.#spare = {};
    this.#prepare();
    // With `sync: process` the old segment is synced before its descriptor goes; nobody waits for it but the checkpoint.
    const before = this.#retiring;
    this.#retiring = (async () => {
      await before;
      if (!this.segments.syncs) await old.file.sync();
      await old.file.close();
    })();
    this.#retiring.catch((error: Error) => this.onTrouble(error.message));
  }
  #needsSpare = false;
  #retiring: Promise<void> = Promise.resolve();

  /** Everything committed so far survives power loss when this resolves. */
  async sync(): Promise<void> {
    if (this.segments.syncs) return;
    await this.#retiring;
    await this.#active.file.sync();
  }

  #prepare(): void {
    const spare = this.#spare;
    spare.preparing = this.segments
      .prepare(this.#active.number + 1, () => this.#needsSpare)
      .then(
        (segment) => {
          spare.segment = segment;
          delete spare.fault;
          delete spare.preparing;
        },
        (error: Error) => {
          if (spare.fault === undefined) this.onTrouble(noNextSegment(error.message));
          spare.fault = error.message;
          delete spare.preparing;
          this.#cancelPrepare?.();
          this.#cancelPrepare = this.timers.after(prepareAgainMs, () => {
            if (this.#spare.segment === undefined && this.#spare.preparing === undefined) this.#prepare();
          });
        },
      );
  }

  /** After a failed write: erase what may be there, then refuse. Only if that fails too is the fate unknown. */
  async #failed(group: Committed, error: Error): Promise<void> {
    const what = isDiskTrouble(error) ? `the log's disk is full or failing` : 'the log cannot write';
    const message = `${what} (${error.message}): free space on it`;
    for (let i = group.records.length - 1; i >= 0; i--) {
      const waiting = group.records[i] as Waiting;
      // The chain through the slot is restored from what was laid out.
      if (waiting.source !== undefined)
        this.slotLast[waiting.slot] = group.bytes.readDoubleLE(waiting.position - group.position + at.slotPrev);
    }
    const erase = { offset: this.#offset, length: group.bytes.length };
    const erased = await this.#erase(erase);
    this.#state = { kind: 'full', message, erase: erased ? undefined : erase };
    this.#becomeFull(group.records, erased ? 'refused' : 'ambiguous');
  }

  async #erase(where: { offset: number; length: number }): Promise<boolean> {
    try {
      await this.#active.file.write(Buffer.alloc(where.length), where.offset);
      return true;
    } catch {
      return false;
    }
  }

  #becomeFull(inFlight: readonly Waiting[], kind: 'refused' | 'ambiguous' = 'refused'): void {
    const message = this.trouble ?? '';
    this.onTrouble(message);
    this.#refuseAll(inFlight, { kind, message });
    this.timers.after(retryMs, () => void this.#retry());
  }

  #refuseAll(inFlight: readonly Waiting[], settled: Settled): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    const message = settled.kind === 'committed' ? '' : settled.message;
    for (const one of inFlight) if (one.entry !== undefined) one.entry.head = one.entry.committed;
    for (const one of waiting) if (one.entry !== undefined) one.entry.head = one.entry.committed;
    for (const one of inFlight) one.settle(settled);
    for (const one of waiting) one.settle({ kind: 'refused', message });
    this.#settleIdle();
  }

  async #retry(): Promise<void> {
    const state = this.#state;
    if (state.kind !== 'full') return;
    let well = true;
    if (state.erase !== undefined) well = await this.#erase(state.erase);
    if (well && this.#spare.segment === undefined) {
      if (this.#spare.preparing === undefined) this.#prepare();
      await this.#spare.preparing;
      well = this.#spare.segment !== undefined;
    }
    if (this.#state !== state) return;
    if (well) this.#state = { kind: 'open' };
    else this.timers.after(retryMs, () => void this.#retry());
  }

  #settleIdle(): void {
    if (!this.#writing) for (const run of this.#after.splice(0)) run();
    if (!this.quiet) return;
    for (const idle of this.#idle.splice(0)) idle();
  }

  /** Finishes what waits, then takes nothing more. */
  async drain(): Promise<void> {
    if (!this.quiet) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#state = { kind: 'closed' };
  }

  /** After {@link drain}. */
  async close(): Promise<void> {
    await this.#spare.preparing;
    this.#cancelPrepare?.();
    await this.#retiring.catch(() => undefined);
    await this.#spare.segment?.file.close();
    await this.#active.file.close();
  }
}
