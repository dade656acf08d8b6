/**
 * A slot's partition as readers see it: where it begins and ends, and the bytes between. Owns nothing but the questions
 * under way. Every call asks the partition's leader, finds the new leader when there is one, and gives up with
 * {@link LogUnavailableError} when nobody answered within the patience.
 *
 * `end` is asked with ListOffsets and never taken from a fetch: a new leader refuses the question until it knows what was
 * committed before it (KIP-207), while its fetches may still show less. An append that was acknowledged before the call
 * is therefore below the end.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { Timers } from '../../kernel/timer.ts';
import { LogUnavailableError } from '../event-log.ts';
import type { Brokers } from './brokers.ts';
import { earliest, errorName, type FetchResult, fetch, kafkaError, latest, listOffsets } from './requests.ts';

const backOffFirstMs = 10;
const backOffMaxMs = 200;
/** One fetch; the broker gives at least one batch, however large. */
export const fetchBytesMax = 1024 * 1024;

export interface SlotSource {
  /** The offset behind the last committed record, as of some moment after the call. */
  end(slot: number): Promise<number>;
  /** The offset of the first record that Kafka holds. */
  start(slot: number): Promise<number>;
  /** What lies from the offset on; undefined if Kafka holds no such offset. No bytes where nothing is committed yet. */
  fetch(slot: number, offset: number, bytesMax: number): Promise<FetchResult | undefined>;
  pause(ms: number): Promise<void>;
}

export interface SourceOptions {
  readonly brokers: Brokers;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly patienceMs: number;
}

interface Question {
  readonly slot: number;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: Error) => void;
}

export class Source implements SlotSource {
  readonly #brokers: Brokers;
  /** Questions for the end that wait for the one under way, by broker: all of them become the next one. */
  readonly #asked = new Map<number, { waiting: Question[]; isAsking: boolean }>();

  #isClosed = false;

  constructor(private readonly options: SourceOptions) {
    this.#brokers = options.brokers;
  }

  close(): void {
    this.#isClosed = true;
  }

  end(slot: number): Promise<number> {
    return this.#patiently(slot, (leader) => this.#askEnd(leader, slot));
  }

  start(slot: number): Promise<number> {
    return this.#patiently(slot, async (leader) => {
      const request = listOffsets(this.#brokers.topic, [slot], earliest);
      const [found] = await this.#brokers.ask(leader, 'ask', request);
      if (found === undefined || found.error !== kafkaError.none)
        throw new Error(`ListOffsets: ${errorName(found?.error ?? -1)}`);
      return found.offset;
    });
  }

  async fetch(slot: number, offset: number, bytesMax: number): Promise<FetchResult | undefined> {
    return this.#patiently(slot, async (leader) => {
      const request = fetch(this.#brokers.topic, [{ partition: slot, offset, bytesMax }], { waitMs: 0, bytesMax });
      const [found] = await this.#brokers.ask(leader, 'read', request);
      if (found?.error === kafkaError.offsetOutOfRange) return undefined;
      if (found === undefined || found.error !== kafkaError.none)
        throw new Error(`Fetch: ${errorName(found?.error ?? -1)}`);
      return found;
    });
  }

  /** Until the leader answered, whoever it is by then. */
  async #patiently<T>(slot: number, attempt: (leader: number) => Promise<T>): Promise<T> {
    const { clock, patienceMs } = this.options;
    const began = clock.monotonic();
    for (let wait = backOffFirstMs; ; wait = Math.min(wait * 2, backOffMaxMs)) {
      let fault: unknown = new Error(`slot ${slot} has no leader`);
      const leader = this.#brokers.leaderOf(slot);
      if (leader !== undefined) {
        try {
          return await attempt(leader);
        } catch (error) {
          fault = error;
        }
      }
      if (this.#isClosed) throw new LogUnavailableError('the log was closed here');
      if (clock.monotonic() - began + wait > patienceMs)
        throw new LogUnavailableError(`Kafka has not answered for ${patienceMs} ms: ${(fault as Error).message}`);
      await this.pause(wait);
      await this.#brokers.refresh().catch(() => undefined);
    }
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.options.timers.after(ms, resolve));
  }

  #askEnd(leader: number, slot: number): Promise<number> {
    let asked = this.#asked.get(leader);
    if (asked === undefined) {
      asked = { waiting: [], isAsking: false };
      this.#asked.set(leader, asked);
    }
    const { waiting } = asked;
    const answer = new Promise<number>((resolve, reject) => waiting.push({ slot, resolve, reject }));
    if (!asked.isAsking) void this.#askEnds(leader, asked);
    return answer;
  }

  async #askEnds(leader: number, asked: { waiting: Question[]; isAsking: boolean }): Promise<void> {
    asked.isAsking = true;
    // Those who ask in one turn of the event loop are asked for together.
    await Promise.resolve();
    while (asked.waiting.length > 0) {
      const questions = asked.waiting.splice(0);
      const slots = [...new Set(questions.map(({ slot }) => slot))];
      try {
        const found = await this.#brokers.ask(leader, 'ask', listOffsets(this.#brokers.topic, slots, latest));
        const results = new Map(found.map((result) => [result.partition, result]));
        for (const { slot, resolve, reject } of questions) {
          const result = results.get(slot);
          if (result !== undefined && result.error === kafkaError.none) resolve(result.offset);
          else reject(new Error(`ListOffsets: ${errorName(result?.error ?? -1)}`));
        }
      } catch (error) {
        for (const { reject } of questions) reject(error as Error);
      }
    }
    asked.isAsking = false;
  }
}
