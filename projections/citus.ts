import { slotCount } from '../proto/ids.ts';
import type { Connection } from './connection.ts';
import { catalogTable, distributedTables } from './schema-steps.ts';
import { slotKeys } from './slot-key.ts';

/** What Citus needs beside plain tables. Each step may be repeated. */
export class SchemaFault extends Error {
  override readonly name = 'SchemaFault';
}

export async function hasCitus(connection: Connection): Promise<boolean> {
  const { rows } = await connection.one({
    text: "SELECT 1 AS found FROM pg_extension WHERE extname = 'citus'",
    values: [],
  });
  return rows.length > 0;
}

/** Shards are made one by one on the workers; the first time takes seconds. */
const distributeMs = 120_000;

export async function distribute(connection: Connection): Promise<void> {
  const { rows } = await connection.one({
    text: 'SELECT c.relname AS name FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid WHERE pg_table_is_visible(c.oid)',
    values: [],
  });
  const known = new Set(rows.map(({ name }) => String(name)));
  const [first, ...others] = distributedTables;
  const call = (text: string) => connection.one({ text, values: [] }, { answerMs: distributeMs });
  if (!known.has(first))
    await call(`SELECT create_distributed_table('${first}', 'slot_key', shard_count => ${slotCount})`);
  for (const table of others)
    if (!known.has(table))
      await call(`SELECT create_distributed_table('${table}', 'slot_key', colocate_with => '${first}')`);
  if (!known.has(catalogTable)) await call(`SELECT citus_add_local_table_to_metadata('${catalogTable}')`);
}

/** That slot s is shard s, in each of the tables: by Citus's own word. */
export async function verifyMapping(connection: Connection): Promise<void> {
  const keys = slotKeys.map((key, slot) => `(${slot}, ${key})`).join(', ');
  for (const table of distributedTables) {
    const { rows } = await connection.one({
      text: `SELECT k.slot, (s.shardminvalue::bigint + 2147483648) >> 24 AS range, (s.shardmaxvalue::bigint - s.shardminvalue::bigint) AS width
        FROM (VALUES ${keys}) AS k(slot, key)
        JOIN pg_dist_shard s ON s.shardid = get_shard_id_for_distribution_column('${table}', k.key::smallint)`,
      values: [],
    });
    const wrong = rows.filter(
      ({ slot, range, width }) => Number(slot) !== Number(range) || Number(width) !== 2 ** 24 - 1,
    );
    if (rows.length !== slotCount || wrong.length > 0)
      throw new SchemaFault(
        `${table} is not distributed as the slots are: ${rows.length} of ${slotCount} slots have a shard, and ${wrong.length} another slot's; make it with create_distributed_table('${table}', 'slot_key', shard_count => ${slotCount})`,
      );
  }
}
