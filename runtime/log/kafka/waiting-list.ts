/**
 * What one lane has been asked to write and what is not in the log yet, in order. Owns the records (those that were sent are kept
 * as they were sent, until they are folded), the callers that wait for them, and the heads that streams will have once all of it
 * is in the log. Decides nothing.
 */
import { type StreamId, streamKey } from '../../../proto/ids.ts';
import type { AppendOutcome } from '../event-log.ts';
import { type AnnouncementEntry, type BatchEntry, type CheckpointEntry, writeKey } from './entry.ts';
import { batchOverheadBytes } from './record-batch.ts';

/** A key, and what Kafka puts around a record. */
const recordOverheadBytes = 96;

export interface Append {
  readonly type: 'append';
  readonly since: number;
  readonly size: number;
  readonly term: number;
  readonly stream: StreamId;
  readonly version: number;
  readonly count: number;
  readonly bytes: Uint8Array;
  /** Undefined once the caller was answered. */
  resolve: ((outcome: AppendOutcome) => void) | undefined;
  sent: BatchEntry | undefined;
  key: Buffer | undefined;
}

/** A conflict that waits for its turn, behind the appends that it was judged by. */
export interface Verdict {
  readonly type: 'verdict';
  readonly since: number;
  /** Undefined: its turn has come. */
  readonly resolve: (outcome: AppendOutcome | undefined) => void;
}

interface Note<Kind extends 'announcement' | 'checkpoint', Sent> {
  readonly type: Kind;
  readonly since: number;
  readonly size: number;
  readonly sent: Sent;
  readonly key: Buffer;
  /** True: the checkpoint is in the log, the announcement counted. */
  readonly resolve: (done: boolean) => void;
}
export type Announcing = Note<'announcement', AnnouncementEntry>;
export type Checkpointing = Note<'checkpoint', CheckpointEntry>;

export type Waiting = Append | Verdict | Announcing | Checkpointing;
export type Sendable = (Append & { sent: BatchEntry; key: Buffer }) | Announcing | Checkpointing;

export class WaitingList {
  #items: Waiting[] = [];
  readonly #heads = new Map<string, { head: number; waiting: number }>();

  /** `holds` is told how the bytes that wait change. */
  constructor(private readonly holds: (bytes: number) => void) {}

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }
  get first(): Waiting | undefined {
    return this.#items[0];
  }
  get firstAppend(): Append | undefined {
    return this.#items.find((one) => one.type === 'append');
  }
  /** A copy, so that its items may be finished while it is walked through. */
  get all(): readonly Waiting[] {
    return [...this.#items];
  }
  /** Something may be in the log that was not folded yet. */
  get hasSent(): boolean {
    return this.#items.some((one) => one.type === 'append' && one.sent !== undefined);
  }
  /** Of some append the caller was told that its outcome is unknown, and it still is. */
  get hasAmbiguous(): boolean {
    return this.#items.some((one) => one.type === 'append' && one.resolve === undefined);
  }

  has(item: Waiting): boolean {
    return this.#items.includes(item);
  }

  /** The head that the stream will have, if anything waits for it. */
  headOf(stream: StreamId): number | undefined {
    return this.#heads.get(streamKey(stream))?.head;
  }

  append(
    what: Pick<Append, 'since' | 'term' | 'stream' | 'version' | 'count' | 'bytes'>,
    resolve: (outcome: AppendOutcome) => void,
  ): void {
    const key = streamKey(what.stream);
    const ahead = this.#heads.get(key) ?? { head: 0, waiting: 0 };
    ahead.head = what.version + what.count - 1;
    if (ahead.waiting++ === 0) this.#heads.set(key, ahead);
    const size = what.bytes.byteLength + recordOverheadBytes;
    this.#push({ type: 'append', ...what, size, resolve, sent: undefined, key: undefined });
  }

  verdict(since: number): Promise<AppendOutcome | undefined> {
    return new Promise((resolve) => this.#items.push({ type: 'verdict', since, resolve }));
  }

  announcement(since: number, sent: AnnouncementEntry): Promise<boolean> {
    return new Promise((resolve) => {
      const size = recordOverheadBytes;
      this.#push({ type: 'announcement', since, size, sent, key: writeKey(sent), resolve });
    });
  }

  checkpoint(since: number, sent: CheckpointEntry): Promise<boolean> {
    return new Promise((resolve) => {
      const size = sent.bytes.byteLength + recordOverheadBytes;
      this.#push({ type: 'checkpoint', since, size, sent, key: writeKey(sent), resolve });
    });
  }

  /** What goes with the next request: from the first on, within the bounds, at least one. `send` makes the record of an append. */
  load(recordsMax: number, bytesMax: number, send: (append: Append) => BatchEntry): Sendable[] {
    const loaded: Sendable[] = [];
    let bytes = batchOverheadBytes;
    for (const item of this.#items) {
      if (item.type === 'verdict') continue;
      bytes += item.size;
      if (loaded.length > 0 && (loaded.length >= recordsMax || bytes > bytesMax)) break;
      if (item.type === 'append' && item.sent === undefined) {
        item.sent = send(item);
        item.key = writeKey(item.sent);
      }
      loaded.push(item as Sendable);
    }
    return loaded;
  }

  /** Answers the caller, if it still waits, and forgets the append. */
  finish(append: Append, outcome: AppendOutcome): void {
    if (!this.#remove(append)) return;
    const key = streamKey(append.stream);
    const ahead = this.#heads.get(key);
    if (ahead !== undefined && --ahead.waiting === 0) this.#heads.delete(key);
    this.holds(-append.size);
    append.resolve?.(outcome);
    append.resolve = undefined;
  }

  judge(verdict: Verdict, outcome: AppendOutcome | undefined): void {
    if (this.#remove(verdict)) verdict.resolve(outcome);
  }

  drop(note: Announcing | Checkpointing, done: boolean): void {
    if (!this.#remove(note)) return;
    this.holds(-note.size);
    note.resolve(done);
  }

  /** Those verdicts that nothing is in front of any more. */
  turnVerdicts(): void {
    for (let first = this.#items[0]; first?.type === 'verdict'; first = this.#items[0]) this.judge(first, undefined);
  }

  #push(item: Exclude<Waiting, Verdict>): void {
    this.#items.push(item);
    this.holds(item.size);
  }

  #remove(item: Waiting): boolean {
    const at = this.#items[0] === item ? 0 : this.#items.indexOf(item);
    if (at === 0) this.#items.shift();
    else if (at > 0) this.#items.splice(at, 1);
    return at >= 0;
  }
}
