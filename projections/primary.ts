import { Connection, type ConnectionOptions } from './connection.ts';
import type { Statement } from './statement.ts';

/**
 * Which of several PostgreSQL servers takes the writes.
 *
 * Owns: the addresses (a primary and its standbys), and the highest timeline that it has met. Keeps: a promotion starts a new
 * timeline, so a server of a lower one than was met is a former primary that came back, and nothing is written to it.
 */
export class NoPrimaryError extends Error {
  override readonly name = 'NoPrimaryError';
}

const askedStatement: Statement = {
  text: `SELECT pg_is_in_recovery() AS standby,
    CASE WHEN pg_is_in_recovery() THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS timeline`,
  values: [],
};

interface Found {
  readonly connection: Connection;
  readonly standby: boolean;
  readonly timeline: number;
}

export class Primary {
  readonly #urls: readonly string[];
  #timeline = 0;

  constructor(
    urls: readonly string[],
    readonly silentMs?: number,
  ) {
    if (urls.length === 0) throw new Error('no address of a PostgreSQL server is given');
    this.#urls = urls;
  }

  /** A connection to the server that takes writes. Rejects with what keeps us from one. */
  async connect(options: Omit<ConnectionOptions, 'url'> = {}): Promise<Connection> {
    return (await this.#find(options, false)).connection;
  }

  /** For reading: the primary if there is one, else a standby. */
  async connectToRead(): Promise<Connection> {
    return (await this.#find({}, true)).connection;
  }

  async #find(options: Omit<ConnectionOptions, 'url'>, alsoStandby: boolean): Promise<Found> {
    const asked = await Promise.allSettled(
      this.#urls.map((url) =>
        ask({ ...options, url, ...(this.silentMs === undefined ? {} : { silentMs: this.silentMs }) }),
      ),
    );
    const found = asked.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const writable = found.filter(({ standby, timeline }) => !standby && timeline >= this.#timeline);
    const best =
      writable.sort((a, b) => b.timeline - a.timeline)[0] ??
      (alsoStandby ? found.find(({ standby }) => standby) : undefined);
    for (const other of found) if (other !== best) other.connection.close();
    if (best !== undefined) {
      this.#timeline = Math.max(this.#timeline, best.timeline);
      return best;
    }
    const [failed] = asked.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    if (found.length === 0 && failed !== undefined) throw failed;
    throw new NoPrimaryError(
      found.every(({ standby }) => standby)
        ? 'every PostgreSQL server that answers is a standby: promote one, or start the primary'
        : `the PostgreSQL server that takes writes is of an earlier timeline than ${this.#timeline}, which was met before: it is a former primary, make it a standby of the present one`,
    );
  }
}

async function ask(options: ConnectionOptions): Promise<Found> {
  const connection = await Connection.open(options);
  try {
    const { rows } = await connection.one(askedStatement);
    const { standby, timeline } = rows[0] as { standby: boolean; timeline: string | null };
    return { connection, standby, timeline: timeline === null ? 0 : Number.parseInt(timeline, 16) };
  } catch (error) {
    connection.close();
    throw error;
  }
}
