import assert from 'node:assert/strict';
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { startBenchCluster } from './bench-cluster.ts';
import { measureFailover } from './failover.ts';
import { measureIngest } from './ingest.ts';
import { measureMemory } from './memory.ts';
import { measureSockets } from './sockets.ts';

/** A small size of each benchmark, so that none can rot. What they measure at that size is no figure to quote. */
describe('the benchmarks, at a small size', function () {
  this.timeout(90_000);
  let cluster: ClusterProcess;
  before(async () => {
    cluster = await startBenchCluster({ nodes: 2 });
  });
  after(async () => {
    await cluster?.stopAndRemove();
  });

  it('ingest offers its rate, and all of it is acked', async () => {
    const { measured } = await measureIngest(cluster, {
      rate: 1_000,
      seconds: 1,
      warmUpS: 0,
      hunts: 6,
      players: 20,
      streams: 2,
      tickMs: 3,
    });
    assert.deepEqual([measured.errors, measured.withheld], [{}, 0]);
    assert.ok(Number(measured.acked_per_s) > 300 && Number(measured.p99_ms) > 0, JSON.stringify(measured));
  });

  it('sockets acks every action and counts the writes of the fan-out', async () => {
    const { measured } = await measureSockets(cluster, {
      sockets: 30,
      hunts: 3,
      rate: 100,
      seconds: 1,
      warmUpS: 0,
      subscribe: true,
    });
    assert.deepEqual([measured.errors, measured.closes], [{}, 0]);
    assert.ok(Number(measured.socket_writes_per_s) > 300, JSON.stringify(measured));
    assert.ok(Number(measured.fanout_p99_ms) > 0, JSON.stringify(measured));
  });

  it('failover finds the next accepted action, measures stalls, and gives a clean verdict', async () => {
    const options = { hunts: 4, perHunt: 1, everyMs: 100, rate: 200, settleMs: 0, warmUpS: 0 };
    // Drains and rolls at full length are hunt.int.test.ts's: here they would move a hundred slots there and back.
    const strikes = { kill: 1, stop: 0, gateway: 0, log: 1, move: 3, drain: 0, roll: 0 };
    const { measured } = await measureFailover(cluster, { ...options, ...strikes });
    assert.deepEqual([measured.lost, measured.doubled], [0, 0]);
    const { move, kill } = measured as Record<string, Record<string, number>>;
    assert.ok((move?.stall_max_ms ?? 0) > 0, JSON.stringify(move));
    assert.deepEqual([move?.refused, move?.connections_lost], [0, 0]);
    assert.ok((kill?.next_accepted_max_ms ?? 0) > 0);
  });

  it('memory weighs nodes and sockets and rehydrates hunts', async () => {
    const { measured } = await measureMemory(cluster, {
      hunts: 6,
      big: 300,
      sockets: 20,
      histories: 2,
      historyEvents: 350,
      settleMs: 50,
    });
    const many = measured.many_hunts as { nodes_rss_mb: number };
    const rehydrated = measured.rehydration as { events: number; after_kill: { activations: number } };
    assert.ok(many.nodes_rss_mb > 0);
    assert.ok(rehydrated.events >= 350 && rehydrated.after_kill.activations >= 2, JSON.stringify(rehydrated));
  });
});
