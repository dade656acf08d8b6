import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ClusterProcess } from '../host/black-box/cluster-process.ts';
import { until } from '../host/black-box/deadline.ts';
import { meadow } from '../host/black-box/definitions.ts';
import { requireServer } from '../host/servers/require-server.ts';
import { exitCode } from './exit-code.ts';

const huntEntry = fileURLToPath(new URL('./hunt.js', import.meta.url));

describe('hunt list, hunt projections', function () {
  this.timeout(60_000);
  let cluster: ClusterProcess;
  const hunts: number[] = [];

  async function hunt(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, [huntEntry, ...args, '--data-dir', cluster.dataDir]);
    let out = '';
    let err = '';
    child.stdout.on('data', (part: Buffer) => {
      out += part.toString('utf8');
    });
    child.stderr.on('data', (part: Buffer) => {
      err += part.toString('utf8');
    });
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, out, err };
  }
  async function json<T>(...args: string[]): Promise<T> {
    const { code, out, err } = await hunt(...args, '--json');
    assert.equal(code, exitCode.done, err);
    return JSON.parse(out) as T;
  }
  const listed = async () => (await json<{ hunts: { hunt_id: number; players: number }[] }>('list')).hunts;

  before(async function () {
    requireServer(this, 'postgres');
    cluster = await ClusterProcess.start({ nodes: 1, store: true });
    for (let i = 0; i < 3; i++) {
      const { hunt_id } = await cluster.createHunt(meadow(1));
      const body = { player: 'ann', seq: 1, action: { type: 'join', name: 'Ann' } };
      await cluster.expect('POST', `/v1/hunts/${hunt_id}/actions`, { body });
      hunts.push(hunt_id);
    }
  });
  after(() => cluster?.stopAndRemove());

  it('lists hunts, the newest first', async () => {
    await until('all hunts to be listed with their players', 10_000, async () => {
      const rows = await listed();
      return rows.length === hunts.length && rows.every(({ players }) => players === 1);
    });
    assert.deepEqual(
      (await listed()).map((row) => row.hunt_id),
      [...hunts].reverse(),
    );
    assert.match((await hunt('list')).out, /The Meadow/);
  });

  it('says how far the rows are behind the log, slot by slot', async () => {
    const lag = await json<{
      slots: { slot: number; position: number; events: number; seconds: number }[];
      max: object;
    }>('projections', 'lag');
    assert.equal(lag.slots.length, 256);
    assert.ok(lag.slots.every(({ events }) => events === 0));
    assert.deepEqual(Object.keys(lag.max).sort(), ['events', 'position', 'seconds', 'slot']);
    assert.match((await hunt('projections', 'lag')).out, /^0 events behind/);
  });

  it('makes the rows anew, of one hunt and of all', async () => {
    const one = await json<{ hunts: number; events: number; seconds: number }>(
      'projections',
      'rebuild',
      '--hunt',
      String(hunts[0]),
    );
    assert.deepEqual([one.hunts, one.events > 0, one.seconds > 0], [1, true, true]);
    const all = await json<{ hunts: number; events: number; seconds: number }>('projections', 'rebuild', '--all');
    assert.equal(all.hunts, hunts.length);
    assert.ok(all.events >= one.events * hunts.length);
    assert.equal((await listed()).length, hunts.length);
  });

  it('asks what to rebuild, and says of what there is none', async () => {
    assert.equal((await hunt('projections', 'rebuild')).code, exitCode.usage);
    const unknown = await hunt('projections', 'rebuild', '--hunt', '4711');
    assert.equal(unknown.code, exitCode.refused);
    assert.match(unknown.err, /^WRONG_STATE: there is no hunt 4711/m);
  });

  it('says in a sentence that PostgreSQL is away', async () => {
    const pg = cluster.kill('postgres', 'SIGTERM');
    await until('PostgreSQL to be gone', 10_000, () => cluster.process('postgres').state === 'exited');
    assert.ok(pg.pid > 0);
    const lag = await hunt('projections', 'lag');
    assert.equal(lag.code, exitCode.unreachable);
    assert.match(lag.err, /^UNREACHABLE: PostgreSQL: .*/m);
    const list = await hunt('list');
    assert.equal(list.code, exitCode.refused);
    assert.match(list.err, /^BUSY|^UNAVAILABLE/m);
  });
});
