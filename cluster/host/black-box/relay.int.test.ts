import assert from 'node:assert/strict';
import { callHttp } from './bare-http.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { until } from './deadline.ts';
import { meadow } from './definitions.ts';
import { requireProfile } from './profile-servers.ts';
import { Seat } from './seat.ts';
import { freshPlayer, sharedCluster } from './shared-cluster.ts';

interface Lag {
  readonly events: number;
  readonly seconds: number;
}

const recoverMs = 20_000;

describe('the relay from Kafka to JetStream', function () {
  this.timeout(90_000);
  let cluster: ClusterProcess;
  const lag = async (): Promise<Lag> => {
    const { lag } = await cluster.expect<{ lag: { relay?: Lag } }>('GET', '/v1/cluster', {
      token: cluster.tokens.operator,
    });
    return lag.relay ?? assert.fail('GET /v1/cluster says nothing of the relay');
  };
  const level = () =>
    until('the relay to be level', recoverMs, async () => {
      const { events, seconds } = await lag();
      return events === 0 && seconds === 0;
    });

  before(async function () {
    requireProfile(this, 'kafka');
    cluster = await sharedCluster('kafka');
    await level();
  });

  it('holds up live events and no action while it is stopped, and everybody is told how long', async () => {
    const { hunt_id } = await cluster.createHunt(meadow(4));
    const [ann, bob] = [
      await Seat.take(cluster, hunt_id, freshPlayer('ann')),
      await Seat.take(cluster, hunt_id, freshPlayer('bob')),
    ];
    await ann.does({ type: 'join', name: 'Ann' });
    await until('Bob to see that Ann joined', recoverMs, () => bob.judge.events.length > 0);
    const { pid } = cluster.kill('relay', 'SIGSTOP');
    let claimed: number;
    try {
      claimed = (await ann.does({ type: 'claim', treasure: 't0' })).version;
      assert.ok((bob.judge.cursor ?? 0) < claimed, 'live events come through the relay');
      await until('the lag to show', recoverMs, async () => (await lag()).seconds > 5);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await until('Bob to see the claim', recoverMs, () => bob.judge.cursor === claimed);
    await level();
    ann.assertClean();
    bob.assertClean();
    for (const seat of [ann, bob]) seat.socket.close();
  });

  it('goes on where it was after it was killed, and its metrics and probes tell of it', async () => {
    const relay = await cluster.respawned(cluster.kill('relay'));
    await until('its probes to say that it is ready', recoverMs, async () => {
      return (await callHttp(relay.http as string, 'GET', '/readyz')).status === 200;
    });
    assert.match(await cluster.metrics('relay'), /^hunt_relay_lag_events \d+$/m);
    await level();
  });
});
