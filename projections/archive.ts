import { type Position, type Slot, slotCount } from '../proto/ids.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Timers } from '../runtime/kernel/timer.ts';
import { type Archive, ArchiveUnavailableError } from '../runtime/log/archive/archive.ts';
import { writeCatalogs } from '../runtime/log/archive/archiving.ts';
import { type EventLog, LogDamagedError, LogUnavailableError } from '../runtime/log/event-log.ts';
import { ArchiveConflictError, SlotMovedError } from './archive-fault.ts';
import type { ArchiveMetrics } from './archive-metrics.ts';
import { ArchivingSlot } from './archive-slot.ts';
import type { Journal } from './journal.ts';
import { Rest } from './rest.ts';

/**
 * Moves history from the log into the archive: copies what has waited long enough or is much, and lets the log go of what is
 * older than it should keep, or more. Never on the way of an action (I10).
 *
 * Owns: an {@link ArchivingSlot} for each slot that it is told to look after, and the pace. Nothing that a crash could lose:
 * objects are named by positions, so that copying again replaces an object by itself, and several archivers of one slot do
 * the same twice. I8 is kept in archive-slot.ts.
 */
export interface ArchiverOptions {
  /** The adapter's own log, without the archive behind it. */
  readonly log: EventLog;
  readonly archive: Archive;
  /** Asked in every round. */
  readonly ownedSlots: () => Iterable<Slot>;
  /** How long history stays in the log, by the time of its events. 0: for ever, and nothing is archived. */
  readonly keepMs: number;
  /** How many bytes of records stay in the log, of all slots together; 0: as many as there are. */
  readonly keepBytes?: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly journal: Journal;
  readonly metrics: ArchiveMetrics;
  readonly roundMs?: number;
}

const roundMsDefault = 15_000;
/** An object is written when so much waits, or when the oldest of it has waited for a part of the time that it may stay. */
const objectBytesDefault = 4 * 1024 * 1024;
const objectBytesMin = 64 * 1024;
const waitPart = 4;
/** What was appended in the last minute may be lost with the power of a log that does not wait for its disk: not archived yet. */
const settleMsMax = 60_000;
/** Of one slot in one round, so that all of them come to their turn. */
const objectsPerVisitMax = 16;

type Step = 'open' | 'copy' | 'trim';

export class Archiver {
  readonly #options: ArchiverOptions;
  readonly #slots = new Map<Slot, ArchivingSlot>();
  /** Slots that only an operator can help. */
  readonly #faults = new Map<Slot, string>();
  /** What kept a slot's history from the archive in the last round that met such a thing, while it lasts. */
  #away: string | undefined;
  #awayInRound: string | undefined;
  readonly #rest: Rest;
  readonly #objectBytes: number;
  #running: Promise<void> | undefined;
  #isClosing = false;

  constructor(options: ArchiverOptions) {
    this.#options = options;
    this.#rest = new Rest(options.timers);
    const share = (options.keepBytes ?? 0) / slotCount / waitPart;
    this.#objectBytes = share === 0 ? objectBytesDefault : clamp(share, objectBytesMin, objectBytesDefault);
  }

