/**
 * The newest records of all slots, for those who read many slots (projectors, archivers): started by the first `ends()`.
 * Owns where each slot ends and, up to a bound in bytes, the records behind that. It follows what the log's stream
 * republishes; the stream's sequences have no gap, so a message that did not come shows at the next one or, for the last,
 * in the stream's last sequence, which every answer is checked against. After a loss it begins anew.
 *
 * A slot that was not written since the tail began ends, for its readers, where the tail began: they look once, find
 * nothing, and know.
 */
import { type Position, type Slot, slotCount, slotOf } from '../../../proto/ids.ts';
import type { LogRecord } from '../event-log.ts';
import type { JetStreamApi } from './jetstream-api.ts';
import type { Names } from './names.ts';
import type { NatsLink } from './nats-link.ts';
import { headerBlock } from './nats-link.ts';
import { headerValue } from './record-header.ts';
import { logRecord, recordOf, type StoredRecord } from './stored-messages.ts';

const tailBytesMax = 32 * 1024 * 1024;
const overheadBytes = 300;
/** What the stream has stored arrives within this time, or it was lost. */
const arrivalMs = 1_000;

type TailState =
  | { readonly kind: 'off' }
  /** Where the stream ends is asked; what arrives meanwhile waits. */
  | { readonly kind: 'beginning'; readonly early: StoredRecord[]; earlyBytes: number }
  | { readonly kind: 'following' };

export class LiveTail {
  #state: TailState = { kind: 'off' };
  /** Everything up to this sequence has arrived, or was there before the tail began. */
  #upto = -1;
  /** All records from here on are held. */
  #heldFrom = 1;
  readonly #ends = new Float64Array(slotCount);
  readonly #slots: LogRecord[][] = Array.from({ length: slotCount }, () => []);
  /** Oldest first; those before `#oldest` are let go of. */
  #held: LogRecord[] = [];
  #oldest = 0;
  #bytes = 0;
  #asking: Promise<void> | undefined;
  #askingNext: Promise<void> | undefined;
  #arrivals: { readonly seq: number; readonly untilMs: number; done(isThere: boolean): void }[] = [];

  constructor(
    private readonly names: Names,
    private readonly link: NatsLink,
    private readonly api: JetStreamApi,
  ) {
    link.listen({
      down: () => this.#lose(),
      up: () => {
        if (this.isOn) this.fresh().catch(() => undefined);
      },
      tick: () => this.#endWaiting((waiting) => link.awakeMs >= waiting.untilMs, false),
    });
  }

  get isOn(): boolean {
    return this.#state.kind !== 'off';
  }

  /** Where each slot ends, containing everything that was acknowledged before the call. */
  async ends(): Promise<readonly Position[]> {
    await this.fresh();
    return Array.from(this.#ends) as Position[];
  }

  endOf(slot: Slot): Position {
    return this.#ends[slot] as Position;
  }

  /** Records of the slot from `from` on; undefined where the tail does not reach back so far. Call {@link fresh} before. */
  read(slot: Slot, from: number, bytesMax: number): readonly LogRecord[] | undefined {
    if (this.#state.kind !== 'following' || from < this.#heldFrom) return undefined;
    const held = this.#slots[slot] as LogRecord[];
    const records: LogRecord[] = [];
    let bytes = 0;
    for (let i = firstFrom(held, from); i < held.length; i++) {
      const record = held[i] as LogRecord;
      bytes += record.bytes.byteLength;
      if (records.length > 0 && bytes > bytesMax) break;
      records.push(record);
    }
    return records;
  }

  /** Resolves when everything has arrived that was stored before the call. One question serves all who wait for it. */
  fresh(): Promise<void> {
    if (this.#asking === undefined) {
      this.#asking = this.#catchUp().finally(() => {
        this.#asking = undefined;
      });
      return this.#asking;
    }
    // What is under way was asked before this call.
    this.#askingNext ??= this.#asking
      .catch(() => undefined)
      .then(() => {
        this.#askingNext = undefined;
        return this.fresh();
      });
    return this.#askingNext;
  }

