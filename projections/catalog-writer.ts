import { type Slot, slotOf } from '../proto/ids.ts';
import type { Random } from '../runtime/kernel/random.ts';
import type { Timers } from '../runtime/kernel/timer.ts';
import { type AuditedSlot, auditCatalog } from './catalog-audit.ts';
import { type CatalogRow, writeCatalog } from './catalog-rows.ts';
import type { Connection } from './connection.ts';
import type { Journal } from './journal.ts';
import type { Primary } from './primary.ts';
import { Backoff, Rest } from './rest.ts';
import { faultOf, sentenceOf } from './sql-fault.ts';
import { statementRowsMax } from './statement.ts';

/**
 * Keeps the list of hunts up with their rows, outside their transactions: it is one table for all slots, and a transaction
 * over several shards would be half-visible for a while after a crash.
 *
 * Owns: a connection, the rows that are to be written, the slots that are to be compared. Keeps: what is lost between a
 * hunt's transaction and its row in the list (a crash, a full line, a restored server) is found again by comparing the slot:
 * whenever it is taken, and one slot after the other for ever.
 */
/** Changes of a hunt within this time are one row. */
const paceMs = 300;
/** Hunts that wait to be written; beyond, their slots are compared instead (I5). */
const waitingRowsMax = 20_000;
/** A pause between two slots that are compared though nothing is known to be wrong with them. */
const sweepMs = 5_000;
const retryFirstMs = 100;
const retryMaxMs = 5_000;

export interface CatalogWriterParts {
  readonly primary: Primary;
  readonly timers: Timers;
  readonly random: Random;
  readonly journal: Journal;
  /** The tables are not there. */
  readonly schemaMissing: () => void;
  /** One of the slots of this projector whose rows have caught up, to be compared when nothing else is to be done. */
  readonly nextToSweep: () => AuditedSlot | undefined;
}

export class CatalogWriter {
  readonly #parts: CatalogWriterParts;
  readonly #waiting = new Map<number, CatalogRow>();
  readonly #toCompare = new Map<Slot, AuditedSlot>();
  readonly #rest: Rest;
  #connection: Connection | undefined;
  #isStopping = false;
  readonly #running: Promise<void>;

  constructor(parts: CatalogWriterParts) {
    this.#parts = parts;
    this.#rest = new Rest(parts.timers);
    this.#running = this.#run();
  }

  /** The hunts' rows are committed. */
  note(rows: readonly CatalogRow[]): void {
    for (const row of rows) {
      if (this.#waiting.size >= waitingRowsMax && !this.#waiting.has(row.huntId)) {
        const slot = slotOf(row.huntId);
        this.#toCompare.set(slot, { slot, generation: row.generation });
      } else this.#waiting.set(row.huntId, row);
    }
    if (rows.length > 0) this.#rest.wake();
  }

  /** Something may be missing in the list, or be of before a rebuild. */
  compare(audited: AuditedSlot): void {
    this.#toCompare.set(audited.slot, audited);
    this.#rest.wake();
  }

  /** Nothing is known to be missing in the list. */
  get isSettled(): boolean {
    return this.#waiting.size === 0 && this.#toCompare.size === 0;
  }

  /** No slot waits to be compared; single changes, which never end while people play, may. */
  get isCompared(): boolean {
    return this.#toCompare.size === 0;
  }

  /** Writes what waits, if the server answers. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#rest.end();
    await this.#running;
    this.#connection?.close();
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(this.#parts.random, retryFirstMs, retryMaxMs);
    for (let isLast = false; !isLast; ) {
      isLast = this.#isStopping;
      try {
        await this.#round();
        backoff.reset();
        await this.#rest.for(this.#waiting.size > 0 || this.#toCompare.size > 0 ? paceMs : sweepMs);
        // What woke it is written together with what follows at once.
        if (!this.#isStopping && this.#waiting.size > 0) await this.#pace();
      } catch (error) {
        this.#connection?.close();
        this.#connection = undefined;
        if (faultOf(error) === 'schema') this.#parts.schemaMissing();
        this.#parts.journal.warn({ fault: sentenceOf(error), waiting: this.#waiting.size }, 'the list of hunts waits');
        await this.#rest.for(backoff.next());
      }
    }
  }

  #pace(): Promise<void> {
    return new Promise((resolve) => this.#parts.timers.after(paceMs, resolve));
  }

  async #round(): Promise<void> {
    const sweep = this.isSettled && !this.#isStopping ? this.#parts.nextToSweep() : undefined;
    if (this.isSettled && sweep === undefined) return;
    if (this.#connection?.isOpen !== true) this.#connection = await this.#parts.primary.connect();
    const connection = this.#connection;
    await this.#writeWaiting(connection);
    for (const audited of this.#toCompare.values()) {
      await auditCatalog(connection, audited);
      if (this.#toCompare.get(audited.slot) === audited) this.#toCompare.delete(audited.slot);
      if (this.#isStopping) return;
      // After a start all slots are compared, which takes seconds or more: who changes a hunt meanwhile does not wait for the last one.
      await this.#writeWaiting(connection);
    }
    if (sweep !== undefined) {
      const mended = await auditCatalog(connection, sweep);
      if (mended > 0) this.#parts.journal.warn({ slot: sweep.slot, mended }, 'the list of hunts had fallen behind');
    }
  }

  async #writeWaiting(connection: Connection): Promise<void> {
    while (this.#waiting.size > 0) {
      const rows = [...this.#waiting.values()].slice(0, statementRowsMax);
      await connection.run(writeCatalog(rows));
      for (const row of rows) if (this.#waiting.get(row.huntId) === row) this.#waiting.delete(row.huntId);
    }
  }
}
