/**
 * The event log on Kafka: "the log decides". A slot is a partition; positions are offsets. What lies in a partition and why the
 * history has no fork is in fold.ts and in ../README.md; this file puts the parts together: the brokers, the readers and
 * lanes of the slots that this process reads or owns, and the two rhythms (callers' patience; an idle owner's look at its
 * partitions). Streams of shared kinds are not in Kafka: their many writers need compare-and-set per stream, which the
 * delegate has.
 */
import { type Position, type Slot, type StreamId, slotCount, slotOf, type Version } from '../../../proto/ids.ts';
import { type Clock, systemClock } from '../../kernel/clock.ts';
import { type Random, systemRandom } from '../../kernel/random.ts';
import { type Cancel, systemTimers, type Timers } from '../../kernel/timer.ts';
import {
  type AppendOutcome,
  type AppendPacing,
  type EventLog,
  LogUnavailableError,
  type ReadPage,
  type SlotPage,
  type SlotWriter,
  type StreamWriter,
  sharedKinds,
} from '../event-log.ts';
import type { BrokerAddress } from './broker-link.ts';
import { Brokers } from './brokers.ts';
import { Courier } from './courier.ts';
import type { SlotLimits } from './limits.ts';
import { SlotLane } from './slot-lane.ts';
import { SlotReader } from './slot-reader.ts';
import { readBytesDefault, SlotReads } from './slot-reads.ts';
import { Source } from './source.ts';
import { Tail, type TailOptions } from './tail.ts';
import { eventsTopic } from './topic.ts';
import { trim } from './trim.ts';

/** How long calls wait for Kafka before they are answered without it: a broker that hangs is replaced in five to seven seconds. */
const patienceMsDefault = 10_000;
const patienceTicks = 20;
const connectMsDefault = 3_000;
const requestMsDefault = 10_000;
const questionMsDefault = 2_000;
/** How often an owner looks whether somebody took its slots. */
const lookMsDefault = 1_000;
/** Of appends that are not answered, in all slots; beyond: busy. */
export const appendsUnansweredBytesMax = 32 * 1024 * 1024;
/** One record. The relay must be able to carry it as one message, and NATS takes 1 MiB by default. */
export const recordBytesMax = 960 * 1024;
/** Index entries of slots that this process reads but does not own; beyond, the slots not read for longest are forgotten. */
const indexEntriesMax = 1_000_000;
const tokenBytes = 12;

export interface KafkaLogOptions {
  /** host:port of some brokers; they name the others. */
  readonly brokers: readonly string[];
  /** Before the topic's name, so that clusters can share brokers. */
  readonly prefix?: string;
  /** Where streams of shared kinds are. */
  readonly shared: EventLog;
  readonly clientId?: string;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
  readonly patienceMs?: number;
  readonly connectMs?: number;
  readonly requestMs?: number;
  readonly lookMs?: number;
  readonly limits?: SlotLimits;
  /** Where a broker is to be reached instead of its own address. */
  readonly route?: (address: BrokerAddress) => BrokerAddress;
}

export class KafkaLog implements EventLog {
  readonly #brokers: Brokers;
  readonly #source: Source;
  readonly #courier: Courier;
  readonly #readers = new Map<number, SlotReader>();
  readonly #lanes = new Map<number, SlotLane>();
  readonly #reads = new SlotReads();
  readonly #tails: Tail[] = [];
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #patienceMs: number;
  readonly #cancels: Cancel[];
  readonly #tickMs: number;
  #tickedMs: number;
  /** Stands still while this process is stopped: who wakes up first learns what has happened, and then loses patience. */
  #awakeMs = 0;
  #bytes = 0;
  #isLooking = false;
  #isClosed = false;

