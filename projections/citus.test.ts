import assert from 'node:assert/strict';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { Connection } from './connection.ts';
import { noProjectionMetrics } from './metrics.ts';
import {
  dump,
  freshDatabase,
  LoggedHunt,
  projectorOf,
  settled,
  systemParts,
  testJournal,
} from './projections.fixture.ts';
import { rebuildAll } from './rebuild.ts';
import { rebuildHunt } from './rebuild-hunt.ts';
import { ensureSchema } from './schema.ts';
import type { Statement } from './statement.ts';
import { label, onCatalog, onHunts } from './statements.fixture.ts';

describe('the projections on Citus', () => {
  const url = process.env.HUNT_TEST_CITUS_URL;
  const schema = `projections_${process.pid}`;
  let connection: Connection;
  let own: string;
  before(async function () {
    if (url === undefined || url === '') {
      console.error('skipped: the projections on Citus: HUNT_TEST_CITUS_URL names no server');
      this.skip();
    }
    this.timeout(120_000);
    const admin = await Connection.open({ url });
    await admin.one({ text: `CREATE SCHEMA ${schema}`, values: [] });
    admin.close();
    const address = new URL(url);
    address.searchParams.set('options', `-c search_path=${schema}`);
    own = address.href;
    connection = await Connection.open({ url: own });
    assert.equal((await ensureSchema(connection)).citus, true);
  });
  after(async function () {
    this.timeout(120_000);
    await connection?.one({ text: `DROP SCHEMA ${schema} CASCADE`, values: [] }, { answerMs: 100_000 });
    connection?.close();
  });

  it('write and read hunts by statements of one task on one shard', async () => {
    for (const [name, make] of Object.entries(onHunts))
      for (const statement of make()) {
        await connection.one(statement);
        const { rows } = await connection.one({ text: `EXPLAIN (COSTS OFF) ${literal(statement)}`, values: [] });
        const plan = rows.map((row) => String(Object.values(row)[0])).join('\n');
        assert.match(plan, /Task Count: 1\b/, `${name}: ${label(statement)}\n${plan}`);
      }
  });

  it('keep the list in one table of one place', async () => {
    for (const [name, make] of Object.entries(onCatalog))
      for (const statement of make()) {
        await connection.one(statement);
        const { rows } = await connection.one({ text: `EXPLAIN (COSTS OFF) ${literal(statement)}`, values: [] });
        const plan = rows.map((row) => String(Object.values(row)[0])).join('\n');
        assert.doesNotMatch(plan, /Task Count: (?!1\b)|repartition/i, `${name}: ${plan}`);
      }
  });

  it('bring a log into the rows, and rebuild them, as on a plain PostgreSQL', async function () {
    this.timeout(120_000);
    for (const table of ['hunt_snapshot', 'hunt_player', 'hunt_treasure', 'projection_parked', 'hunt_catalog'])
      await connection.one({ text: `TRUNCATE ${table}`, values: [] });
    await connection.one({ text: 'TRUNCATE projection_checkpoint', values: [] });
    await ensureSchema(connection);
    const log = new MemoryLog();
    const projector = projectorOf(log, own);
    const hunts = await Promise.all([1, 2, 2, 200].map((slot) => LoggedHunt.create(log, slot)));
    await Promise.all(hunts.map((hunt) => hunt.play(['ann', 'bob'])));
    await settled(projector, 60_000);
    const rows = await dump(own, { generations: false });
    await rebuildAll({ log, pgUrls: [own], ...systemParts, metrics: noProjectionMetrics, journal: testJournal });
    assert.deepEqual(await dump(own, { generations: false }), rows);
    await rebuildHunt(
      { log, pgUrls: [own], ...systemParts, metrics: noProjectionMetrics, journal: testJournal },
      hunts[0]!.id,
    );
    assert.deepEqual(await dump(own, { generations: false }), rows);
    await projector.stop();
    const plain = await freshDatabase();
    const other = projectorOf(log, plain);
    await settled(other);
    await other.stop();
    assert.deepEqual(rows, await dump(plain, { generations: false }));
  });

  it('have a schema that may be made and verified again and again', async () => {
    assert.deepEqual(await ensureSchema(connection), { citus: true, trigrams: true, made: false });
  });
});

/** The statement with its values written into it. */
function literal({ text, values }: Statement): string {
  return text.replace(/\$(\d+)/g, (_, number: string) => literalOf(values[Number(number) - 1]));
}
function literalOf(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Buffer.isBuffer(value)) return `'\\x${value.toString('hex')}'`;
  if (Array.isArray(value))
    return `ARRAY[${value.map(literalOf).join(', ')}]::${typeof value[0] === 'number' ? 'bigint' : 'text'}[]`;
  return `'${String(value).replaceAll("'", "''")}'`;
}
