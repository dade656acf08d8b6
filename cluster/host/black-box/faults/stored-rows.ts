/**
 * What PostgreSQL holds: of one hunt as people read it, and of all hunts to the byte, to compare two databases that were
 * filled from the same log.
 */
import pg from 'pg';
import type { HuntRows, Row } from './judge-rows.ts';

/** Columns that tell how a row came about, not what it says. */
const ofTheWay = new Set(['generation']);
const tables = {
  hunt_snapshot: 'hunt_id',
  hunt_player: 'hunt_id, member_id',
  hunt_treasure: 'hunt_id, treasure_id',
  hunt_catalog: 'hunt_id',
} as const;

export async function withPostgres<T>(url: string, run: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await run(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

export async function readRows(client: pg.Client, hunt: number): Promise<HuntRows> {
  const read = async (table: keyof typeof tables): Promise<Row[]> => {
    const { rows } = await client.query(`SELECT * FROM ${table} WHERE hunt_id = $1`, [hunt]);
    return rows.map(plain);
  };
  const [[snapshot], [catalog], players, treasures] = [
    await read('hunt_snapshot'),
    await read('hunt_catalog'),
    await read('hunt_player'),
    await read('hunt_treasure'),
  ];
  return { snapshot, catalog, players, treasures };
}

/** Every row of every table as text, in order. */
export async function readEverything(client: pg.Client): Promise<string[]> {
  const lines: string[] = [];
  for (const [table, order] of Object.entries(tables)) {
    const { rows } = await client.query(`SELECT * FROM ${table} ORDER BY ${order}`);
    lines.push(...rows.map((row) => `${table} ${JSON.stringify(plain(row))}`));
  }
  return lines;
}

function plain(row: Readonly<Record<string, unknown>>): Row {
  return Object.fromEntries(
    Object.entries(row).flatMap(([column, value]) => (ofTheWay.has(column) ? [] : [[column, plainValue(value)]])),
  );
}

function plainValue(value: unknown): Row[string] {
  if (value instanceof Date) return value.getTime();
  if (Buffer.isBuffer(value)) return value.toString('base64');
  // bigint comes as text.
  if (typeof value === 'string' && /^-?\d{1,15}$/.test(value)) return Number(value);
  return value as Row[string];
}