  async #catchUp(): Promise<void> {
    for (;;) {
      if (this.#state.kind === 'off') {
        this.link.subscribe(this.names.allLive, (message) => {
          const header = headerBlock(message);
          const { subject, data } = message;
          const body = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
          const record = recordOf({ seq: Number(headerValue(header, 'Nats-Sequence')), subject, header, body });
          if (record !== undefined) this.#arrived(record);
        });
        this.#state = { kind: 'beginning', early: [], earlyBytes: 0 };
      }
      const beginning = this.#state;
      const { last_seq: last } = await this.api.state(this.names.log);
      if (beginning.kind === 'beginning') {
        // Lost again while it was asked: what has arrived may have a hole.
        if (this.#state !== beginning) continue;
        this.#begin(last, beginning.early);
        return;
      }
      if (this.#state.kind === 'following' && (last <= this.#upto || (await this.#arrival(last)))) return;
      this.#lose();
    }
  }

  #begin(last: number, early: readonly StoredRecord[]): void {
    this.#state = { kind: 'following' };
    if (last !== this.#upto) {
      this.#forget();
      this.#upto = last;
      this.#heldFrom = last + 1;
      this.#ends.fill(last + 1);
    }
    for (const record of early) this.#arrived(record);
  }

  #arrived(record: StoredRecord): void {
    const state = this.#state;
    if (state.kind === 'beginning') {
      state.early.push({ ...record, body: Buffer.from(record.body) });
      state.earlyBytes += record.body.byteLength + overheadBytes;
      if (state.earlyBytes > tailBytesMax) this.#lose();
      return;
    }
    if (state.kind === 'off' || record.seq <= this.#upto) return;
    if (record.seq !== this.#upto + 1) {
      this.#lose();
      return;
    }
    this.#upto = record.seq;
    const slot = slotOf(record.stream.id);
    this.#ends[slot] = record.seq + 1;
    if (record.count > 0) this.#hold(slot, logRecord(record));
    this.#endWaiting((waiting) => waiting.seq <= this.#upto, true);
  }

  #hold(slot: Slot, record: LogRecord): void {
    (this.#slots[slot] as LogRecord[]).push(record);
    this.#held.push(record);
    this.#bytes += record.bytes.byteLength + overheadBytes;
    while (this.#bytes > tailBytesMax && this.#oldest < this.#held.length) {
      const gone = this.#held[this.#oldest++] as LogRecord;
      this.#bytes -= gone.bytes.byteLength + overheadBytes;
      this.#heldFrom = gone.position + 1;
      (this.#slots[slotOf(gone.stream.id)] as LogRecord[]).shift();
    }
    if (this.#oldest > 1_024 && this.#oldest * 2 > this.#held.length) {
      this.#held = this.#held.slice(this.#oldest);
      this.#oldest = 0;
    }
  }

  /** Something may have been missed: the next question begins the tail anew, or finds that nothing was. */
  #lose(): void {
    if (this.#state.kind === 'off') return;
    this.#state = { kind: 'beginning', early: [], earlyBytes: 0 };
    this.#endWaiting(() => true, false);
  }

  #forget(): void {
    for (const slot of this.#slots) slot.length = 0;
    this.#held = [];
    this.#oldest = 0;
    this.#bytes = 0;
  }

  #arrival(seq: number): Promise<boolean> {
    return new Promise((resolve) => {
      this.#arrivals.push({ seq, untilMs: this.link.awakeMs + arrivalMs, done: resolve });
    });
  }

  #endWaiting(which: (waiting: { readonly seq: number; readonly untilMs: number }) => boolean, isThere: boolean): void {
    if (this.#arrivals.length === 0) return;
    const over = this.#arrivals.filter(which);
    if (over.length === 0) return;
    this.#arrivals = this.#arrivals.filter((waiting) => !over.includes(waiting));
    for (const waiting of over) waiting.done(isThere);
  }
}

function firstFrom(records: readonly LogRecord[], from: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((records[middle] as LogRecord).position < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
