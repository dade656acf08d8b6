import { type Slot, slotCount } from '../proto/ids.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Random } from '../runtime/kernel/random.ts';
import type { Timers } from '../runtime/kernel/timer.ts';
import { type EventLog, LogDamagedError } from '../runtime/log/event-log.ts';
import type { AuditedSlot } from './catalog-audit.ts';
import { catalogRowOf } from './catalog-rows.ts';
import { CatalogWriter } from './catalog-writer.ts';
import type { Parked } from './checkpoint.ts';
import { SchemaFault } from './citus.ts';
import type { Connection } from './connection.ts';
import { HuntCache } from './hunt-cache.ts';
import { calmJournal, type Journal } from './journal.ts';
import { LagBook, type SlotLag } from './lag-book.ts';
import type { ProjectionMetrics } from './metrics.ts';
import { Ownership } from './ownership.ts';
import { Primary } from './primary.ts';
import { Backoff, Rest } from './rest.ts';
import { ensureSchema } from './schema.ts';
import { scout } from './scout.ts';
import { SlotLine } from './slot-line.ts';
import { SlotFault, SlotWriter } from './slot-writer.ts';
import { faultOf, sentenceOf } from './sql-fault.ts';

/**
 * Brings the log's hunts into PostgreSQL rows, behind the log and never in its way (I10).
 *
 * Owns: its share of the slots (ownership.ts), a few lanes with a connection each, what it knows of its slots. Keeps: rows
 * and checkpoint move in one transaction (slot-writer.ts), so a crash anywhere loses and doubles nothing; memory is bounded by
 * lanes times a batch, and the cache (I5). Whatever fails, a lane begins the slot again from its rows.
 */
export interface ProjectorOptions {
  /** Across log and archive. */
  readonly log: Pick<EventLog, 'ends' | 'readSlot'>;
  /** The primary and its standbys, in any order. */
  readonly pgUrls: readonly string[];
  /** Names the log; rows that were made from another are refused. */
  readonly logName?: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly metrics: ProjectionMetrics;
  readonly journal: Journal;
  /** Slots that are written at the same time, each on a connection of its own. */
  readonly lanes?: number;
  /** A projector that does not move for so long is as good as dead: the server takes its slots away. */
  readonly silentMs?: number;
}

export const lanesDefault = 4;
/** How often the log is asked for news: closely while there are some. */
const newsMs = 150;
const quietNewsMs = 500;
const quietAfterRounds = 20;
/** Between two transactions of one slot that is not behind: fewer, fatter ones cost less. */
const slotPaceMs = 400;
/** A slot whose news have waited so long is counted by the scout. */
const scoutAfterMs = 1_000;
const retryFirstMs = 50;
const retryMaxMs = 2_000;
/** A slot that only an operator can mend is tried again after so long. */
const faultRetryMs = 5_000;
const stopMaxMs = 8_000;
/** A server that is well answers once a second. */
const answeredMs = 5_000;
/** A refusal counts for so long unless something was written since. */
const refusedMs = 10_000;

export interface ProjectorState {
  readonly slots: number;
  readonly projectors: number;
  readonly isConnected: boolean;
  /** It is connected, and the server answers: one that hangs keeps its connections. */
  readonly isAnswered: boolean;
  readonly parked: readonly Parked[];
  /** Slots that cannot go on without an operator, and why. */
  readonly faults: readonly { readonly slot: Slot; readonly message: string }[];
  /** What keeps all slots from going on, until an operator acts. */
  readonly schemaFault: string | undefined;
  /** Why rows could not be written of late: the server answers and refuses, its disk is full for one. Undefined: they could. */
  readonly refusal: string | undefined;
  /** Everything that was in the log when it was last asked is in the rows, and the rows are in the list. Never for long while people play. */
  readonly isSettled: boolean;
  /** Every slot has caught up once since it was taken, and its list was compared with its rows. Comes true while people play. */
  readonly isListed: boolean;
}

