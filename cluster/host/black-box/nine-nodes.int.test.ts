import assert from 'node:assert/strict';
import { callHttp } from './bare-http.ts';
import { ClusterProcess } from './cluster-process.ts';
import { until } from './deadline.ts';
import { meadow } from './definitions.ts';

const slots = 256;
const nodes = 9;
/** Bounded loads keep every node within 10 % of its fair share. */
const fairMax = Math.ceil((slots / nodes) * 1.1);
const failedCodesMax = 10;

describe('a cluster of nine nodes', function () {
  this.timeout(120_000);
  let cluster: ClusterProcess;
  before(async () => {
    cluster = await ClusterProcess.start({ nodes });
  });
  after(async () => {
    await cluster?.stopAndRemove();
  });

  it('is ready with every process up and every slot owned, fairly', async () => {
    const file = cluster.file();
    assert.equal(file.schema, 'hunt-cluster/1');
    const names = file.processes.map((row) => row.name);
    for (const name of ['n1', 'n9', 'g1', 'log'])
      assert.ok(names.includes(name), `${name} is missing in ${names.join(', ')}`);
    for (const row of file.processes) {
      assert.equal(row.state, 'up', row.name);
      if (row.http !== undefined) assert.equal((await callHttp(row.http, 'GET', '/readyz')).status, 200, row.name);
    }
    const { owners, epochs } = await cluster.expect<{ owners: string[]; epochs: number[] }>('GET', '/v1/cluster', {
      token: cluster.tokens.operator,
    });
    assert.deepEqual([owners.length, epochs.length], [slots, slots]);
    const share = new Map<string, number>();
    for (const owner of owners) share.set(owner, (share.get(owner) ?? 0) + 1);
    assert.equal(share.size, nodes);
    for (const [node, count] of share) assert.ok(count <= fairMax, `${node} owns ${count} slots, ${fairMax} are fair`);
    const events = cluster.lines.map((line) => line.event);
    assert.deepEqual([events[0], events.includes('ready')], ['starting', true]);
    assert.ok(!JSON.stringify(cluster.lines).includes(cluster.tokens.operator), 'stdout tells no tokens');
  });

  it('plays hunts on every node, and on after one is killed', async () => {
    const hunts = [];
    for (let i = 0; i < 2 * nodes; i++) hunts.push(await cluster.createHunt(meadow(1)));
    assert.equal(new Set(hunts.map((hunt) => hunt.slot)).size, hunts.length, 'slots are handed out in turn');
    const act = async (hunt: number, seq: number, action: object): Promise<number> =>
      (await cluster.call('POST', `/v1/hunts/${hunt}/actions`, { body: { player: 'ann', seq, action } })).status;
    for (const { hunt_id } of hunts) assert.equal(await act(hunt_id, 1, { type: 'join', name: 'Ann' }), 200);
    const victim = await cluster.ownerOf(hunts[0]?.slot ?? 0);
    const killed = cluster.kill(victim);
    for (const { hunt_id } of hunts) {
      await until(
        `hunt ${hunt_id} to accept an action`,
        15_000,
        async () => (await act(hunt_id, 2, { type: 'claim', treasure: 't0' })) === 200,
      );
    }
    await cluster.respawned(killed);
    for (const { hunt_id } of hunts) {
      const history = await cluster.history(hunt_id);
      assert.equal(history.filter((event) => event.type === 'TreasureClaimed').length, 1, `hunt ${hunt_id}`);
    }
  });

  it('refuses join codes, and only codes, after ten failed ones of an address in a minute', async () => {
    const { hunt_id, join_code } = await cluster.createHunt(meadow(1));
    const join = async (code: string): Promise<number> =>
      (await cluster.call('POST', '/v1/join', { token: '', body: { code, name: 'Gil' } })).status;
    assert.equal(await join(join_code), 201);
    const statuses: number[] = [];
    for (let i = 0; i <= failedCodesMax; i++) statuses.push(await join('AAAAAA'));
    assert.deepEqual(
      statuses.slice(0, failedCodesMax),
      Array.from({ length: failedCodesMax }, () => 404),
    );
    assert.equal(statuses[failedCodesMax], 429);
    assert.equal((await cluster.call('GET', `/v1/hunts/${hunt_id}`)).status, 200, 'everything else goes on');
  });

  it('refuses a second start on its folder, naming who holds it', async () => {
    await assert.rejects(ClusterProcess.start({ dataDir: cluster.dataDir, readyMs: 10_000 }), (error: Error) => {
      assert.match(error.message, /ended with 2/);
      assert.ok(error.message.includes(String(cluster.file().supervisor.pid)), error.message);
      return true;
    });
    assert.equal(cluster.file().state, 'ready');
  });

  it('drains and exits 0 on SIGTERM', async () => {
    assert.equal(await cluster.stop(), 0);
  });
});
