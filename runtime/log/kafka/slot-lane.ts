/**
 * What this process writes into one slot. Owns the right to append while it lasts, which is the term that one of its
 * announcements began, and the numbers of its batches. Everything that it believes comes from its reader's fold, and every
 * outcome but a refusal is told only when the fold has passed the record (I1, I2):
 *
 * - the answer to a request says at which offset its records lie. If that is the position folded to, nothing foreign lies between,
 *   and they are folded as they were sent (usually all count); otherwise what lies between is fetched and folded first;
 * - a batch of the present term that counts is *appended*; when an announcement of another counts, all that is left is *fenced*;
 * - after any fault exactly the same records are sent again, until they were folded: term and seq make copies harmless.
 *
 * Callers wait for a bounded time (I5). What was sent by then is *ambiguous* and goes on being sent; what was not is refused.
 */
import type { Position, Slot, StreamId, Version } from '../../../proto/ids.ts';
import { type AppendOutcome, FencedError, LogDamagedError, LogUnavailableError } from '../event-log.ts';
import { writeCheckpoint } from './checkpoint.ts';
import type { AnnouncementEntry, BatchEntry, CheckpointEntry, Entry } from './entry.ts';
import type { FoldListener, SlotReader } from './slot-reader.ts';
import { type Append, type Sendable, type Waiting, WaitingList } from './waiting-list.ts';

export const checkpointBytesMax = 3 * 1024 * 1024;

/** What the lane asks of those around it. */
export interface LaneContext {
  now(): number;
  token(): string;
  /** There is something to send. */
  wants(lane: SlotLane): void;
  /** The bytes that wait changed. */
  holds(bytes: number): void;
  readonly patienceMs: number;
}

export class SlotLane implements FoldListener {
  /** A request with records of this lane is on the way. */
  isFlying = false;
  readonly #waiting: WaitingList;
  #tenure: { readonly term: number; readonly epoch: number } | undefined;
  /** Of the last batch that was numbered, and the events up to it. */
  #seq = 0;
  #total = 0;
  /** Callers lost their patience with what was sent: until it is folded nothing more is taken. */
  #isAway = false;
  #settled: (() => void)[] = [];
  #takes = 0;
  #taking: Promise<unknown> = Promise.resolve();
  #catching: Promise<void> | undefined;

  constructor(
    readonly reader: SlotReader,
    private readonly context: LaneContext,
  ) {
    reader.listener = this;
    this.#waiting = new WaitingList((bytes) => context.holds(bytes));
  }

  get slot(): Slot {
    return this.reader.slot as Slot;
  }
  get isOwner(): boolean {
    return this.#tenure !== undefined;
  }
  get needsAll(): boolean {
    return this.#waiting.hasSent;
  }
  get isIdle(): boolean {
    return this.#waiting.isEmpty && this.#takes === 0;
  }
  /** Something may be sent: what was sent before has been folded, or failed. */
  get isReady(): boolean {
    return !this.#waiting.isEmpty && !this.isFlying && this.#catching === undefined;
  }

  /** Makes this process the owner under the epoch; resolves with the term. */
  take(epoch: number): Promise<number> {
    this.#takes++;
    const taken = this.#taking.then(() => this.#take(epoch)).finally(() => this.#takes--);
    this.#taking = taken.catch(() => undefined);
    return taken;
  }

