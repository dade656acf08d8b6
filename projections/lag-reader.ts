import { type Slot, slotCount } from '../proto/ids.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Timers } from '../runtime/kernel/timer.ts';
import type { EventLog } from '../runtime/log/event-log.ts';
import { checkpointOf, type Parked, parkedOf, readCheckpoint, readParked } from './checkpoint.ts';
import type { Connection } from './connection.ts';
import { LagBook, type SlotLag } from './lag-book.ts';
import { Primary } from './primary.ts';
import { readLogName, strangeLog } from './schema.ts';
import { scout } from './scout.ts';
import { sentenceOf } from './sql-fault.ts';

/**
 * The lag as anybody can tell it who reaches the log and PostgreSQL, whatever the projectors do: checkpoints against the
 * log's ends.
 *
 * Owns: the checkpoints that were seen last, from which it counts on while PostgreSQL is away or hangs. Keeps: what it cannot
 * know it says (`fault`); a number that stands still because nobody could be asked is never told without it.
 */
export interface LagReaderOptions {
  readonly log: Pick<EventLog, 'ends' | 'readSlot'>;
  readonly pgUrls: readonly string[];
  readonly clock: Clock;
  readonly timers: Timers;
  /** Names the log, as for the projector: rows of another one are a fault. Undefined: not known yet, and not looked at. */
  readonly logName?: () => string | undefined;
}

export interface LagReport {
  readonly slots: readonly SlotLag[];
  readonly parked: readonly Parked[];
  /** Slots whose rows are of a position behind the log's end: it is another log. */
  readonly beyond: readonly Slot[];
  /** What keeps the report from being true as of now, in a sentence: then it is counted from what was seen last. */
  readonly fault?: string;
}

export interface LagSummary {
  /** Of all slots. */
  readonly events: number;
  /** Of the slot that is furthest behind. */
  readonly seconds: number;
  readonly worst_slot: Slot;
  /** Hunts whose rows stand still, the first few. */
  readonly parked?: readonly { readonly hunt: string; readonly message: string }[];
  /** As {@link LagReport.fault}. */
  readonly fault?: string;
}

const toldMs = 1_000;
/** Of a summary, which somebody waits for: the rest is counted at the next call. */
const summaryCountMs = 250;
/** How long a summary waits for PostgreSQL. */
const summaryPatienceMs = 400;
const parkedShownMax = 20;
const never = 'and has not since this process started: how far the rows are behind is not known';
const seenLast = 'counted from the rows as they were';

export class LagReader {
  readonly #options: LagReaderOptions;
  readonly #primary: Primary;
  readonly #book = new LagBook();
  readonly #began: number;
  #connection: Connection | undefined;
  #parked: readonly Parked[] = [];
  #rowsOf: string | undefined;
  #seenAt = 0;
  #reading: Promise<unknown> | undefined;
  #asking: Promise<LagSummary> | undefined;
  #told: { readonly lag: LagSummary; readonly at: number } | undefined;
  #isClosed = false;

  constructor(options: LagReaderOptions) {
    this.#options = options;
    this.#primary = new Primary(options.pgUrls);
    this.#began = options.clock.monotonic();
  }

