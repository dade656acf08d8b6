/**
 * What this process writes into one slot. Owns the records that wait or are on the way, in their order, and the right to
 * append while it lasts: the term that one of its announcements began. Everything that it believes comes from its reader's
 * fold, and every outcome but a refusal is told only when the fold has passed the record (I1, I2):
 *
 * - the answer to a request says at which offset its records lie. If that is the position folded to, nothing foreign lies between,
 *   and they are folded as they were sent (usually all count); otherwise what lies between is fetched and folded first;
 * - a counted batch of the present term is *appended*; when an announcement of another counts, all that is left is *fenced*;
 * - after any fault exactly the same records are sent again, until they were folded: seq and term make copies harmless.
 *
 * Callers wait for a bounded time (I5). What was sent by then is *ambiguous* and goes on being sent; what was not is refused.
 */
import { type Position, type Slot, type StreamId, streamKey, type Version } from '../../../proto/ids.ts';
import { type AppendOutcome, FencedError, LogDamagedError, LogUnavailableError } from '../event-log.ts';
import { writeCheckpoint } from './checkpoint.ts';
import { type AnnouncementEntry, type BatchEntry, type CheckpointEntry, type Entry, writeKey } from './entry.ts';
import { batchOverheadBytes } from './record-batch.ts';
import type { FoldListener, SlotReader } from './slot-reader.ts';

/** Records between two checkpoints, at least; more where the index itself is larger, so that it costs no more than the records. */
const checkpointRecords = 4096;
export const checkpointBytesMax = 3 * 1024 * 1024;
const headerBytesGuess = 64;

type Resolve<T> = (value: T) => void;

interface Append {
  readonly type: 'append';
  readonly since: number;
  readonly size: number;
  readonly term: number;
  readonly stream: StreamId;
  readonly version: number;
  readonly count: number;
  readonly bytes: Uint8Array;
  resolve: Resolve<AppendOutcome> | undefined;
  sent: BatchEntry | undefined;
  key: Buffer | undefined;
}
/** A conflict that waits for its turn, behind the appends that it was judged by. */
interface Verdict {
  readonly type: 'verdict';
  readonly since: number;
  /** Undefined: its turn has come. */
  resolve: Resolve<AppendOutcome | undefined> | undefined;
}
interface Note<Kind extends 'announcement' | 'checkpoint', Sent> {
  readonly type: Kind;
  readonly since: number;
  readonly size: number;
  readonly sent: Sent;
  readonly key: Buffer;
  /** True: the checkpoint is in the log, the announcement counted. */
  readonly resolve: Resolve<boolean>;
}
type Announcing = Note<'announcement', AnnouncementEntry>;
type Checkpointing = Note<'checkpoint', CheckpointEntry>;
type Waiting = Append | Verdict | Announcing | Checkpointing;
export type Sendable = (Append & { sent: BatchEntry; key: Buffer }) | Announcing | Checkpointing;

/** What the lane asks of those around it. */
export interface LaneContext {
  now(): number;
  token(): string;
  /** There is something to send. */
  wants(lane: SlotLane): void;
  /** Bytes that wait in all lanes together changed. */
  holds(bytes: number): void;
  readonly patienceMs: number;
}

interface Tenure {
  readonly term: number;
  readonly epoch: number;
}

export class SlotLane implements FoldListener {
  /** A request with records of this lane is on the way. */
  isFlying = false;
  #waiting: Waiting[] = [];
  #tenure: Tenure | undefined;
  #seq = 0;
  #total = 0;
  /** Heads as they will be when all that waits is in the log. */
  readonly #heads = new Map<string, { head: number; waiting: number }>();
  /** Callers lost their patience with what was sent: until it is folded nothing more is taken. */
  #isAway = false;
  #settled: (() => void)[] = [];
  #taking: Promise<unknown> = Promise.resolve();
  #takes = 0;
  #catching: Promise<void> | undefined;

  constructor(
    readonly reader: SlotReader,
    private readonly context: LaneContext,
  ) {
    reader.listener = this;
  }

