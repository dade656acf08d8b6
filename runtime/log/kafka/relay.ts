/**
 * Copies what counts in Kafka into another log (JetStream), from where gateways and third parties follow it. Owns nothing that
 * matters: its places are pages of the target, and every append there is conditional on the stream's version, so that a
 * relay may be killed, run twice or wake up late: what is there already is passed over (I2). Each stream's batches arrive
 * in order, each once, with versions, counts and epochs as they were. A slot is taken under an epoch when all batches of
 * lower ones are in the target, so who is fenced there is merely late.
 */
import { type Position, type Slot, streamKey, type Version } from '../../../proto/ids.ts';
import { type Cancel, systemTimers, type Timers } from '../../kernel/timer.ts';
import { type AppendOutcome, type EventLog, FencedError, type LogRecord, type SlotWriter } from '../event-log.ts';
import type { PageStore } from '../page-store.ts';
import type { KafkaLog } from './kafka-log.ts';
import { RelayPlaces } from './relay-places.ts';
import type { Tail, TailStretch } from './tail.ts';

const saveMs = 1_000;
const retryFirstMs = 20;
const retryMaxMs = 1_000;

export interface RelayOptions {
  readonly source: KafkaLog;
  readonly target: EventLog & PageStore;
  readonly timers?: Timers;
  /** Told of what keeps it from going on, every time; it tries again by itself. */
  readonly failed?: (error: Error) => void;
}

export class Relay {
  #tail: Tail | undefined;
  readonly #writers = new Map<Slot, SlotWriter>();
  readonly #places: RelayPlaces;
  readonly #timers: Timers;
  readonly #cancel: Cancel;
  readonly #parked = new Map<string, string>();
  #isClosed = false;

  private constructor(private readonly options: RelayOptions) {
    this.#timers = options.timers ?? systemTimers;
    this.#places = new RelayPlaces(options.target);
    this.#cancel = this.#timers.every(saveMs, () => void this.#save());
  }

  /** Goes on where the target says that the last one was. */
  static async start(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    const from = await relay.#places.load();
    relay.#tail = options.source.follow({
      from: (slot) => from[slot] as Position,
      take: (stretch) => relay.#take(stretch),
      failed: (error) => relay.#failed(error, undefined),
    });
    return relay;
  }

  /** Events that count in Kafka and are not in the target yet. */
  async lag(): Promise<number> {
    return (await this.#tail?.behind()) ?? 0;
  }

  /** Streams that cannot be copied, because the target lacks versions that Kafka has let go of: each with why, in a sentence. */
  get parked(): ReadonlyMap<string, string> {
    return this.#parked;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    this.#tail?.close();
    await this.#save();
  }

  /** Again and again, until all of it is in the target. */
  async #take({ slot, records, next, trimmedTo }: TailStretch): Promise<void> {
    let left = records;
    for (let wait = retryFirstMs; left.length > 0 && !this.#isClosed; wait = Math.min(wait * 2, retryMaxMs)) {
      const before = left.length;
      left = await this.#copy(slot, left).catch((error) => this.#failed(error, left));
      if (left.length === before) await new Promise<void>((resolve) => void this.#timers.after(wait, resolve));
      else wait = retryFirstMs / 2;
    }
    if (left.length > 0) return;
    this.#places.reached(slot, next);
    if (trimmedTo > 0) await this.#trim(slot, trimmedTo).catch((error) => this.#failed(error, undefined));
  }

  /** Copies those of the first epoch; resolves with what is not in the target yet. */
  async #copy(slot: Slot, records: readonly LogRecord[]): Promise<readonly LogRecord[]> {
    const epoch = records[0]?.epoch ?? 0;
    const later = records.findIndex((record) => record.epoch !== epoch);
    const own = later < 0 ? records : records.slice(0, later);
    const writer = await this.#writer(slot, epoch);
    const outcomes = await Promise.all(own.map((record) => append(writer, record)));
    for (const [i, outcome] of outcomes.entries()) {
      const record = own[i] as LogRecord;
      const { stream, version, count } = record;
      const upto = version + count - 1;
      if (outcome.kind === 'appended' || (outcome.kind === 'conflict' && outcome.head >= upto)) continue;
      if (outcome.kind === 'fenced') this.#writers.delete(slot);
      const head = await this.options.target.head(stream);
      if (head >= upto || this.#parked.has(streamKey(stream))) continue;
      const fault = new Error(`${streamKey(stream)}, version ${version}: ${JSON.stringify(outcome)}`);
      // What lies behind it may be there: it is passed over when its turn comes again.
      if (outcome.kind !== 'conflict' || head === version - 1) throw fault;
      // The target has lost what came before, or never had it: no other stream waits for that.
      const missing = `JetStream holds it up to version ${head}, Kafka goes on at version ${version}`;
      this.#parked.set(
        streamKey(stream),
        `${missing}: what lies between is in neither, and nobody sees its live events`,
      );
      this.#failed(fault, undefined);
    }
    return records.slice(own.length);
  }

  /** Undefined: another relay is further on. */
  async #writer(slot: Slot, epoch: number): Promise<SlotWriter | undefined> {
    let writer = this.#writers.get(slot);
    if (writer?.epoch === epoch) return writer;
    try {
      writer = await this.options.target.take(slot, epoch);
    } catch (error) {
      if (error instanceof FencedError) return undefined;
      throw error;
    }
    this.#writers.set(slot, writer);
    return writer;
  }

  /** What Kafka has let go of, the target need not keep. */
  async #trim(slot: Slot, before: Position): Promise<void> {
    const { records } = await this.options.source.readSlot(slot, before, 1);
    const [first] = records;
    if (first === undefined) return;
    const { records: copies } = await this.options.target.read(first.stream, first.version, 1);
    const [copy] = copies;
    if (copy !== undefined && copy.version === first.version) await this.options.target.trim(slot, copy.position);
  }

  async #save(): Promise<void> {
    await this.#places.save().catch((error) => this.#failed(error, undefined));
  }

  #failed<T>(error: unknown, otherwise: T): T {
    this.options.failed?.(error as Error);
    return otherwise;
  }
}

/** Without a writer: whoever has the slot in the target is further on. */
async function append(writer: SlotWriter | undefined, record: LogRecord): Promise<AppendOutcome> {
  const { stream, version, count, bytes } = record;
  return writer?.append(stream, (version - 1) as Version, count, bytes) ?? { kind: 'fenced', epoch: record.epoch };
}
