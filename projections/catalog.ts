import { looseForm } from '../actors/hunt/matching.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import { type CatalogQuery, readCatalog, type Status } from './catalog-rows.ts';
import type { Connection } from './connection.ts';
import type { Journal } from './journal.ts';
import { Primary } from './primary.ts';
import { sentenceOf } from './sql-fault.ts';

/**
 * Lists and searches hunts, for designers and operators: the newest first, a page at a time. The list follows the log by
 * some hundred milliseconds; the status is right by the clock, too.
 *
 * Owns: one connection, made when it is first needed and again after it broke. Any number of questions travel on it at the
 * same time, so nobody waits for a free one; how many wait is bounded (I5).
 */
export interface HuntListQuery {
  /** Only this designer's hunts. */
  readonly owner?: string;
  readonly status?: Status;
  /** Text in the title, the join code or the id. */
  readonly q?: string;
  readonly limit: number;
  /** `next` of the page before. */
  readonly cursor?: string;
}

export interface ListedHunt {
  readonly hunt_id: number;
  readonly title: string;
  readonly status: Status;
  readonly join_code: string;
  readonly opens_at?: number;
  readonly closes_at?: number;
  readonly players: number;
  readonly version: number;
  readonly owner: string;
}

export type HuntListOutcome =
  | { readonly kind: 'page'; readonly hunts: readonly ListedHunt[]; readonly next: string | undefined }
  /** The cursor is none that `next` ever was. */
  | { readonly kind: 'bad_cursor' }
  | { readonly kind: 'unavailable'; readonly message: string };

export interface PgHuntCatalogOptions {
  readonly pgUrls: readonly string[];
  readonly clock: Clock;
  readonly journal: Journal;
}

const answerMs = 5_000;
export const waitingQueriesMax = 64;
const cursorForm = '1';

export class PgHuntCatalog {
  readonly #options: PgHuntCatalogOptions;
  readonly #primary: Primary;
  #connection: Promise<Connection> | undefined;
  #waiting = 0;

  constructor(options: PgHuntCatalogOptions) {
    this.#options = options;
    this.#primary = new Primary(options.pgUrls);
  }

  async listHunts(query: HuntListQuery): Promise<HuntListOutcome> {
    const below = query.cursor === undefined ? undefined : huntIdOfCursor(query.cursor);
    if (query.cursor !== undefined && below === undefined) return { kind: 'bad_cursor' };
    if (this.#waiting >= waitingQueriesMax)
      return { kind: 'unavailable', message: 'too many lists are being read just now' };
    this.#waiting++;
    try {
      return await this.#read(query, below);
    } catch (error) {
      this.#options.journal.warn({ fault: sentenceOf(error) }, 'the list of hunts cannot be read');
      return { kind: 'unavailable', message: 'PostgreSQL, which keeps the list of hunts, does not answer' };
    } finally {
      this.#waiting--;
    }
  }

  async close(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    connection?.close();
  }

  async #read(query: HuntListQuery, below: number | undefined): Promise<HuntListOutcome> {
    const connection = await this.#connected();
    const { owner, status } = query;
    const q = looseForm(query.q ?? '');
    // Punctuation alone: no title is searched for that.
    if (q === '' && (query.q ?? '').trim() !== '') return { kind: 'page', hunts: [], next: undefined };
    const asked: CatalogQuery = {
      limit: query.limit + 1,
      at: this.#options.clock.now(),
      ...(owner === undefined ? {} : { owner }),
      ...(status === undefined ? {} : { status }),
      ...(q === '' ? {} : { q }),
      ...(below === undefined ? {} : { below }),
    };
    const { rows } = await connection.one(readCatalog(asked), { answerMs });
    const hunts = rows.slice(0, query.limit).map(huntOf);
    const last = hunts.at(-1);
    return { kind: 'page', hunts, next: rows.length > query.limit && last ? cursorOf(last.hunt_id) : undefined };
  }

  /** One attempt at a time, whose outcome all share who wait for it. */
  #connected(): Promise<Connection> {
    if (this.#connection !== undefined) return this.#connection;
    const connecting = this.#primary.connectToRead();
    this.#connection = connecting;
    const forget = () => {
      if (this.#connection === connecting) this.#connection = undefined;
    };
    connecting.then(({ ended }) => ended.then(forget), forget);
    return connecting;
  }
}

function huntOf(row: Readonly<Record<string, unknown>>): ListedHunt {
  return {
    hunt_id: Number(row.hunt_id),
    title: String(row.title),
    status: row.status_at as Status,
    join_code: String(row.join_code),
    ...(row.opens_at === null ? {} : { opens_at: Number(row.opens_at) }),
    ...(row.closes_at === null ? {} : { closes_at: Number(row.closes_at) }),
    players: Number(row.players),
    version: Number(row.version),
    owner: String(row.owner),
  };
}

const cursorOf = (huntId: number): string => Buffer.from(`${cursorForm}.${huntId}`).toString('base64url');

function huntIdOfCursor(cursor: string): number | undefined {
  const [form, id, ...more] = Buffer.from(cursor, 'base64url').toString('latin1').split('.');
  const huntId = Number(id);
  const isOurs = form === cursorForm && more.length === 0 && Number.isSafeInteger(huntId) && huntId > 0;
  return isOurs && cursorOf(huntId) === cursor ? huntId : undefined;
}