  async #take(epoch: number): Promise<number> {
    const began = this.context.now();
    for (;;) {
      await this.reader.catchUp();
      const { pointer, state } = this.reader;
      if (epoch < state.epoch) throw new FencedError(this.slot, state.epoch);
      if (this.#tenure?.epoch === epoch && this.#tenure.term === state.term) return state.term;
      if (this.context.now() - began > this.context.patienceMs)
        throw new LogUnavailableError(`slot ${this.slot} could not be taken in time`);
      const term = state.term + 1;
      const sent: AnnouncementEntry = { type: 'announcement', term, epoch, owner: this.context.token(), pointer };
      const counted = this.#waiting.announcement(this.context.now(), sent);
      this.context.wants(this);
      if ((await counted) && this.#tenure?.term === term) return term;
    }
  }

  /** As SlotWriter.append, for a writer that took the slot under that term. */
  append(term: number, stream: StreamId, expected: Version, count: number, bytes: Uint8Array): Promise<AppendOutcome> {
    const { fault } = this.reader;
    if (fault !== undefined) return Promise.resolve({ kind: 'refused', reason: 'damaged', message: fault.message });
    if (this.#tenure?.term !== term) return Promise.resolve(this.#fencedOutcome());
    if (this.#isAway) return Promise.resolve(awayOutcome);
    const since = this.context.now();
    const head = this.#waiting.headOf(stream) ?? this.reader.index.head(stream);
    if (head !== expected) return this.#conflict(term, stream, since);
    return new Promise((resolve) => {
      this.#waiting.append({ since, term, stream, version: expected + 1, count, bytes }, resolve);
      this.context.wants(this);
    });
  }

  /** The fold may be behind: a conflict is told in its turn, and only when the log has been asked who owns the slot. */
  async #conflict(term: number, stream: StreamId, since: number): Promise<AppendOutcome> {
    const over = this.#waiting.isEmpty ? undefined : await this.#waiting.verdict(since);
    if (over !== undefined) return over;
    try {
      await this.reader.catchUp();
    } catch (error) {
      const reason = error instanceof LogDamagedError ? 'damaged' : 'busy';
      return { kind: 'refused', reason, message: (error as Error).message };
    }
    if (this.#tenure?.term !== term) return this.#fencedOutcome();
    return { kind: 'conflict', head: this.reader.index.head(stream) as Version };
  }

  /** Writes a checkpoint; resolves when it is in the log, false if it could not be in time. */
  checkpoint(entry: CheckpointEntry): Promise<boolean> {
    const written = this.#waiting.checkpoint(this.context.now(), entry);
    this.context.wants(this);
    return written;
  }

  /** What goes with the next request. */
  load(recordsMax: number, bytesMax: number): Sendable[] {
    return this.#waiting.load(recordsMax, bytesMax, (append) => this.#number(append));
  }

  #number({ term, stream, version, count, bytes }: Append): BatchEntry {
    const { pointer, state } = this.reader;
    const total = this.#total;
    this.#total += count;
    const seq = ++this.#seq;
    return { type: 'batch', term, epoch: state.epoch, pointer, seq, total, stream, version, count, bytes };
  }

  /** The records lie in the partition from that offset on, one behind the other. */
  landed(sendables: readonly Sendable[], base: number): void {
    const { reader } = this;
    const end = base + sendables.length;
    try {
      if (base === reader.position) for (const [i, { sent }] of sendables.entries()) reader.apply(base + i, sent);
      else if (end <= reader.position && sendables.some((one) => this.#isOpen(one)))
        reader.stop(`records were appended at ${base}, but it was folded to ${reader.position}: the log was cut off`);
    } catch (error) {
      this.#broken(error);
    }
    for (const one of sendables) if (one.type === 'checkpoint') this.#waiting.drop(one, true);
    if (reader.fault !== undefined) this.#stopped(reader.fault);
    else if (end > reader.position) this.#catchUp(end);
    else this.#checkpointWhenDue();
  }

  /** Sent under the present term, and not yet folded. */
  #isOpen(sendable: Sendable): boolean {
    return sendable.type === 'append' && sendable.term === this.#tenure?.term && this.#waiting.has(sendable);
  }

  /** There is a gap: what lies in it is fetched and folded, for as long as it takes. */
  #catchUp(upto: number): void {
    const catching = (this.#catching ?? Promise.resolve()).then(() => this.#foldTo(upto));
    this.#catching = catching;
    void catching.then(() => {
      if (this.#catching === catching) this.#catching = undefined;
      this.#checkpointWhenDue();
      if (this.isReady) this.context.wants(this);
    });
  }

  async #foldTo(upto: number): Promise<void> {
    while (this.reader.position < upto && this.reader.fault === undefined) {
      try {
        await this.reader.catchUp();
      } catch (error) {
        if (!(error instanceof LogUnavailableError)) this.#broken(error);
        else if (this.#waiting.isEmpty) return;
      }
    }
    if (this.reader.fault !== undefined) this.#stopped(this.reader.fault);
  }

  folded(entry: Entry, offset: number, counted: boolean): void {
    if (!counted) return;
    if (entry.type === 'batch') this.#counted(entry, offset);
    else if (entry.type === 'announcement') this.#announced(entry);
  }

  #counted(batch: BatchEntry, offset: number): void {
    if (batch.term !== this.#tenure?.term) return;
    const first = this.#waiting.firstAppend;
    if (first?.sent?.seq !== batch.seq)
      throw this.reader.stop(
        `batch ${batch.seq} of term ${batch.term} counted at ${offset}, but was not the next here`,
      );
    this.#waiting.finish(first, { kind: 'appended', position: offset as Position });
    this.#waiting.turnVerdicts();
    this.#settle();
  }

  #announced({ term, epoch, owner }: AnnouncementEntry): void {
    const own = this.#waiting.all.find((one) => one.type === 'announcement' && one.sent.owner === owner);
    this.#fence(term, own);
    if (own?.type !== 'announcement') return;
    this.#tenure = { term, epoch };
    this.#seq = 0;
    this.#total = this.reader.state.total;
    this.#waiting.drop(own, true);
  }

  /** A newer term has begun: what waits under an older one never counts, wherever it lands. */
  #fence(term: number, own?: Waiting): void {
    this.#tenure = undefined;
    for (const waiting of this.#waiting.all) {
      if (waiting.type === 'append') this.#waiting.finish(waiting, this.#fencedOutcome());
      else if (waiting.type === 'verdict') this.#waiting.judge(waiting, this.#fencedOutcome());
      else if (waiting.type === 'announcement' && waiting !== own && waiting.sent.term <= term)
        this.#waiting.drop(waiting, false);
    }
    this.#settle();
  }

  /** What was sent may lie where the fold jumped: only if it was never shown is it *fenced*. */
  jumped(): void {
    const { term, seq } = this.reader.state;
    const isOwner = this.#tenure?.term === term;
    const message = 'it lies, if anywhere, in what was trimmed before it was seen here';
    for (const waiting of this.#waiting.all) {
      if (waiting.type !== 'append' || waiting.sent === undefined) continue;
      if (!isOwner || waiting.sent.seq <= seq) this.#waiting.finish(waiting, { kind: 'ambiguous', message });
    }
    if (isOwner) this.#settle();
    else this.#fence(term);
  }

  /** Callers that waited for too long are answered. */
  checkPatience(): void {
    const { first } = this.#waiting;
    if (first !== undefined && this.context.now() - first.since > this.context.patienceMs) this.#giveUp();
  }

  #giveUp(): void {
    for (const waiting of this.#waiting.all) {
      if (waiting.type === 'append' && waiting.sent !== undefined) {
        this.#isAway = true;
        waiting.resolve?.({ kind: 'ambiguous', message: 'Kafka does not answer: it is sent on until it does' });
        waiting.resolve = undefined;
      } else this.#turnAway(waiting, awayOutcome);
    }
  }

  #turnAway(waiting: Waiting, outcome: AppendOutcome): void {
    if (waiting.type === 'append') this.#waiting.finish(waiting, outcome);
    else if (waiting.type === 'verdict') this.#waiting.judge(waiting, outcome);
    else this.#waiting.drop(waiting, false);
  }

