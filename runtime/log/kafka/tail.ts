/**
 * All slots as they grow: the batches that count, each slot's in order, handed on as soon as Kafka shows them. Owns a
 * place in each slot, what was fetched and not taken yet (bounded in bytes, I5), and one long question to each leader.
 */
import { type Position, type Slot, slotCount } from '../../../proto/ids.ts';
import type { Timers } from '../../kernel/timer.ts';
import { LogDamagedError, type LogRecord } from '../event-log.ts';
import type { Brokers } from './brokers.ts';
import { readEntry } from './entry.ts';
import { type FoldState, fold } from './fold.ts';
import { readRecordBatches } from './record-batch.ts';
import { errorName, type FetchResult, fetch, kafkaError } from './requests.ts';
import { fetchEntries, type ScanStart } from './scan.ts';
import type { SlotReader } from './slot-reader.ts';
import { recordOf, type SlotReads } from './slot-reads.ts';

/** How long a leader is asked to wait for news. */
const waitMs = 500;
/** Between two questions: under load each then brings more than a record or two. */
const gapMs = 2;
const troubleMs = 100;
const answerBytesMax = 4 * 1024 * 1024;
const slotAnswerBytesMax = 256 * 1024;
/** Fetched and not taken: of one slot, and of all. */
const slotBacklogBytesMax = 1024 * 1024;
const backlogBytesMax = 32 * 1024 * 1024;

export interface TailStretch {
  readonly slot: Slot;
  readonly records: readonly LogRecord[];
  /** Where to follow on from when these have been taken. */
  readonly next: Position;
  /** What was trimmed, if this was learned here; 0 otherwise. */
  readonly trimmedTo: Position;
}

export interface TailOptions {
  readonly brokers: Brokers;
  readonly reads: SlotReads;
  readonly readerOf: (slot: number) => SlotReader;
  readonly timers: Timers;
  readonly from: (slot: Slot) => Position;
  /** The slot's next stretch follows when this has resolved; it never rejects. */
  readonly take: (stretch: TailStretch) => Promise<void>;
  readonly failed: (error: unknown) => void;
}

interface Place {
  offset: number;
  state: FoldState;
  bytes: number;
  /** Events in the slot up to what was taken. */
  taken: number;
  taking: Promise<void>;
}

export class Tail {
  readonly #places: (Place | undefined)[] = Array.from({ length: slotCount }, () => undefined);
  readonly #asked = new Map<number, Promise<void>>();
  #bytes = 0;
  #isClosed = false;

