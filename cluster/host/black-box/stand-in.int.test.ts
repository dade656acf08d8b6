import assert from 'node:assert/strict';
import { kafkaBroker } from '../servers/kafka-broker.ts';
import { natsServer } from '../servers/nats-server.ts';
import type { PrivateServer } from '../servers/private-server.ts';
import { ClusterProcess } from './cluster-process.ts';
import { Crowd } from './crowd.ts';
import { until } from './deadline.ts';
import { requireProfile } from './profile-servers.ts';

describe('a cluster whose view cannot be changed, for its log is away, profile kafka', function () {
  this.timeout(180_000);
  let nats: PrivateServer;
  let kafka: PrivateServer;
  let cluster: ClusterProcess;
  let crowd: Crowd;
  before(async function () {
    requireProfile(this, 'kafka');
    [nats, kafka] = await Promise.all([natsServer(), kafkaBroker()]);
    const env = { HUNT_PROFILE: 'kafka', HUNT_NATS_URL: nats.url, HUNT_KAFKA_BROKERS: kafka.url };
    cluster = await ClusterProcess.start({ nodes: 3, flags: ['--no-respawn'], env });
    crowd = await Crowd.gather(cluster, { hunts: 9, perHunt: 1, everyMs: 250 });
    await crowd.allAckedSince(performance.now());
  });
  after(async () => {
    await crowd?.stop();
    await cluster?.stopAndRemove();
    await nats?.close();
    await kafka?.close();
  });

  let dead: string;
  it('plays on, and the next node in order serves the hunts of one that is killed meanwhile', async () => {
    const owners = await Promise.all(crowd.members.map(({ hunt }) => cluster.ownerOf(hunt.slot)));
    dead = owners[0] as string;
    const orphaned = crowd.members.filter((_, i) => owners[i] === dead);
    await nats.kill();
    await crowd.allAckedSince(performance.now());
    cluster.kill(dead);
    const since = performance.now();
    for (const { waits, hunt } of orphaned)
      await until(`hunt ${hunt.hunt_id} to accept an action without ${dead}`, 45_000, () =>
        waits.some(({ sentAt }) => sentAt > since),
      );
  });

  it('removes the dead one when the view can be changed again, and has lost and doubled nothing', async () => {
    await nats.start();
    await until(`${dead} to be removed`, 30_000, async () => {
      const { nodes } = await cluster.expect<{ nodes: { id: string; state: string }[] }>('GET', '/v1/cluster', {
        token: cluster.tokens.operator,
      });
      return nodes.find((node) => node.id === dead)?.state === 'dead';
    });
    await crowd.allAckedSince(performance.now());
    const { acts } = await crowd.judge();
    assert.ok(acts > 50, `only ${acts} acts`);
  });
});
