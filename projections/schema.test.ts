import assert from 'node:assert/strict';
import { requireServer } from '../cluster/host/servers/require-server.ts';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { Connection } from './connection.ts';
import { dump, freshDatabase, LoggedHunt, projectorOf, settled, sql } from './projections.fixture.ts';
import { ensureSchema } from './schema.ts';
import { schemaSteps } from './schema-steps.ts';
import { faultOf, sentenceOf } from './sql-fault.ts';

describe('the tables', () => {
  let url: string;
  const open: Connection[] = [];
  const connect = async (at = url): Promise<Connection> => {
    const connection = await Connection.open({ url: at });
    open.push(connection);
    return connection;
  };
  before(function () {
    requireServer(this, 'postgres');
  });
  beforeEach(async () => {
    url = await freshDatabase();
  });
  afterEach(() => {
    for (const connection of open.splice(0)) connection.close();
  });
  const steps = () => sql(url, 'SELECT step FROM projection_schema ORDER BY step');
  const next = {
    number: 2,
    what: 'a column of a later release',
    sql: ['ALTER TABLE hunt_snapshot ADD COLUMN weather text', "UPDATE hunt_snapshot SET weather = 'fine'"],
  };

  it('are made once, by whoever of several comes first, and found by the others', async () => {
    const connections = await Promise.all([connect(), connect(), connect(), connect()]);
    const schemas = await Promise.all(connections.map((connection) => ensureSchema(connection)));
    assert.equal(schemas.filter(({ made }) => made).length, 1);
    assert.ok(schemas.every(({ citus }) => !citus));
    assert.deepEqual(await steps(), [{ step: '1' }]);
    const [row] = await sql(url, 'SELECT count(*) AS n, count(DISTINCT slot_key) AS keys FROM projection_checkpoint');
    assert.deepEqual(row, { n: '256', keys: '256' });
  });

  it('go forward with a release, rows and all, and each step is taken once', async () => {
    const log = new MemoryLog();
    const projector = projectorOf(log, url);
    await (await LoggedHunt.create(log, 3)).play(['ann']);
    await settled(projector);
    await projector.stop();
    const newer = [...schemaSteps, next];
    const connections = await Promise.all([connect(), connect()]);
    await Promise.all(connections.map((connection) => ensureSchema(connection, { steps: newer })));
    assert.deepEqual(await sql(url, 'SELECT title, weather FROM hunt_snapshot'), [
      { title: 'Every way', weather: 'fine' },
    ]);
    assert.deepEqual(await steps(), [{ step: '1' }, { step: '2' }]);
  });

  it('refuse an earlier release, which would not know what is in them', async () => {
    const connection = await connect();
    await ensureSchema(connection, { steps: [...schemaSteps, next] });
    await assert.rejects(
      ensureSchema(connection),
      /of a newer release \(step 2; this one knows 1\): upgrade this process/,
    );
    assert.equal((await connection.one({ text: 'SELECT 1 AS one', values: [] })).rows[0]?.one, 1);
  });

  it('stay as they were when a step fails', async () => {
    const connection = await connect();
    await ensureSchema(connection);
    const broken = {
      number: 2,
      what: 'broken',
      sql: ['ALTER TABLE hunt_snapshot ADD COLUMN weather text', 'SELECT 1/0'],
    };
    await assert.rejects(ensureSchema(connection, { steps: [...schemaSteps, broken] }), /division by zero/);
    assert.deepEqual(await steps(), [{ step: '1' }]);
    await assert.rejects(sql(url, 'SELECT weather FROM hunt_snapshot'), /weather/);
    await ensureSchema(connection, { steps: [...schemaSteps, next] });
  });

  it('are all made anew when one of them is missing; the list stays until it is replaced', async () => {
    const log = new MemoryLog();
    const projector = projectorOf(log, url);
    const hunt = await LoggedHunt.create(log, 3);
    await hunt.play(['ann']);
    await settled(projector);
    await projector.stop();
    const before = await dump(url, { generations: false });
    await sql(url, 'DROP TABLE hunt_player');
    await ensureSchema(await connect());
    assert.deepEqual(await sql(url, 'SELECT position, generation FROM projection_checkpoint WHERE slot = 3'), [
      { position: '0', generation: '2' },
    ]);
    assert.equal((await dump(url)).hunt_catalog?.length, 1);
    const again = projectorOf(log, url);
    await settled(again);
    await again.stop();
    assert.deepEqual(await dump(url, { generations: false }), before);
  });

  it('need no rights but those on a schema of their own', async () => {
    const role = `plain_${process.pid}`;
    await sql(url, `CREATE ROLE ${role} LOGIN; CREATE SCHEMA own AUTHORIZATION ${role}`);
    const address = new URL(url);
    address.username = role;
    address.searchParams.set('options', '-c search_path=own');
    const schema = await ensureSchema(await connect(address.href));
    assert.deepEqual(schema, { citus: false, trigrams: false, made: true });
    assert.deepEqual(await sql(url, "SELECT to_regclass('public.hunt_snapshot') IS NULL AS free"), [{ free: 't' }]);
  });

  it('let go of their lock when the process that holds it stops', async () => {
    const holder = await connect();
    await holder.run([
      { text: 'SET idle_session_timeout = 300', values: [] },
      { text: 'SELECT pg_advisory_lock($1, $2)', values: [0x48_55_4e_54, 1_000] },
    ]);
    assert.equal((await ensureSchema(await connect())).made, true);
    assert.equal(holder.isOpen, false);
  });
});

describe('an error of PostgreSQL', () => {
  it('tells whether the same may be done again', () => {
    for (const code of [
      '08006',
      '08P01',
      'XX000',
      '57P01',
      '57P03',
      '57014',
      '40001',
      '40P01',
      '25006',
      '53300',
      '25P03',
    ])
      assert.equal(faultOf({ code }), 'unknown', code);
    assert.equal(faultOf(new Error('Connection terminated unexpectedly')), 'unknown');
    assert.equal(faultOf(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })), 'unknown');
    for (const code of ['42P01', '42703', '3F000']) assert.equal(faultOf({ code }), 'schema', code);
    for (const code of ['22021', '23514']) assert.equal(faultOf({ code }), 'data', code);
    for (const code of ['42501', '0A000', '42601']) assert.equal(faultOf({ code }), 'refused', code);
  });

  it('names a constraint without the number of its shard', () => {
    const error = Object.assign(new Error('violates check constraint "hunt_player_slot_104002"'), {
      code: '23514',
      constraint: 'hunt_player_slot_104002',
    });
    assert.equal(sentenceOf(error), 'violates check constraint "hunt_player_slot" (23514)');
  });
});