  constructor(private readonly options: TailOptions) {
    for (let slot = 0; slot < slotCount; slot++) void this.#begin(slot, options.from(slot as Slot));
    void this.#run();
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Events that are in the log and were not taken yet. A slot whose end does not tell is counted by its records. */
  async behind(): Promise<number> {
    const slots = await Promise.all(this.#places.map((place, slot) => this.#behind(slot, place)));
    return slots.reduce((sum, events) => sum + events, 0);
  }

  async #behind(slot: number, place: Place | undefined): Promise<number> {
    const { source } = this.options.readerOf(slot);
    const end = await source.end(slot);
    if (end === 0) return 0;
    const [taken, offset] = place === undefined ? [0, 0] : [place.taken, place.offset];
    if (place !== undefined && offset >= end) return place.state.total - taken;
    let total = (place?.state.total ?? 0) + end - offset;
    await fetchEntries(source, slot, end - 1, end, (entry) => {
      if (entry.type === 'batch') total = entry.total + entry.count;
    });
    return Math.max(0, total - taken);
  }

  async #begin(slot: number, from: number): Promise<void> {
    const { reads, readerOf } = this.options;
    while (!this.#isClosed) {
      try {
        const reader = readerOf(slot);
        // Who begins below what was deleted begins where the slot does.
        const start = await reads.startAt(reader, Math.max(from, await reader.source.start(slot)));
        if (start !== undefined) {
          this.#places[slot] = await placeAt(reader, start);
          return;
        }
      } catch (error) {
        this.options.failed(error);
      }
      await this.#pause(troubleMs);
    }
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const byLeader = this.#wanted();
      const slots = [...byLeader.values()].reduce((sum, one) => sum + one.length, 0);
      // While slots are left out, nobody waits for long.
      const wait = slots === slotCount ? waitMs : waitMs / 10;
      for (const [leader, led] of byLeader)
        if (!this.#asked.has(leader)) {
          const asked = this.#ask(leader, led, wait).finally(() => this.#asked.delete(leader));
          this.#asked.set(leader, asked);
        }
      await Promise.race([this.#pause(waitMs / 10), ...this.#asked.values()]);
      await this.#pause(gapMs);
    }
  }

  /** The slots whose news is wanted, by leader. */
  #wanted(): Map<number, number[]> {
    const byLeader = new Map<number, number[]>();
    if (this.#bytes > backlogBytesMax) return byLeader;
    for (const [slot, place] of this.#places.entries()) {
      const leader = this.options.brokers.leaderOf(slot);
      if (place === undefined || leader === undefined || place.bytes > slotBacklogBytesMax) continue;
      const led = byLeader.get(leader) ?? [];
      if (led.push(slot) === 1) byLeader.set(leader, led);
    }
    return byLeader;
  }

  async #ask(leader: number, slots: readonly number[], wait: number): Promise<void> {
    const { brokers, failed } = this.options;
    try {
      const parts = slots.map((slot) => {
        return { partition: slot, offset: (this.#places[slot] as Place).offset, bytesMax: slotAnswerBytesMax };
      });
      const request = fetch(brokers.topic, parts, { waitMs: wait, bytesMax: answerBytesMax });
      for (const result of await brokers.ask(leader, 'wait', request, wait)) {
        if (result.error === kafkaError.none) this.#fetched(result);
        else if (result.error === kafkaError.offsetOutOfRange) {
          this.#places[result.partition] = undefined;
          void this.#begin(result.partition, 0);
        } else throw new Error(`Fetch: slot ${result.partition}: ${errorName(result.error)}`);
      }
    } catch (error) {
      if (this.#isClosed) return;
      failed(error);
      await this.#pause(troubleMs);
      await brokers.refresh().catch(() => undefined);
    }
  }

  #fetched({ partition, bytes, from, to }: FetchResult): void {
    const place = this.#places[partition];
    if (place === undefined) return;
    const records: LogRecord[] = [];
    let trimmedTo = 0;
    readRecordBatches(bytes, from, to, (offset, where) => {
      if (offset < place.offset) return;
      if (offset > place.offset) throw new LogDamagedError(`slot ${partition}: no record at offset ${place.offset}`);
      const entry = readEntry(where);
      const next = fold(place.state, entry);
      if (next !== place.state && entry.type === 'batch') records.push(recordOf(entry, offset));
      if (entry.type === 'checkpoint') trimmedTo = Math.max(trimmedTo, entry.trimmedTo);
      place.state = next;
      place.offset = offset + 1;
    });
    if (records.length === 0 && trimmedTo === 0) return;
    const size = records.reduce((sum, record) => sum + record.bytes.byteLength, 0);
    const stretch = {
      slot: partition as Slot,
      records,
      next: place.offset as Position,
      trimmedTo: trimmedTo as Position,
    };
    const { total } = place.state;
    place.bytes += size;
    this.#bytes += size;
    place.taking = place.taking.then(async () => {
      if (this.#isClosed) return;
      await this.options.take(stretch);
      place.taken = total;
      place.bytes -= size;
      this.#bytes -= size;
    });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.options.timers.after(ms, resolve));
  }
}

/** A place without a state is a batch that counts: it is folded first, to know its state. */
async function placeAt(reader: SlotReader, start: ScanStart): Promise<Place> {
  let { state } = start;
  if (state === undefined)
    await fetchEntries(reader.source, reader.slot, start.offset, start.offset + 1, (entry) => {
      if (entry.type !== 'batch') return;
      const { term, epoch, seq, total } = entry;
      state = { term, epoch, owner: '', seq: seq - 1, total };
    });
  if (state === undefined) throw new Error(`slot ${reader.slot}: nothing lies at ${start.offset} any more`);
  return { offset: start.offset, state, bytes: 0, taken: state.total, taking: Promise.resolve() };
}
