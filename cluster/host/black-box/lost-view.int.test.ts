import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { natsServer } from '../servers/nats-server.ts';
import type { PrivateServer } from '../servers/private-server.ts';
import { ClusterProcess } from './cluster-process.ts';
import { meadow } from './definitions.ts';
import { told } from './judge/fault.ts';
import { judgeHistory } from './judge/history.ts';
import { requireProfile, sharedServersEnv } from './profile-servers.ts';

const restarts = 1;

/** Profile kafka keeps the view on other servers than the hunts: they may be lost while the hunts are not. */
describe('a cluster whose JetStream is lost as a whole, profile kafka', function () {
  this.timeout(120_000);
  let dataDir: string;
  let nats: PrivateServer;
  let env: Readonly<Record<string, string>>;
  let cluster: ClusterProcess | undefined;

  before(async function () {
    requireProfile(this, 'kafka');
    dataDir = mkdtempSync(join(tmpdir(), 'hunt-lost-view-'));
    nats = await natsServer();
    env = await sharedServersEnv('kafka');
  });
  after(async () => {
    await cluster?.stop().catch(() => undefined);
    await nats?.close();
    if (dataDir !== undefined) rmSync(dataDir, { recursive: true, force: true });
  });
  const start = () =>
    ClusterProcess.start({ nodes: 2, dataDir, readyMs: 60_000, env: { ...env, HUNT_NATS_URL: nats.url } });
  const viewOf = async (of: ClusterProcess) =>
    (await of.expect<{ view: number }>('GET', '/v1/cluster', { token: of.tokens.operator })).view;

  it('serves its hunts again, under views later than any before', async () => {
    const first = await start();
    cluster = first;
    const { hunt_id } = await first.createHunt(meadow(2));
    const act = (of: ClusterProcess, seq: number, action: object) =>
      of.call('POST', `/v1/hunts/${hunt_id}/actions`, { body: { player: 'ann', seq, action } });
    assert.equal((await act(first, 1, { type: 'join', name: 'Ann' })).status, 200);
    for (let i = 0; i < restarts; i++) {
      await first.stop();
      await first.restart();
    }
    const before = await viewOf(first);
    await first.stop();
    await nats.close();
    nats = await natsServer();

    cluster = await start();
    assert.ok((await viewOf(cluster)) > before);
    assert.equal((await act(cluster, 2, { type: 'claim', treasure: 't0' })).status, 200);
    const history = await cluster.history(hunt_id);
    assert.deepEqual(
      history.map(({ type }) => type),
      ['HuntCreated', 'HuntOpened', 'PlayerJoined', 'TreasureClaimed'],
    );
    assert.equal(judgeHistory(history).length, 0, told(judgeHistory(history)));
  });
});