  private constructor(private readonly options: KafkaLogOptions) {
    const { brokers, clock = systemClock, timers = systemTimers, random = systemRandom } = options;
    const { requestMs = requestMsDefault } = options;
    this.#clock = clock;
    this.#timers = timers;
    this.#random = random;
    this.#patienceMs = options.patienceMs ?? patienceMsDefault;
    this.#tickMs = this.#patienceMs / patienceTicks;
    this.#tickedMs = clock.monotonic();
    this.#brokers = new Brokers({
      brokers,
      topic: eventsTopic(options.prefix),
      clientId: options.clientId ?? 'hunt',
      connectMs: options.connectMs ?? connectMsDefault,
      requestMs,
      questionMs: Math.min(requestMs, questionMsDefault),
      clock,
      timers,
      ...(options.route === undefined ? {} : { route: options.route }),
    });
    this.#source = new Source({ brokers: this.#brokers, clock, timers, patienceMs: this.#patienceMs });
    this.#courier = new Courier({ brokers: this.#brokers, clock, timers });
    this.#cancels = [
      timers.every(this.#tickMs, () => this.#tick()),
      timers.every(options.lookMs ?? lookMsDefault, () => void this.#look()),
    ];
  }

  /** Resolves once a broker answered; rejects with {@link LogUnavailableError} when none does. The topic must be there (topic.ts). */
  static async connect(options: KafkaLogOptions): Promise<KafkaLog> {
    const log = new KafkaLog(options);
    try {
      await log.#source.end(0);
      return log;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  get pacing(): AppendPacing {
    return this.#courier;
  }

  /** Monotonic time at which any broker was last heard. */
  get lastHeardMs(): number {
    return this.#brokers.lastHeardMs;
  }

  /** Why Kafka does not take appends at present; undefined while it does. */
  get fault(): string | undefined {
    return this.#courier.lastFault;
  }

  async take(slot: Slot, epoch: number): Promise<SlotWriter> {
    const lane = this.#lane(slot);
    const term = await lane.take(epoch);
    return {
      slot,
      epoch,
      append: (stream, expected, count, bytes) => this.#append(lane, term, stream, expected, count, bytes),
    };
  }

  shared(stream: StreamId): StreamWriter {
    if (!sharedKinds.includes(stream.kind))
      throw new RangeError(`streams of kind "${stream.kind}" have an owner: take the slot`);
    return this.options.shared.shared(stream);
  }

  async #append(
    lane: SlotLane,
    term: number,
    stream: StreamId,
    expected: Version,
    count: number,
    bytes: Uint8Array,
  ): Promise<AppendOutcome> {
    if (slotOf(stream.id) !== lane.slot)
      throw new RangeError(`${stream.kind}/${stream.id} is not of slot ${lane.slot}`);
    if (!Number.isInteger(count) || count < 1) throw new RangeError(`count ${count}: at least one event a record`);
    if (bytes.byteLength > recordBytesMax)
      return refused('too_large', `${bytes.byteLength} bytes, and a record has at most ${recordBytesMax}`);
    if (this.#isClosed) return refused('busy', 'the log was closed here');
    if (this.#bytes + bytes.byteLength > appendsUnansweredBytesMax)
      return refused('busy', `${this.#bytes} bytes of appends are unanswered`);
    return lane.append(term, stream, expected, count, bytes);
  }

  async read(stream: StreamId, from: Version, bytesMax = readBytesDefault): Promise<ReadPage> {
    if (sharedKinds.includes(stream.kind)) return this.options.shared.read(stream, from, bytesMax);
    const reader = this.#reader(slotOf(stream.id));
    await this.#settled(reader.slot);
    return this.#reads.read(reader, stream, from, bytesMax);
  }

  async readSlot(slot: Slot, from: Position, bytesMax = readBytesDefault): Promise<SlotPage> {
    await this.#settled(slot);
    return this.#reads.readSlot(this.#reader(slot), from, bytesMax);
  }

  async head(stream: StreamId): Promise<Version> {
    if (sharedKinds.includes(stream.kind)) return this.options.shared.head(stream);
    const reader = this.#reader(slotOf(stream.id));
    await this.#settled(reader.slot);
    await reader.catchUp();
    return reader.index.head(stream) as Version;
  }

  async ends(): Promise<readonly Position[]> {
    const slots = Array.from({ length: slotCount }, (_, slot) => slot);
    return Promise.all(slots.map(async (slot) => (await this.#source.end(slot)) as Position));
  }

  async trim(slot: Slot, before: Position): Promise<Position> {
    return trim(this.#lane(slot), this.#brokers, before);
  }

  /** All slots as they grow, for the relay. Ends with the log, or when it is closed. */
  follow(options: Pick<TailOptions, 'from' | 'take' | 'failed'>): Tail {
    const readerOf = (slot: number): SlotReader => this.#reader(slot);
    const tail = new Tail({ ...options, readerOf, brokers: this.#brokers, reads: this.#reads, timers: this.#timers });
    this.#tails.push(tail);
    return tail;
  }

  /** Appends that are still unanswered become ambiguous; flush before closing. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const cancel of this.#cancels) cancel();
    for (const tail of this.#tails) tail.close();
    this.#courier.close();
    this.#source.close();
    for (const lane of this.#lanes.values()) lane.close('the log was closed here');
    this.#brokers.close();
  }

  /** Moved to the end of the map: the first is the one not used for longest. */
  #reader(slot: number): SlotReader {
    if (this.#isClosed) throw new LogUnavailableError('the log was closed here');
    const reader = this.#readers.get(slot) ?? new SlotReader(slot, this.#source, this.options.limits);
    this.#readers.delete(slot);
    this.#readers.set(slot, reader);
    this.#forget();
    return reader;
  }

  #forget(): void {
    let entries = 0;
    for (const reader of this.#readers.values()) entries += reader.index.size;
    for (const [slot, reader] of this.#readers) {
      if (entries <= indexEntriesMax) return;
      const lane = this.#lanes.get(slot);
      if (reader.index.size === 0 || lane?.isOwner === true || lane?.isIdle === false) continue;
      entries -= reader.index.size;
      this.#readers.delete(slot);
      this.#lanes.delete(slot);
    }
  }

  #lane(slot: Slot): SlotLane {
    const reader = this.#reader(slot);
    let lane = this.#lanes.get(slot);
    if (lane === undefined) {
      lane = new SlotLane(reader, {
        now: () => this.#awakeMs,
        token: () => this.#random.token(tokenBytes),
        wants: (one) => this.#courier.wants(one),
        holds: (bytes) => {
          this.#bytes += bytes;
        },
        patienceMs: this.#patienceMs,
      });
      this.#lanes.set(slot, lane);
    }
    return lane;
  }

  /** After an *ambiguous*, reads in this process wait until they can tell what became of it. */
  async #settled(slot: number): Promise<void> {
    await this.#lanes.get(slot)?.settled((ms) => new Promise((resolve) => void this.#timers.after(ms, resolve)));
  }

  #tick(): void {
    const now = this.#clock.monotonic();
    this.#awakeMs += Math.min(now - this.#tickedMs, 2 * this.#tickMs);
    this.#tickedMs = now;
    for (const lane of this.#lanes.values()) lane.checkPatience();
  }

  /** An owner hears of a rival by its own appends alone: where it has none that succeed, it looks. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const owned = [...this.#lanes.values()].filter(({ isOwner, reader }) => isOwner && reader.fault === undefined);
    await Promise.all(owned.map((lane) => lane.reader.catchUp().catch(() => undefined)));
    this.#isLooking = false;
  }
}

function refused(reason: 'too_large' | 'busy', message: string): AppendOutcome {
  return { kind: 'refused', reason, message };
}