export class Projector {
  readonly #options: ProjectorOptions;
  readonly #primary: Primary;
  readonly #line = new SlotLine();
  readonly #book = new LagBook();
  readonly #cache = new HuntCache();
  readonly #writers = new Map<Slot, SlotWriter>();
  readonly #faults = new Map<Slot, string>();
  readonly #notBefore = new Map<Slot, number>();
  /** Slots whose list was compared with their rows since they were opened. */
  readonly #compared = new Set<Slot>();
  readonly #catalog: CatalogWriter;
  readonly #ownership: Ownership;
  readonly #newsRest: Rest;
  readonly #laneRests = new Set<Rest>();
  #schema: Promise<void> | undefined;
  #schemaFault: string | undefined;
  #refused: { readonly fault: string; readonly at: number } | undefined;
  #isStopping = false;
  #sweptTo = 0;
  readonly #running: Promise<unknown>;

  constructor(options: ProjectorOptions) {
    const { timers, random, clock } = options;
    const journal = calmJournal(options.journal, clock);
    this.#options = { ...options, journal };
    this.#primary = new Primary(options.pgUrls, options.silentMs);
    this.#newsRest = new Rest(timers);
    this.#catalog = new CatalogWriter({
      primary: this.#primary,
      timers,
      random,
      journal,
      schemaMissing: () => this.#dropSchema(),
      nextToSweep: () => this.#nextToSweep(),
    });
    this.#ownership = new Ownership(
      { primary: this.#primary, clock, timers, random, journal },
      {
        taken: (slot) => this.#line.add(slot),
        given: async (slot) => {
          await this.#line.remove(slot);
          this.#forget(slot);
          this.#book.forget(slot);
          this.#faults.delete(slot);
          this.#notBefore.delete(slot);
        },
        // It is counted on, so that somebody tells how far it is behind while the server is away.
        lost: (slot) => this.#forget(slot),
        changed: (slot) => this.#changed(slot),
      },
    );
    const lanes = Array.from({ length: options.lanes ?? lanesDefault }, () => this.#lane());
    this.#running = Promise.all([this.#news(), ...lanes]);
  }

  /** How far each slot's rows are behind: those of this projector, and those that it had when it lost the server. */
  lag(): SlotLag[] {
    return this.#book.lags(this.#options.clock.now());
  }

  /** Those that are this projector's at present. */
  ownedSlots(): Iterable<Slot> {
    return this.#ownership.owned;
  }

  state(): ProjectorState {
    const { owned, projectors, isConnected } = this.#ownership;
    const isListed =
      isConnected &&
      [...owned].every((slot) => this.#writers.get(slot)?.hasCaughtUp === true && this.#compared.has(slot)) &&
      this.#catalog.isCompared;
    return {
      slots: owned.size,
      projectors,
      isConnected,
      isAnswered: isConnected && this.#options.clock.monotonic() - this.#ownership.heardAt < answeredMs,
      parked: [...this.#writers.values()].flatMap((writer) => writer.parked),
      faults: [...this.#faults].map(([slot, message]) => ({ slot, message })),
      schemaFault: this.#schemaFault,
      refusal:
        this.#refused !== undefined && this.#options.clock.monotonic() - this.#refused.at < refusedMs
          ? this.#refused.fault
          : undefined,
      isListed,
      isSettled: isListed && ![...owned].some((slot) => this.#book.isBehind(slot)) && this.#catalog.isSettled,
    };
  }

  /** Finishes what is under way, gives its slots back. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const { timers } = this.#options;
    const finished = (async () => {
      this.#newsRest.end();
      this.#line.close();
      for (const rest of this.#laneRests) rest.end();
      await this.#running;
      await this.#catalog.stop();
      await this.#ownership.stop();
    })();
    let cancel = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = timers.after(stopMaxMs, resolve);
    });
    await Promise.race([finished, late]);
    cancel();
  }

  async #news(): Promise<void> {
    const { log, clock, random, journal, metrics } = this.#options;
    const backoff = new Backoff(random, retryFirstMs, retryMaxMs);
    for (let quiet = 0; !this.#isStopping; ) {
      try {
        const ends = await log.ends();
        const now = clock.now();
        let hasNews = false;
        for (let slot = 0 as Slot; slot < slotCount; slot++) {
          const end = ends[slot];
          // Somebody else's now: that one counts.
          if (this.#ownership.isConnected && !this.#ownership.owned.has(slot)) this.#book.forget(slot);
          if (end !== undefined) this.#book.ended(slot, end, now);
          if (this.#book.isBehind(slot)) hasNews = true;
          if (!this.#ownership.owned.has(slot) || now < (this.#notBefore.get(slot) ?? 0)) continue;
          if (this.#book.isBehind(slot) || !this.#writers.has(slot)) this.#line.add(slot);
        }
        const waiting = this.#book.lags(now).filter(({ slot }) => this.#book.behindMs(slot, now) > scoutAfterMs);
        const isCounting = await scout(
          log,
          this.#book,
          waiting.map(({ slot }) => slot),
        );
        this.#measure(metrics);
        backoff.reset();
        quiet = hasNews ? 0 : quiet + 1;
        await this.#newsRest.for(!isCounting && quiet > quietAfterRounds ? quietNewsMs : newsMs);
      } catch (error) {
        journal.warn({ fault: sentenceOf(error) }, 'the log does not answer');
        await this.#newsRest.for(backoff.next());
      }
    }
  }

  #measure(metrics: ProjectionMetrics): void {
    const lags = this.lag();
    const { slots, parked, faults, schemaFault } = this.state();
    metrics.gauge(
      'hunt_projection_lag_events',
      lags.reduce((sum, { events }) => sum + events, 0),
    );
    metrics.gauge(
      'hunt_projection_lag_seconds',
      lags.reduce((max, { seconds }) => Math.max(max, seconds), 0),
    );
    metrics.gauge('hunt_projection_slots', slots);
    metrics.gauge('hunt_projection_parked', parked.length);
    // What is wrong with the tables holds up every slot.
    metrics.gauge('hunt_projection_faults', schemaFault === undefined ? faults.length : slots);
  }

  /** One connection, one slot at a time. */
  async #lane(): Promise<void> {
    const { random, timers, journal, metrics } = this.#options;
    const backoff = new Backoff(random, retryFirstMs, retryMaxMs);
    const rest = new Rest(timers);
    this.#laneRests.add(rest);
    let connection: Connection | undefined;
    for (;;) {
      const slot = await this.#line.take();
      if (slot === undefined) break;
      let again = false;
      try {
        if (connection?.isOpen !== true) connection = await this.#primary.connect();
        await this.#ready(connection);
        again = await this.#work(slot, connection);
        this.#faults.delete(slot);
        backoff.reset();
      } catch (error) {
        this.#forget(slot);
        if (error instanceof SlotFault || error instanceof LogDamagedError) this.#fault(slot, error.message);
        else {
          const fault = faultOf(error);
          metrics.count('hunt_projection_transactions_total', 1, fault === 'unknown' ? 'unknown' : 'failed');
          if (fault === 'schema') this.#dropSchema();
          // A statement that was prepared for other tables stays wrong on this connection.
          if (fault === 'schema' || fault === 'refused') connection?.close();
          this.#refused = { fault: sentenceOf(error), at: this.#options.clock.monotonic() };
          journal.warn({ slot, fault: sentenceOf(error) }, 'a slot begins again from its rows');
          again = true;
          // Until then the slot is in this lane's hands, so that not all lanes try what fails at present.
          await rest.for(backoff.next());
        }
      }
      this.#line.done(slot);
      if (again && this.#ownership.owned.has(slot)) this.#line.add(slot);
    }
    connection?.close();
  }

  /** One batch. True: the slot has more to do now. */
  async #work(slot: Slot, connection: Connection): Promise<boolean> {
    const { clock, log, metrics } = this.#options;
    if (!this.#ownership.owned.has(slot)) return false;
    const writer = this.#writers.get(slot) ?? (await this.#open(slot, connection));
    const began = clock.monotonic();
    const outcome = await writer.next(log, connection, this.#cache);
    if (outcome.kind === 'stale') {
      metrics.count('hunt_projection_transactions_total', 1, 'stale');
      this.#forget(slot);
      return true;
    }
    if (outcome.kind === 'applied') {
      const { events, at, snapshots, players, treasures } = outcome.change;
      this.#refused = undefined;
      metrics.count('hunt_projection_transactions_total', 1, 'applied');
      metrics.count('hunt_projection_events_total', events);
      for (const [table, rows] of Object.entries({ snapshots, players, treasures }))
        metrics.count('hunt_projection_rows_total', rows.length, table);
      metrics.observe('hunt_projection_transaction_seconds', (clock.monotonic() - began) / 1000);
      this.#book.applied(slot, writer.checkpoint.position, events, at, clock.now());
      for (const { huntId, version, reason } of outcome.change.parked)
        this.#options.journal.error(
          { slot, hunt: huntId, version, reason },
          'a hunt is parked: its rows stay as they are',
        );
    }
    if (this.#writers.get(slot) !== writer) {
      // Changed from outside meanwhile: what was written stands, what is in memory may not.
      this.#cache.dropSlot(slot);
      return true;
    }
    if (!writer.hasCaughtUp) return outcome.kind === 'applied';
    if (!(await writer.finishRebuild(connection))) {
      this.#forget(slot);
      return true;
    }
    if (!this.#compared.has(slot)) {
      this.#compared.add(slot);
      this.#catalog.compare(audited(writer));
    } else if (outcome.kind === 'applied') this.#catalog.note(outcome.change.snapshots.map(catalogRowOf));
    this.#notBefore.set(slot, clock.now() + slotPaceMs);
    return outcome.kind === 'applied' && !outcome.caughtUp;
  }

  async #open(slot: Slot, connection: Connection): Promise<SlotWriter> {
    const writer = await SlotWriter.open(connection, slot);
    if (writer === undefined) {
      this.#dropSchema();
      throw new Error(`slot ${slot} has no checkpoint`);
    }
    this.#writers.set(slot, writer);
    this.#compared.delete(slot);
    this.#book.found(slot, writer.checkpoint.position);
    return writer;
  }

  #forget(slot: Slot): void {
    this.#writers.delete(slot);
    this.#cache.dropSlot(slot);
  }

  #changed(slot: Slot | undefined): void {
    for (const one of slot === undefined ? [...this.#ownership.owned] : [slot]) {
      this.#forget(one);
      this.#notBefore.delete(one);
      if (this.#ownership.owned.has(one)) this.#line.add(one);
    }
  }

  #fault(slot: Slot, message: string): void {
    if (this.#faults.get(slot) !== message)
      this.#options.journal.error({ slot, fault: message }, 'a slot is not projected');
    this.#faults.set(slot, message);
    this.#notBefore.set(slot, this.#options.clock.now() + faultRetryMs);
  }

  /** Makes the tables before the first transaction, and again when they turn out to be gone. One at a time. */
  async #ready(connection: Connection): Promise<void> {
    const { logName, journal } = this.#options;
    this.#schema ??= ensureSchema(connection, logName === undefined ? {} : { log: logName }).then((schema) =>
      journal.info({ ...schema }, 'the tables are there'),
    );
    try {
      await this.#schema;
      this.#schemaFault = undefined;
    } catch (error) {
      this.#schema = undefined;
      if (error instanceof SchemaFault) this.#schemaFault = error.message;
      throw error;
    }
  }

  #dropSchema(): void {
    this.#schema = undefined;
    for (const slot of [...this.#writers.keys()]) this.#forget(slot);
  }

  #nextToSweep(): AuditedSlot | undefined {
    for (let i = 0; i < slotCount; i++) {
      this.#sweptTo = (this.#sweptTo + 1) % slotCount;
      const writer = this.#writers.get(this.#sweptTo as Slot);
      if (writer?.hasCaughtUp === true && this.#compared.has(this.#sweptTo as Slot)) return audited(writer);
    }
    return undefined;
  }
}

const audited = ({ checkpoint }: SlotWriter): AuditedSlot => ({
  slot: checkpoint.slot,
  generation: checkpoint.baseGeneration,
});

export const startProjector = (options: ProjectorOptions): Projector => new Projector(options);
