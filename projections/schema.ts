import { type Slot, slotCount } from '../proto/ids.ts';
import { firstGeneration, makeCheckpoint } from './checkpoint.ts';
import { distribute, hasCitus, SchemaFault, verifyMapping } from './citus.ts';
import { type Connection, idleAtMost, limitStatements } from './connection.ts';
import { catalogTable, distributedTables, type SchemaStep, schemaSteps } from './schema-steps.ts';
import type { Statement } from './statement.ts';

/**
 * Makes and verifies the tables, on plain PostgreSQL and on Citus alike. May be called by any number of processes at any
 * time: a lock lets them pass one by one, and what is there already is left alone. Migrates forward only. Tables that
 * somebody dropped are made again, empty: everything in them comes from the log (I8).
 */
export interface Schema {
  readonly citus: boolean;
  /** Searching the catalog is helped by trigrams. */
  readonly trigrams: boolean;
  /** The rows' tables were made just now. */
  readonly made: boolean;
}

export interface SchemaOptions {
  /** Names the log that the rows are made from: positions mean nothing in another. */
  readonly log?: string;
  /** The tables may have been made from another log, since a rebuild of everything follows: the next projector names it. */
  readonly adopt?: boolean;
  /** Those of another release, in tests. */
  readonly steps?: readonly SchemaStep[];
}

/** The first of the two numbers of every advisory lock of ours: "HUNT". */
export const lockClass = 0x48_55_4e_54;
const schemaLock = 1_000;
/** For another process that migrates, and for distributing tables. */
const patientMs = 180_000;

export async function ensureSchema(connection: Connection, options: SchemaOptions = {}): Promise<Schema> {
  // A process that is stopped while it holds the lock, loses it.
  await idleAtMost(connection, connection.silentMs);
  await limitStatements(connection, 0);
  await connection.one(
    { text: 'SELECT pg_advisory_lock($1, $2)', values: [lockClass, schemaLock] },
    { answerMs: patientMs },
  );
  try {
    return await migrate(connection, options);
  } finally {
    if (connection.isOpen) {
      await connection.one({ text: 'SELECT pg_advisory_unlock($1, $2)', values: [lockClass, schemaLock] });
      await limitStatements(connection);
      await idleAtMost(connection, 0);
    }
  }
}

async function migrate(connection: Connection, options: SchemaOptions): Promise<Schema> {
  await connection.one({
    text: 'CREATE TABLE IF NOT EXISTS projection_schema (step integer NOT NULL CONSTRAINT projection_schema_pkey PRIMARY KEY, what text NOT NULL, log text)',
    values: [],
  });
  const citus = await hasCitus(connection);
  const steps = options.steps ?? schemaSteps;
  let done = await stepsDone(connection, steps);
  const generation = await nextGeneration(connection);
  const missing = done.size > 0 && (await missingTables(connection)).length > 0;
  if (missing) {
    await dropRows(connection);
    done = new Set();
  }
  for (const step of steps) if (!done.has(step.number)) await take(connection, step, options.log);
  if (citus) {
    await distribute(connection);
    await verifyMapping(connection);
  }
  await verifyLog(connection, options);
  const slots = Array.from({ length: slotCount }, (_, slot) => slot as Slot);
  await connection.run(slots.map((slot) => makeCheckpoint(slot, generation)));
  return { citus, trigrams: await indexTrigrams(connection), made: done.size === 0 };
}

async function stepsDone(connection: Connection, steps: readonly SchemaStep[]): Promise<Set<number>> {
  const { rows } = await connection.one({ text: 'SELECT step FROM projection_schema', values: [] });
  const done = new Set(rows.map(({ step }) => Number(step)));
  const newest = Math.max(...steps.map(({ number }) => number));
  const found = Math.max(0, ...done);
  if (found > newest)
    throw new SchemaFault(
      `the tables are of a newer release (step ${found}; this one knows ${newest}): upgrade this process`,
    );
  return done;
}

async function take(connection: Connection, step: SchemaStep, log?: string): Promise<void> {
  await connection.one({ text: 'BEGIN', values: [] });
  try {
    for (const text of step.sql) await connection.one({ text, values: [] });
    await connection.run([
      {
        text: 'INSERT INTO projection_schema (step, what, log) VALUES ($1, $2, $3)',
        values: [step.number, step.what, log ?? null],
      },
      { text: 'COMMIT', values: [] },
    ]);
  } catch (error) {
    await connection.rollBack();
    throw error;
  }
}

async function missingTables(connection: Connection): Promise<string[]> {
  const { rows } = await connection.one({
    text: 'SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL',
    values: [[...distributedTables, catalogTable]],
  });
  return rows.map(({ name }) => String(name));
}

/** What is left of a broken set is worth nothing without the rest. The list of hunts stays until it is replaced row by row. */
async function dropRows(connection: Connection): Promise<void> {
  await connection.one({ text: 'BEGIN', values: [] });
  try {
    for (const table of distributedTables) await connection.one({ text: `DROP TABLE IF EXISTS ${table}`, values: [] });
    await connection.one({ text: 'DELETE FROM projection_schema', values: [] });
    await connection.one({ text: 'COMMIT', values: [] });
  } catch (error) {
    await connection.rollBack();
    throw error;
  }
}

/** Above that of every row of the catalog, which may be older than the tables. */
async function nextGeneration(connection: Connection): Promise<number> {
  const present = await connection.one({
    text: 'SELECT to_regclass($1) IS NOT NULL AS present',
    values: [catalogTable],
  });
  if (present.rows[0]?.present !== true) return firstGeneration;
  const { rows } = await connection.one({
    text: `SELECT coalesce(max(generation), 0) + 1 AS next FROM ${catalogTable}`,
    values: [],
  });
  return Number(rows[0]?.next);
}

/** One row with the log that the rows were made from; null: not named yet. */
export const readLogName: Statement = { text: 'SELECT log FROM projection_schema WHERE step = 1', values: [] };

export const strangeLog = (known: string, log: string): string =>
  `these tables were made from the log "${known}", and this is "${log}": give each its own database, or make them anew with "hunt projections rebuild --all"`;

async function verifyLog(connection: Connection, { log, adopt }: SchemaOptions): Promise<void> {
  if (adopt === true) {
    await connection.one({ text: 'UPDATE projection_schema SET log = NULL', values: [] });
    return;
  }
  if (log === undefined) return;
  const { rows } = await connection.one(readLogName);
  const known = rows[0]?.log;
  if (known === log) return;
  if (known !== null) throw new SchemaFault(strangeLog(String(known), log));
  await connection.one({ text: 'UPDATE projection_schema SET log = $1', values: [log] });
}

/** pg_trgm belongs to PostgreSQL's contrib modules, and making it an extension takes rights: without it searching reads more rows. */
async function indexTrigrams(connection: Connection): Promise<boolean> {
  try {
    await connection.one({ text: 'CREATE EXTENSION IF NOT EXISTS pg_trgm', values: [] });
    await connection.one({
      text: `CREATE INDEX IF NOT EXISTS hunt_catalog_search ON ${catalogTable} USING gin (search gin_trgm_ops)`,
      values: [],
    });
    return true;
  } catch {
    return false;
  }
}