  /** Slots that are not archived until an operator acts, and why. */
  get faults(): readonly { readonly slot: Slot; readonly message: string }[] {
    return [...this.#faults].map(([slot, message]) => ({ slot, message }));
  }

  /** Why the archive cannot be written or read at present: it is full, or away. Undefined: it could be in the last round. */
  get away(): string | undefined {
    return this.#away;
  }

  /** With a keep time of 0 it does nothing. */
  start(): void {
    if (this.#options.keepMs > 0) this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      await this.round();
      await this.#rest.for(this.#options.roundMs ?? roundMsDefault);
    }
  }

  /** Looks at every slot once. Never throws: what fails is told, and tried again in the next round. */
  async round(): Promise<void> {
    const { log, journal, metrics, ownedSlots } = this.#options;
    this.#awayInRound = undefined;
    try {
      const owned = [...ownedSlots()];
      for (const slot of [...this.#slots.keys(), ...this.#faults.keys()]) if (!owned.includes(slot)) this.#forget(slot);
      const ends = await log.ends();
      for (const slot of owned) await this.#visit(slot, 'copy', () => this.#copy(slot, ends[slot] as Position));
      const keepFrom = this.#keepFrom(owned.length);
      for (const slot of owned) await this.#visit(slot, 'trim', () => this.#trim(slot, keepFrom));
    } catch (error) {
      metrics.count('hunt_archive_failures_total', 1, 'open');
      journal.warn({ fault: (error as Error).message }, 'the log does not answer: nothing is archived');
    }
    this.#away = this.#awayInRound;
    this.#measure();
  }

  /** One slot's trouble is no other's. */
  async #visit(slot: Slot, step: Step, work: () => Promise<void>): Promise<void> {
    if (this.#isClosing) return;
    const { journal, metrics } = this.#options;
    try {
      await work();
      if (step === 'trim' && this.#slots.has(slot)) this.#faults.delete(slot);
    } catch (error) {
      // Whatever was known of the slot may be wrong: the next round finds it out anew.
      this.#slots.delete(slot);
      metrics.count('hunt_archive_failures_total', 1, step);
      if (error instanceof SlotMovedError) return;
      const fault = (error as Error).message;
      if (error instanceof ArchiveUnavailableError) this.#awayInRound ??= fault;
      if (error instanceof ArchiveUnavailableError || error instanceof LogUnavailableError)
        journal.warn({ slot, fault }, 'a slot is archived later');
      else {
        const isKnown = this.#faults.get(slot) === fault;
        this.#faults.set(slot, fault);
        const needsOperator = error instanceof ArchiveConflictError || error instanceof LogDamagedError;
        if (!isKnown) journal.error({ slot, fault, needsOperator }, 'a slot is not archived, and stays in the log');
      }
    }
  }

  async #copy(slot: Slot, end: Position): Promise<void> {
    const { log, archive, clock, keepMs, metrics } = this.#options;
    const now = clock.now();
    let present = this.#slots.get(slot);
    if (present === undefined) {
      present = await ArchivingSlot.open(slot, log, archive, end);
      this.#slots.set(slot, present);
    }
    if (end > present.learnedTo) await present.learn(now, () => this.#isClosing);
    const settled = present.settledTo(now - Math.min(settleMsMax, keepMs / waitPart));
    let objects = 0;
    while (objects < objectsPerVisitMax && !this.#isClosing) {
      const isDue = present.pendingBytes >= this.#objectBytes || present.pendingSince <= now - keepMs / waitPart;
      if (!isDue) break;
      const { records, storedBytes } = await present.copy(settled, this.#objectBytes, now);
      if (records === 0) break;
      objects++;
      metrics.count('hunt_archive_objects_total', 1, 'records');
      metrics.count('hunt_archive_records_total', records);
      metrics.count('hunt_archive_stored_bytes_total', storedBytes);
    }
    if (objects > 0) metrics.count('hunt_archive_objects_total', await writeCatalogs(archive, slot), 'catalog');
  }

  async #trim(slot: Slot, keepFrom: number): Promise<void> {
    const present = this.#slots.get(slot);
    if (present === undefined) return;
    const { journal, metrics, clock } = this.#options;
    const { trimmed, mended } = await present.trim(keepFrom, clock.now());
    if (trimmed) metrics.count('hunt_archive_trims_total', 1);
    if (mended === 0) return;
    this.#slots.delete(slot);
    metrics.count('hunt_archive_objects_total', mended, 'mended');
    journal.error({ slot, objects: mended }, 'objects of the archive were damaged, and are written anew from the log');
  }

  /** What occurred before may leave the log: by its age, or because there is too much of it. */
  #keepFrom(owned: number): number {
    const { clock, keepMs, keepBytes = 0 } = this.#options;
    let keepFrom = clock.now() - keepMs;
    if (keepBytes === 0) return keepFrom;
    const chapters = [...this.#slots.values()].flatMap((slot) => slot.chapters).sort((a, b) => a.newestAt - b.newestAt);
    let bytes = this.#bytesInLog();
    for (const chapter of chapters) {
      if (bytes <= (keepBytes * owned) / slotCount) break;
      bytes -= chapter.bytes;
      keepFrom = Math.max(keepFrom, chapter.newestAt + 1);
    }
    return keepFrom;
  }

  #bytesInLog(): number {
    let bytes = 0;
    for (const slot of this.#slots.values()) {
      bytes += slot.pendingBytes;
      for (const chapter of slot.chapters) bytes += chapter.bytes;
    }
    return bytes;
  }

  #measure(): void {
    const { metrics, clock } = this.#options;
    let since = Number.POSITIVE_INFINITY;
    let pending = 0;
    for (const slot of this.#slots.values()) {
      since = Math.min(since, slot.pendingSince);
      pending += slot.pendingBytes;
    }
    metrics.gauge('hunt_archive_slots', this.#slots.size);
    metrics.gauge(
      'hunt_archive_lag_seconds',
      since === Number.POSITIVE_INFINITY ? 0 : Math.max(0, clock.now() - since) / 1000,
    );
    metrics.gauge('hunt_archive_pending_bytes', pending);
    metrics.gauge('hunt_archive_log_bytes', this.#bytesInLog());
    metrics.gauge('hunt_archive_faults', this.#faults.size);
    metrics.gauge('hunt_archive_away', this.#away === undefined ? 0 : 1);
  }

  #forget(slot: Slot): void {
    this.#slots.delete(slot);
    this.#faults.delete(slot);
  }

  /** Finishes the object that it is at. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#rest.end();
    await this.#running;
  }
}

const clamp = (value: number, least: number, most: number): number => Math.max(least, Math.min(most, value));
