import pg from 'pg';
import type { Statement } from './statement.ts';

/**
 * One connection to PostgreSQL.
 *
 * Owns: the socket, its time limits, how values are read. Several statements travel together and are answered in order
 * (a transaction of ten rows is one round trip). Keeps: no wait for the server is without limit; once a statement went
 * unanswered the connection is closed, and what became of the statement is unknown.
 */
export const applicationName = 'hunt projections';
const connectMs = 3_000;
/** For the server, and a little longer for us: a stopped server does not watch its own limit. */
const statementMs = 20_000;
const answerMs = 25_000;
/** What a process holds in the server (a transaction's locks, its slots) is free when it has not moved for so long. */
export const silentMsDefault = 10_000;

export interface Answer {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Rows written or read. */
  readonly count: number;
}

export interface ConnectionOptions {
  readonly url: string;
  readonly silentMs?: number;
  /** For `LISTEN`. */
  readonly notified?: (channel: string, payload: string) => void;
}

/** bigint as a number: all of ours are below 2^53. Times as ms since 1970. */
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, Number);
const asDate = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => Date | number;
types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text: string) => Number(asDate(text)));

export class Connection {
  readonly #client: pg.Client;
  #ended: Error | undefined;
  /** Resolves when the connection is over, however it ended. */
  readonly ended: Promise<void>;

  private constructor(
    client: pg.Client,
    readonly silentMs: number,
  ) {
    this.#client = client;
    this.ended = new Promise((resolve) => {
      client.on('error', (error) => {
        this.#ended ??= error;
      });
      client.on('end', () => {
        this.#ended ??= new Error('the connection to PostgreSQL ended');
        resolve();
      });
    });
  }

  static async open({ url, notified, silentMs = silentMsDefault }: ConnectionOptions): Promise<Connection> {
    const client = new pg.Client({
      connectionString: url,
      types,
      pipeline: true,
      keepAlive: true,
      application_name: applicationName,
      connectionTimeoutMillis: connectMs,
      query_timeout: answerMs,
    } as pg.ClientConfig);
    const connection = new Connection(client, silentMs);
    if (notified !== undefined) client.on('notification', ({ channel, payload }) => notified(channel, payload ?? ''));
    try {
      await client.connect();
      await connection.run([
        { text: `SET statement_timeout = ${statementMs}`, values: [] },
        { text: `SET idle_in_transaction_session_timeout = ${silentMs}`, values: [] },
      ]);
    } catch (error) {
      connection.close();
      // A time limit of the client's has no code, and its words name nobody.
      const isTimeout = (error as { code?: unknown }).code === undefined && /timeout/i.test((error as Error).message);
      throw isTimeout ? Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }) : error;
    }
    return connection;
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  /** All of them, in order. Rejects with the first error; what stands behind it was refused or done all the same. */
  async run(statements: readonly Statement[], options: { answerMs?: number } = {}): Promise<readonly Answer[]> {
    if (this.#ended !== undefined) throw this.#ended;
    const limit = options.answerMs === undefined ? {} : { query_timeout: options.answerMs };
    const outcomes = await Promise.allSettled(
      statements.map((statement) => this.#client.query({ ...statement, ...limit } as pg.QueryConfig<unknown[]>)),
    );
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return { rows: outcome.value.rows, count: outcome.value.rowCount ?? 0 };
    });
  }

  async one(statement: Statement, options: { answerMs?: number } = {}): Promise<Answer> {
    return (await this.run([statement], options))[0] as Answer;
  }

  /** Ends a transaction that went wrong; a connection that cannot even do that is closed. */
  async rollBack(): Promise<void> {
    try {
      await this.one({ text: 'ROLLBACK', values: [] });
    } catch {
      this.close();
    }
  }

  /** At once: nobody waits for a server that may not answer. */
  close(): void {
    this.#ended ??= new Error('the connection was closed');
    this.#client.end().catch(() => undefined);
    const { stream } = (this.#client as unknown as { connection: { stream: { destroy(): void } } }).connection;
    stream.destroy();
  }
}

/** How long the server works on one statement; 0: as long as it takes. */
export async function limitStatements(connection: Connection, ms = statementMs): Promise<void> {
  await connection.one({ text: `SET statement_timeout = ${ms}`, values: [] });
}

/** The server ends the connection when nothing is asked for so long, and what it holds is free; 0: never. From PostgreSQL 14 on. */
export async function idleAtMost(connection: Connection, ms: number): Promise<void> {
  await connection.one({ text: `SET idle_session_timeout = ${ms}`, values: [] }).catch((error: unknown) => {
    if (!connection.isOpen) throw error;
  });
}
