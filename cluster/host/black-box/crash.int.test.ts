import assert from 'node:assert/strict';
import { ClusterProcess } from './cluster-process.ts';
import { Crowd } from './crowd.ts';

/** The promise is 3 s on a machine of its own (benchmarks/failover.ts measures it); here others run at the same time. */
const waitMsMax = 15_000;

describe('a cluster whose processes are killed under load', function () {
  this.timeout(120_000);
  let cluster: ClusterProcess;
  let crowd: Crowd;

  before(async () => {
    cluster = await ClusterProcess.start({ nodes: 3, gateways: 2 });
    crowd = await Crowd.gather(cluster, { hunts: 6, perHunt: 2, everyMs: 250 });
  });
  after(async () => {
    await crowd?.stop();
    await cluster?.stopAndRemove();
  });

  for (const victim of ['a node', 'the log', 'a gateway'] as const) {
    it(`goes on when ${victim} is killed, and starts it again under its name`, async () => {
      await crowd.allAckedSince(performance.now());
      const name =
        victim === 'the log'
          ? 'log'
          : victim === 'a gateway'
            ? 'g1'
            : await cluster.ownerOf(crowd.members[0]?.hunt.slot ?? 0);
      const killed = cluster.kill(name);
      await crowd.allAckedSince(performance.now(), waitMsMax);
      const again = await cluster.respawned(killed);
      assert.equal(again.restarts, killed.restarts + 1);
      assert.deepEqual([again.http, again.grpc], [killed.http, killed.grpc], 'it keeps its ports');
      await crowd.allAckedSince(performance.now(), waitMsMax);
    });
  }

  it('starts again on its folder after everything was killed at once', async () => {
    const key = cluster.tokenKey;
    const { hunt } = crowd.members[0] as Crowd['members'][number];
    await cluster.killEverything();
    await cluster.restart();
    assert.deepEqual(cluster.tokenKey, key, 'the token key is kept');
    await crowd.allAckedSince(performance.now(), waitMsMax);
    assert.ok((await cluster.history(hunt.hunt_id)).length > 0);
  });

  it('has lost nothing, doubled nothing, refused nobody and left no hole on any wire', async () => {
    const { acts, reconnects } = await crowd.judge();
    assert.ok(acts > 100, `only ${acts} acts`);
    assert.ok(reconnects > 0, 'nobody had to reconnect, so nothing was proved');
  });

  it('finds no fault when its log is verified from inside', async () => {
    for (const { hunt } of crowd.members.slice(0, 2)) {
      const page = await cluster.expect<{ head: number; events: unknown[] }>(
        'GET',
        `/v1/hunts/${hunt.hunt_id}/events?limit=5000`,
      );
      assert.equal(page.events.length, page.head);
    }
  });
});
