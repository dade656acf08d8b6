import { type Slot, slotCount } from '../proto/ids.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Random } from '../runtime/kernel/random.ts';
import type { Timers } from '../runtime/kernel/timer.ts';
import { type Connection, idleAtMost } from './connection.ts';
import type { Journal } from './journal.ts';
import type { Primary } from './primary.ts';
import { Backoff, Rest } from './rest.ts';
import { lockClass } from './schema.ts';
import { sentenceOf } from './sql-fault.ts';

/**
 * Which slots are this projector's. Each is an advisory lock of one connection, and so is being a projector at all: everybody
 * sees how many there are, takes a fair share, and gives back what is more. A dead projector's locks fall with its connection.
 *
 * Owns: that connection. Correctness does not rest on it: a slot with two owners for a moment costs one of them a
 * transaction that is rolled back (checkpoint.ts). The server ends the connection of a projector that is stopped.
 */
export const newsChannel = 'hunt_projection';
const roundMs = 1_000;
/** While others still hold what is to be this projector's share. */
const wantingRoundMs = 200;
const retryFirstMs = 100;
const retryMaxMs = 2_000;
/** Locks of projectors stand above those of slots and of the schema. */
const projectorLocks = 2_000;
const projectorLocksMax = 2 ** 31 - 1 - projectorLocks;

export interface Owner {
  taken(slot: Slot): void;
  /** Resolves when nothing of the slot is under way any more. */
  given(slot: Slot): Promise<void>;
  /** The connection broke: somebody else may have taken the slot. */
  lost(slot: Slot): void;
  /** Somebody changed a checkpoint from outside: a rebuild. */
  changed(slot: Slot | undefined): void;
}

export interface OwnershipParts {
  readonly primary: Primary;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly journal: Journal;
}

export class Ownership {
  readonly #parts: OwnershipParts;
  readonly #owner: Owner;
  readonly #rest: Rest;
  readonly #owned = new Set<Slot>();
  readonly #lock: number;
  #connection: Connection | undefined;
  #isStopping = false;
  #hasLooked = false;
  #heardAt = Number.NEGATIVE_INFINITY;
  #projectors = 0;
  readonly #running: Promise<void>;

  constructor(parts: OwnershipParts, owner: Owner) {
    this.#parts = parts;
    this.#owner = owner;
    this.#rest = new Rest(parts.timers);
    this.#lock = projectorLocks + Math.floor(parts.random.next() * projectorLocksMax);
    this.#running = this.#run();
  }

  get owned(): ReadonlySet<Slot> {
    return this.#owned;
  }
  /** Whether locks are held and seen at present. */
  get isConnected(): boolean {
    return this.#hasLooked && this.#connection?.isOpen === true;
  }
  /** When the server answered a round for the last time; monotonic ms. */
  get heardAt(): number {
    return this.#heardAt;
  }
  get #isWanting(): boolean {
    return this.#owned.size < Math.floor(slotCount / this.#projectors);
  }
  get projectors(): number {
    return this.#projectors;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#rest.end();
    await this.#running;
    const slots = [...this.#owned];
    this.#owned.clear();
    await Promise.all(slots.map((slot) => this.#owner.given(slot)));
    this.#connection?.close();
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(this.#parts.random, retryFirstMs, retryMaxMs);
    while (!this.#isStopping) {
      try {
        const connection = await this.#connected();
        await this.#round(connection);
        this.#hasLooked = true;
        this.#heardAt = this.#parts.clock.monotonic();
        backoff.reset();
        await this.#rest.for(this.#isWanting ? wantingRoundMs : roundMs);
      } catch (error) {
        this.#lose(error);
        await this.#rest.for(backoff.next());
      }
    }
  }

  async #connected(): Promise<Connection> {
    const present = this.#connection;
    if (present?.isOpen) return present;
    if (present !== undefined) this.#lose(new Error('the connection that held the locks ended'));
    const connection = await this.#parts.primary.connect({
      notified: (_channel, payload) => this.#owner.changed(payload === 'all' ? undefined : (Number(payload) as Slot)),
    });
    try {
      await connection.run([
        { text: `LISTEN ${newsChannel}`, values: [] },
        { text: 'SELECT pg_advisory_lock($1, $2)', values: [lockClass, this.#lock] },
      ]);
      // Where the server cannot do that, a stopped projector keeps its slots.
      await idleAtMost(connection, connection.silentMs);
    } catch (error) {
      connection.close();
      throw error;
    }
    this.#connection = connection;
    void connection.ended.then(() => this.#rest.wake());
    return connection;
  }

  #lose(error: unknown): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#hasLooked = false;
    if (this.#owned.size > 0)
      this.#parts.journal.warn(
        { slots: this.#owned.size, fault: sentenceOf(error) },
        'the slots of this projector are held by nobody: its connection is gone',
      );
    for (const slot of this.#owned) this.#owner.lost(slot);
    this.#owned.clear();
  }

  async #round(connection: Connection): Promise<void> {
    const { rows } = await connection.one({
      name: 'locks_seen',
      text: `SELECT objid::bigint AS lock FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid::bigint = $1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      values: [lockClass],
    });
    const locks = rows.map(({ lock }) => Number(lock));
    this.#projectors = Math.max(1, locks.filter((lock) => lock >= projectorLocks).length);
    const share = Math.ceil(slotCount / this.#projectors);
    const held = new Set(locks.filter((lock) => lock < slotCount));
    if (this.#owned.size > share) await this.#give(connection, this.#owned.size - share);
    else if (this.#owned.size < share) await this.#take(connection, held, share - this.#owned.size);
  }

  /** From a place of its own on, so that projectors that start together do not grasp for the same ones. */
  async #take(connection: Connection, held: ReadonlySet<number>, count: number): Promise<void> {
    const first = Math.floor(this.#parts.random.next() * slotCount);
    const free = Array.from({ length: slotCount }, (_, i) => (first + i) % slotCount).filter((slot) => !held.has(slot));
    if (free.length === 0) return;
    const { rows } = await connection.one({
      name: 'slots_take',
      text: 'SELECT slot, pg_try_advisory_lock($1, slot) AS taken FROM unnest($2::integer[]) AS slot',
      values: [lockClass, free.slice(0, count)],
    });
    for (const { slot, taken } of rows) {
      if (taken !== true) continue;
      this.#owned.add(slot as Slot);
      this.#owner.taken(slot as Slot);
    }
  }

  async #give(connection: Connection, count: number): Promise<void> {
    const slots = [...this.#owned].slice(0, count);
    for (const slot of slots) this.#owned.delete(slot);
    await Promise.all(slots.map((slot) => this.#owner.given(slot)));
    await connection.one({
      name: 'slots_give',
      text: 'SELECT pg_advisory_unlock($1, slot) FROM unnest($2::integer[]) AS slot',
      values: [lockClass, slots],
    });
  }
}
