/**
 * Lets go of history. What a slot's readers see ends at a number in its register, at once for all of its streams; what the
 * stream holds is removed later, from its front, up to the first record that some slot keeps. Removing by subject would
 * stop all appends for as long as JetStream searches old files.
 *
 * A stream of which nothing would be left keeps its head: before the front goes, the head is appended anew, as a message
 * without events behind the stream's last one (a conditional publish, so that no append gets lost or forked by it, I2).
 */
import { type Position, type Slot, slotOf } from '../../../proto/ids.ts';
import type { Random } from '../../kernel/random.ts';
import type { Consumers } from './consumers.ts';
import { jetStreamError, type PubAck, refusal, wrongLastSequence } from './jetstream-answer.ts';
import type { JetStreamApi } from './jetstream-api.ts';
import type { Names } from './names.ts';
import { encodeRecordHeader } from './record-header.ts';
import type { Requests } from './requests.ts';
import type { SlotRegister } from './slot-register.ts';
import { headOf, recordOf, type Stored, type StoredMessages } from './stored-messages.ts';

/** Removing fewer messages than that is not worth the search. */
const removeMinDefault = 1_000;
const scanMax = 50_000;
const batchMax = 1_000;
const headsAtOnce = 256;
/** When the stream is full there must be room for heads before the front can go. */
const roomMessages = 64;

export interface TrimParts {
  readonly api: JetStreamApi;
  readonly names: Names;
  readonly requests: Requests;
  readonly messages: StoredMessages;
  readonly trims: SlotRegister;
  readonly consumers: Consumers;
  readonly random: Random;
  readonly removeMin?: number;
}

/** The stream's front that nobody reads any longer. */
interface Front {
  /** The first message that is kept. */
  readonly end: number;
  readonly messages: readonly { readonly seq: number; readonly subject: string }[];
  /** It ends where a record is kept, not because it was scanned no further. */
  readonly isWhole: boolean;
}

export class Trim {
  #removing: Promise<void> | undefined;
  /** What kept the front from being longer, last time. */
  #kept: { readonly slot: Slot; readonly seq: number } | undefined;

  constructor(private readonly parts: TrimParts) {}

  async trim(slot: Slot, before: Position): Promise<Position> {
    const { api, names, trims, messages } = this.parts;
    const [present, { last_seq: last }] = await Promise.all([trims.ask(slot), api.state(names.log)]);
    const limit = Math.min(before, last + 1);
    if (limit <= present) return present as Position;
    const first = await messages.next(names.recordsOf(slot), limit);
    const kept = await trims.raise(slot, first?.seq ?? limit);
    // Space is not what the caller waits for; what fails is done with the next trim.
    this.remove().catch(() => undefined);
    return kept as Position;
  }

  /** Removes from the stream what all slots have let go of. */
  remove(): Promise<void> {
    this.#removing ??= this.#remove().finally(() => {
      this.#removing = undefined;
    });
    return this.#removing;
  }

  async #remove(): Promise<void> {
    const { api, names, removeMin = removeMinDefault } = this.parts;
    for (let isWhole = false; !isWhole; ) {
      if (this.#kept !== undefined && this.#isKept(this.#kept.slot, this.#kept.seq)) return;
      const { first_seq: from, last_seq: last } = await api.state(names.log);
      const front = await this.#front(from, last);
      if (front.messages.length < Math.max(removeMin, 1)) return;
      await this.#carryHeads(front);
      await api.purge(names.log, { seq: front.end });
      isWhole = front.isWhole;
    }
  }

  #isKept(slot: Slot, seq: number): boolean {
    return seq >= this.parts.trims.of(slot);
  }

  /** Never the last message: JetStream takes a stream without messages for a new one. */
  async #front(from: number, last: number): Promise<Front> {
    const { consumers, names } = this.parts;
    const messages: { seq: number; subject: string }[] = [];
    const front = (end: number, isWhole: boolean): Front => ({ end, messages, isWhole });
    let cursor = await consumers.create({ filter: names.allRecords, from: Math.max(from, 1), headersOnly: true });
    while (cursor !== undefined && messages.length < scanMax) {
      const batch = await consumers.fetch(cursor, { batch: batchMax });
      if (batch === undefined) break;
      for (const stored of batch.messages) {
        const record = recordOf(stored);
        if (record === undefined || stored.seq >= last) return front(stored.seq, true);
        const slot = slotOf(record.stream.id);
        if (record.count > 0 && this.#isKept(slot, stored.seq)) {
          this.#kept = { slot, seq: stored.seq };
          consumers.delete(batch.cursor);
          return front(stored.seq, true);
        }
        messages.push({ seq: stored.seq, subject: stored.subject });
      }
      if (!batch.isMore) break;
      cursor = batch.cursor;
    }
    return front((messages.at(-1)?.seq ?? 0) + 1, cursor === undefined);
  }

  /** Appends the head of each stream whose last message lies in the front. */
  async #carryHeads(front: Front): Promise<void> {
    const subjects = [...new Set(front.messages.map((message) => message.subject))];
    for (let i = 0; i < subjects.length; i += headsAtOnce)
      await Promise.all(subjects.slice(i, i + headsAtOnce).map((subject) => this.#carryHead(subject, front)));
  }

  async #carryHead(subject: string, front: Front): Promise<void> {
    for (let room = 0; ; room++) {
      const last = await this.parts.messages.last(subject);
      if (last === undefined || last.seq >= front.end) return;
      const { error } = await this.#publishHead(last);
      if (error === undefined) return;
      // Somebody appended: then the stream has a newer message.
      if (wrongLastSequence(error)) continue;
      if (refusal(error) !== 'full' || !(await this.#makeRoom(front, room)))
        throw jetStreamError(`the head of ${subject}`, error);
    }
  }

  async #publishHead(last: Stored): Promise<PubAck> {
    const record = recordOf(last);
    if (record === undefined) throw new Error(`message ${last.seq} of ${this.parts.names.log} is none of ours`);
    const header = encodeRecordHeader({
      version: headOf(record),
      count: 0,
      epoch: record.epoch,
      previous: last.seq,
      back: '',
      id: `head-${this.parts.random.token(6)}`,
    });
    const { body } = await this.parts.requests.ask(last.subject, new Uint8Array(0), { header });
    return JSON.parse(body.toString()) as PubAck;
  }

  /** Removes single messages of the front that are not their streams' last. False: there are none. */
  async #makeRoom(front: Front, room: number): Promise<boolean> {
    const { api, names } = this.parts;
    const newest = new Map(front.messages.map(({ subject, seq }) => [subject, seq]));
    const old = front.messages.filter(({ subject, seq }) => newest.get(subject) !== seq);
    const some = old.slice(room * roomMessages, (room + 1) * roomMessages);
    await Promise.all(some.map(({ seq }) => api.remove(names.log, seq)));
    return some.length > 0;
  }
}