  /** The slot has stopped, or this process ends. */
  close(message: string, reason: 'damaged' | 'busy' = 'busy'): void {
    for (const waiting of this.#waiting.all) {
      const isSent = waiting.type === 'append' && waiting.sent !== undefined;
      this.#turnAway(waiting, isSent ? { kind: 'ambiguous', message } : { kind: 'refused', reason, message });
    }
    this.#settle();
  }

  /** Resolves when all that callers were told is ambiguous has been folded. Rejects when that takes too long. */
  async settled(timeout: (ms: number) => Promise<void>): Promise<void> {
    if (!this.#isAway) return;
    const isOver = timeout(this.context.patienceMs).then(() => true);
    const isSettled = new Promise<boolean>((resolve) => this.#settled.push(() => resolve(false)));
    if (await Promise.race([isOver, isSettled]))
      throw new LogUnavailableError(`slot ${this.slot}: appends of this process are still on their way`);
  }

  #settle(): void {
    if (this.#isAway) this.#isAway = this.#waiting.hasAmbiguous;
    if (this.#isAway) return;
    const settled = this.#settled;
    this.#settled = [];
    for (const resolve of settled) resolve();
  }

  #checkpointWhenDue(): void {
    const { reader } = this;
    const due = reader.checkpointed + Math.max(reader.limits.checkpointRecords, reader.index.size);
    if (!this.isOwner || reader.position < due) return;
    if (this.#waiting.all.some((one) => one.type === 'checkpoint')) return;
    const entry = writeCheckpoint(reader);
    if (entry.bytes.byteLength <= checkpointBytesMax) void this.checkpoint(entry);
  }

  #broken(error: unknown): void {
    this.#stopped(error instanceof LogDamagedError ? error : this.reader.stop(String(error)));
  }

  #stopped(fault: LogDamagedError): void {
    this.reader.stop(fault.message);
    this.close(fault.message, 'damaged');
  }

  #fencedOutcome(): AppendOutcome {
    return { kind: 'fenced', epoch: this.reader.state.epoch };
  }
}

const awayOutcome: AppendOutcome = {
  kind: 'refused',
  reason: 'busy',
  message: 'Kafka does not answer: what waits is sent first',
};