  get slot(): Slot {
    return this.reader.slot as Slot;
  }
  get isOwner(): boolean {
    return this.#tenure !== undefined;
  }
  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#takes === 0;
  }
  /** Something may be sent: what was sent before has been folded, or failed. */
  get isReady(): boolean {
    return this.#waiting.length > 0 && !this.isFlying && this.#catching === undefined;
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
      const { state } = this.reader;
      if (epoch < state.epoch) throw new FencedError(this.slot, state.epoch);
      if (this.#tenure?.epoch === epoch && this.#tenure.term === state.term) return state.term;
      const left = this.context.patienceMs - (this.context.now() - began);
      if (left <= 0) throw new LogUnavailableError(`slot ${this.slot} could not be taken in time: others take it too`);
      const owner = this.context.token();
      const { pointer } = this.reader;
      const sent: AnnouncementEntry = { type: 'announcement', term: state.term + 1, epoch, owner, pointer };
      if ((await this.#note(sent)) && this.#tenure?.term === sent.term) return sent.term;
    }
  }

  /** As SlotWriter.append, for a writer that took the slot under that term. */
  append(term: number, stream: StreamId, expected: Version, count: number, bytes: Uint8Array): Promise<AppendOutcome> {
    const fault = this.reader.fault;
    if (fault !== undefined) return Promise.resolve({ kind: 'refused', reason: 'damaged', message: fault.message });
    if (this.#tenure?.term !== term) return Promise.resolve(this.#fencedOutcome());
    if (this.#isAway) return Promise.resolve(awayOutcome);
    const key = streamKey(stream);
    const ahead = this.#heads.get(key);
    const head = ahead?.head ?? this.reader.index.head(stream);
    const since = this.context.now();
    if (head !== expected) return this.#conflict(term, stream, since);
    if (ahead === undefined) this.#heads.set(key, { head: expected + count, waiting: 1 });
    else {
      ahead.head = expected + count;
      ahead.waiting++;
    }
    return new Promise((resolve) => {
      const size = bytes.byteLength + headerBytesGuess;
      const version = expected + 1;
      const sent = undefined;
      this.#push({ type: 'append', since, size, term, stream, version, count, bytes, resolve, sent, key: sent });
    });
  }

  /** The fold may be behind: a conflict is told in its turn, and only when the log has been asked who owns the slot. */
  async #conflict(term: number, stream: StreamId, since: number): Promise<AppendOutcome> {
    if (this.#waiting.length > 0) {
      const over = await new Promise<AppendOutcome | undefined>((resolve) => {
        this.#waiting.push({ type: 'verdict', since, resolve });
      });
      if (over !== undefined) return over;
    }
    try {
      await this.reader.catchUp();
    } catch (error) {
      const reason = error instanceof LogDamagedError ? 'damaged' : 'busy';
      return { kind: 'refused', reason, message: (error as Error).message };
    }
    if (this.#tenure?.term !== term) return this.#fencedOutcome();
    return { kind: 'conflict', head: this.reader.index.head(stream) as Version };
  }

  /** Writes a checkpoint of that index; resolves when it is in the log, false if it could not be in time. */
  checkpoint(entry: CheckpointEntry): Promise<boolean> {
    return this.#note(entry);
  }

  #note(sent: AnnouncementEntry | CheckpointEntry): Promise<boolean> {
    return new Promise((resolve) => {
      const since = this.context.now();
      const key = writeKey(sent);
      if (sent.type === 'announcement')
        this.#push({ type: sent.type, since, size: headerBytesGuess, sent, key, resolve });
      else this.#push({ type: sent.type, since, size: sent.bytes.byteLength + headerBytesGuess, sent, key, resolve });
    });
  }

  #push(waiting: Exclude<Waiting, Verdict>): void {
    this.#waiting.push(waiting);
    this.context.holds(waiting.size);
    this.context.wants(this);
  }

  /** What goes with the next request: from the first on, within the bounds, at least one. Numbers what was never sent. */
  load(recordsMax: number, bytesMax: number): Sendable[] {
    const loaded: Sendable[] = [];
    let bytes = batchOverheadBytes;
    for (const waiting of this.#waiting) {
      if (waiting.type === 'verdict') continue;
      bytes += waiting.size;
      if (loaded.length > 0 && (loaded.length >= recordsMax || bytes > bytesMax)) break;
      loaded.push(waiting.type === 'append' ? this.#number(waiting) : waiting);
    }
    return loaded;
  }

  #number(append: Append): Append & { sent: BatchEntry; key: Buffer } {
    if (append.sent === undefined) {
      const { term, stream, version, count, bytes } = append;
      const epoch = this.#tenure?.epoch ?? 0;
      const { pointer } = this.reader;
      const [seq, total] = [++this.#seq, this.#total];
      this.#total += count;
      append.sent = { type: 'batch', term, epoch, pointer, seq, total, stream, version, count, bytes };
      append.key = writeKey(append.sent);
    }
    return append as Append & { sent: BatchEntry; key: Buffer };
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
    for (const one of sendables) if (one.type === 'checkpoint') this.#drop(one, true);
    if (reader.fault !== undefined) this.#stopped(reader.fault);
    else if (end > reader.position) this.#catchUp(end);
    else this.#checkpointWhenDue();
  }

  /** Sent under the present term, and not yet folded. */
  #isOpen(sendable: Sendable): boolean {
    return sendable.type === 'append' && sendable.sent.term === this.#tenure?.term && this.#waiting.includes(sendable);
  }

  /** There is a gap: what lies in it is fetched and folded, for as long as it takes. */
  #catchUp(upto: number): void {
    const before = this.#catching ?? Promise.resolve();
    const catching = before.then(() => this.#foldTo(upto));
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
        await this.reader.advance(upto);
      } catch (error) {
        if (!(error instanceof LogUnavailableError)) this.#broken(error);
        else if (this.#waiting.length === 0) return;
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
    const first = this.#waiting.find((one) => one.type === 'append');
    if (first?.type !== 'append' || first.sent?.seq !== batch.seq)
      throw this.reader.stop(
        `batch ${batch.seq} of term ${batch.term} counted at ${offset}, but was not the next here`,
      );
    this.#finish(first, { kind: 'appended', position: offset as Position });
    for (let next = this.#waiting[0]; next?.type === 'verdict'; next = this.#waiting[0]) this.#finish(next, undefined);
    this.#settle();
  }

  /** Whether callers were told *ambiguous* of something that has not been folded yet. */
  #settle(): void {
    if (this.#isAway) this.#isAway = this.#waiting.some((one) => one.type === 'append' && one.resolve === undefined);
    if (this.#isAway) return;
    const settled = this.#settled;
    this.#settled = [];
    for (const resolve of settled) resolve();
  }

  #announced({ term, epoch, owner }: AnnouncementEntry): void {
    const own = this.#waiting.find((one) => one.type === 'announcement' && one.sent.owner === owner);
    this.#fence(term, own);
    if (own?.type !== 'announcement') return;
    this.#tenure = { term, epoch };
    this.#seq = 0;
    this.#total = this.reader.state.total;
    this.#drop(own, true);
  }

  /** A newer term has begun: what waits under an older one never counts, wherever it lands. */
  #fence(term: number, own?: Waiting): void {
    this.#tenure = undefined;
    for (const waiting of [...this.#waiting]) {
      if (waiting.type === 'append' || waiting.type === 'verdict') this.#finish(waiting, this.#fencedOutcome());
      else if (waiting.type === 'announcement' && waiting !== own && waiting.sent.term <= term)
        this.#drop(waiting, false);
    }
    this.#settle();
  }

  jumped(): void {
    const { term, seq } = this.reader.state;
    if (this.#tenure?.term !== term) {
      this.#fence(term);
      return;
    }
    const message = 'it is in the log, below what was trimmed';
    for (const waiting of [...this.#waiting])
      if (waiting.type === 'append' && waiting.sent !== undefined && waiting.sent.seq <= seq)
        this.#finish(waiting, { kind: 'ambiguous', message });
    this.#settle();
  }

  /** Callers that waited for too long are answered. */
  checkPatience(): void {
    const [first] = this.#waiting;
    if (first !== undefined && this.context.now() - first.since > this.context.patienceMs) this.#giveUp();
  }

  #giveUp(): void {
    for (const waiting of [...this.#waiting]) {
      if (waiting.type === 'append' && waiting.sent !== undefined) {
        this.#isAway = true;
        waiting.resolve?.({ kind: 'ambiguous', message: 'Kafka does not answer: it is sent on until it does' });
        waiting.resolve = undefined;
      } else if (waiting.type === 'append' || waiting.type === 'verdict') this.#finish(waiting, awayOutcome);
      else this.#drop(waiting, false);
    }
  }

  /** The slot has stopped, or this process ends. */
  close(message: string, reason: 'damaged' | 'busy' = 'busy'): void {
    for (const waiting of [...this.#waiting]) {
      if (waiting.type === 'append' && waiting.sent !== undefined)
        this.#finish(waiting, { kind: 'ambiguous', message });
      else if (waiting.type === 'append' || waiting.type === 'verdict')
        this.#finish(waiting, { kind: 'refused', reason, message });
      else this.#drop(waiting, false);
    }
  }

  /** Resolves when all that callers were told is ambiguous has been folded. Rejects when that takes too long. */
  async settled(timeout: (ms: number) => Promise<void>): Promise<void> {
    if (!this.#isAway) return;
    const isOver = timeout(this.context.patienceMs).then(() => true);
    const isSettled = new Promise<boolean>((resolve) => this.#settled.push(() => resolve(false)));
    if (await Promise.race([isOver, isSettled]))
      throw new LogUnavailableError(`slot ${this.slot}: appends of this process are still on their way`);
  }

  #checkpointWhenDue(): void {
    const { reader } = this;
    if (!this.isOwner || reader.position - reader.checkpointed < Math.max(checkpointRecords, reader.index.size)) return;
    if (this.#waiting.some((one) => one.type === 'checkpoint')) return;
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

  #finish(waiting: Append, outcome: AppendOutcome): void;
  #finish(waiting: Append | Verdict, outcome: AppendOutcome): void;
  #finish(waiting: Verdict, outcome: undefined): void;
  #finish(waiting: Append | Verdict, outcome: AppendOutcome | undefined): void {
    this.#remove(waiting);
    if (waiting.type === 'verdict') waiting.resolve?.(outcome);
    else {
      const key = streamKey(waiting.stream);
      const ahead = this.#heads.get(key);
      if (ahead !== undefined && --ahead.waiting === 0) this.#heads.delete(key);
      this.context.holds(-waiting.size);
      if (outcome !== undefined) waiting.resolve?.(outcome);
    }
    waiting.resolve = undefined;
  }

  #drop(note: Announcing | Checkpointing, done: boolean): void {
    if (!this.#remove(note)) return;
    this.context.holds(-note.size);
    note.resolve(done);
  }

  #remove(waiting: Waiting): boolean {
    const at = this.#waiting[0] === waiting ? 0 : this.#waiting.indexOf(waiting);
    if (at < 0) return false;
    if (at === 0) this.#waiting.shift();
    else this.#waiting.splice(at, 1);
    return true;
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