  /** Everything, counted to the end. Rejects if the log does not answer, or PostgreSQL never did. */
  async report(): Promise<LagReport> {
    const trouble = await this.#readCheckpoints();
    if (trouble !== undefined && this.#hasSeenNone) throw trouble;
    return await this.#look(Number.POSITIVE_INFINITY, trouble);
  }

  /** For a status page, which many may look at: bounded when much is behind, and asked at most once a second. */
  readLag(): Promise<LagSummary> {
    const { clock } = this.#options;
    if (this.#told !== undefined && clock.monotonic() - this.#told.at < toldMs) return Promise.resolve(this.#told.lag);
    this.#asking ??= this.#summary()
      .then((lag) => {
        this.#told = { lag, at: clock.monotonic() };
        return lag;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  get #hasSeenNone(): boolean {
    return this.#book.lags(0).length === 0;
  }

  async #summary(): Promise<LagSummary> {
    const { clock } = this.#options;
    const trouble = await this.#within(this.#readCheckpoints(), summaryPatienceMs);
    if (trouble !== undefined && this.#hasSeenNone)
      return {
        events: 0,
        seconds: (clock.monotonic() - this.#began) / 1_000,
        worst_slot: 0 as Slot,
        fault: `${told(trouble)} ${never}`,
      };
    const { slots, parked, fault } = await this.#look(summaryCountMs, trouble);
    const shown = parked.slice(0, parkedShownMax).map(({ huntId, reason }) => ({
      hunt: `hunt/${huntId}`,
      message: reason,
    }));
    return {
      ...summaryOf(slots),
      ...(shown.length === 0 ? {} : { parked: shown }),
      ...(fault === undefined ? {} : { fault }),
    };
  }

  async #look(countMs: number, trouble: unknown): Promise<LagReport> {
    const { log, clock } = this.#options;
    const ends = await log.ends();
    const now = clock.now();
    const slots = allSlots();
    for (const slot of slots) this.#book.ended(slot, ends[slot] ?? (0 as never), now);
    const until = clock.monotonic() + countMs;
    const isCounting = await scout(log, this.#book, slots, Number.POSITIVE_INFINITY, () => clock.monotonic() > until);
    const lags = this.#book.lags(clock.now());
    const beyond = lags.filter(({ slot, position }) => position > (ends[slot] ?? 0)).map(({ slot }) => slot);
    const fault =
      trouble === undefined
        ? this.#strange()
        : `${told(trouble)}: ${seenLast} ${this.#ageS()} s ago${isCounting ? ', and not to the end yet' : ''}`;
    return { slots: lags, parked: this.#parked, beyond, ...(fault === undefined ? {} : { fault }) };
  }

  #ageS(): number {
    return Math.round((this.#options.clock.monotonic() - this.#seenAt) / 1_000);
  }

  #strange(): string | undefined {
    const here = this.#options.logName?.();
    return here === undefined || this.#rowsOf === undefined || this.#rowsOf === here
      ? undefined
      : strangeLog(this.#rowsOf, here);
  }

  /** One reading at a time, which may outlast whoever asked: a server that hangs is waited for once. Resolves with what went wrong. */
  #readCheckpoints(): Promise<unknown> {
    this.#reading ??= this.#read()
      .then(
        () => undefined,
        (error: unknown) => {
          this.#connection?.close();
          return error ?? new Error('unknown');
        },
      )
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  /** Slot by slot, since they lie in different shards; all questions travel together. */
  async #read(): Promise<void> {
    if (this.#connection?.isOpen !== true) this.#connection = await this.#primary.connectToRead();
    if (this.#isClosed) throw new Error('closed');
    const slots = allSlots();
    const [schema, ...answers] = await this.#connection.run([
      readLogName,
      ...slots.map(readCheckpoint),
      ...slots.map(readParked),
    ]);
    const rowsOf = schema?.rows[0]?.log;
    this.#rowsOf = typeof rowsOf === 'string' ? rowsOf : undefined;
    slots.forEach((slot, i) => {
      const checkpoint = checkpointOf(slot, answers[i]?.rows[0]);
      if (checkpoint !== undefined) this.#book.found(slot, checkpoint.position);
    });
    this.#seenAt = this.#options.clock.monotonic();
    this.#parked = answers.slice(slotCount).flatMap(({ rows }) => rows.map(parkedOf));
  }

  async #within(reading: Promise<unknown>, ms: number): Promise<unknown> {
    let cancel = (): void => {};
    const late = new Promise<unknown>((resolve) => {
      cancel = this.#options.timers.after(ms, () => resolve(new Silence('PostgreSQL does not answer')));
    });
    return await Promise.race([reading, late]).finally(cancel);
  }
}

/** Nothing was heard yet: it is no error of PostgreSQL's. */
class Silence extends Error {}

const told = (trouble: unknown): string =>
  trouble instanceof Silence ? trouble.message : `PostgreSQL does not answer (${sentenceOf(trouble)})`;

const allSlots = (): Slot[] => Array.from({ length: slotCount }, (_, slot) => slot as Slot);

export function summaryOf(slots: readonly SlotLag[]): Pick<LagSummary, 'events' | 'seconds' | 'worst_slot'> {
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
