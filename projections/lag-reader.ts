import { type Slot, slotCount } from '../proto/ids.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { EventLog } from '../runtime/log/event-log.ts';
import { checkpointOf, type Parked, parkedOf, readCheckpoint, readParked } from './checkpoint.ts';
import type { Connection } from './connection.ts';
import { LagBook, type SlotLag } from './lag-book.ts';
import { Primary } from './primary.ts';
import { scout } from './scout.ts';

/**
 * The lag as anybody can tell it who reaches the log and PostgreSQL, whatever the projectors do: checkpoints against the
 * log's ends. While PostgreSQL is away it goes on from the checkpoints that it saw last.
 */
export interface LagReaderOptions {
  readonly log: Pick<EventLog, 'ends' | 'readSlot'>;
  readonly pgUrls: readonly string[];
  readonly clock: Clock;
}

export interface LagReport {
  readonly slots: readonly SlotLag[];
  readonly parked: readonly Parked[];
  /** Slots whose rows are of a position behind the log's end: it is another log. */
  readonly beyond: readonly Slot[];
  /** False: the checkpoints are those that were seen last. */
  readonly isFresh: boolean;
}

export interface LagSummary {
  /** Of all slots. */
  readonly events: number;
  /** Of the slot that is furthest behind. */
  readonly seconds: number;
  readonly worst_slot: Slot;
}

const toldMs = 1_000;
/** Of a summary, which somebody waits for: the rest is counted at the next call. */
const summaryReadsMax = 16;

export class LagReader {
  readonly #options: LagReaderOptions;
  readonly #primary: Primary;
  readonly #book = new LagBook();
  #connection: Connection | undefined;
  #parked: readonly Parked[] = [];
  #asking: Promise<LagSummary> | undefined;
  #told: { readonly lag: LagSummary; readonly at: number } | undefined;

  constructor(options: LagReaderOptions) {
    this.#options = options;
    this.#primary = new Primary(options.pgUrls);
  }

  /** Everything, counted to the end. Rejects if the log does not answer, or PostgreSQL never did. */
  async report(): Promise<LagReport> {
    return await this.#look(Number.POSITIVE_INFINITY);
  }

  /** For a status page, which many may look at: bounded when much is behind, and asked at most once a second. */
  readLag(): Promise<LagSummary> {
    const { clock } = this.#options;
    if (this.#told !== undefined && clock.monotonic() - this.#told.at < toldMs) return Promise.resolve(this.#told.lag);
    this.#asking ??= this.#look(summaryReadsMax)
      .then(({ slots }) => {
        const lag = summaryOf(slots);
        this.#told = { lag, at: clock.monotonic() };
        return lag;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  close(): void {
    this.#connection?.close();
  }

  async #look(readsMax: number): Promise<LagReport> {
    const { log, clock } = this.#options;
    const isFresh = await this.#readCheckpoints();
    const ends = await log.ends();
    const now = clock.now();
    const slots = allSlots();
    for (const slot of slots) this.#book.ended(slot, ends[slot] ?? (0 as never), now);
    while (await scout(log, this.#book, slots, Math.min(readsMax, fullReads)))
      if (readsMax !== Number.POSITIVE_INFINITY) break;
    const lags = this.#book.lags(clock.now());
    const beyond = lags.filter(({ slot, position }) => position > (ends[slot] ?? 0)).map(({ slot }) => slot);
    return { slots: lags, parked: this.#parked, beyond, isFresh };
  }

  /** Slot by slot, since they lie in different shards; all questions travel together. */
  async #readCheckpoints(): Promise<boolean> {
    try {
      if (this.#connection?.isOpen !== true) this.#connection = await this.#primary.connectToRead();
      const slots = allSlots();
      const answers = await this.#connection.run([...slots.map(readCheckpoint), ...slots.map(readParked)]);
      slots.forEach((slot, i) => {
        const checkpoint = checkpointOf(slot, answers[i]?.rows[0]);
        if (checkpoint !== undefined) this.#book.found(slot, checkpoint.position);
      });
      this.#parked = answers.slice(slotCount).flatMap(({ rows }) => rows.map(parkedOf));
      return true;
    } catch (error) {
      this.#connection?.close();
      if (this.#book.lags(0).length === 0) throw error;
      return false;
    }
  }
}

const fullReads = 64;
const allSlots = (): Slot[] => Array.from({ length: slotCount }, (_, slot) => slot as Slot);

export function summaryOf(slots: readonly SlotLag[]): LagSummary {
  let worst: SlotLag | undefined;
  let events = 0;
  for (const lag of slots) {
    events += lag.events;
    if (
      worst === undefined ||
      lag.seconds > worst.seconds ||
      (lag.seconds === worst.seconds && lag.events > worst.events)
    )
      worst = lag;
  }
  return { events, seconds: worst?.seconds ?? 0, worst_slot: worst?.slot ?? (0 as Slot) };
}
