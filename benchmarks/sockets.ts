/**
 * (b) How long an action on a socket waits for its ack, and (c) how long a committed event waits until it was written to the last
 * of its hunt's sockets: S sockets over H hunts, open loop, one action a socket in flight.
 *   node dist/benchmarks/sockets.js --sockets 1000 --hunts 15 --rate 600 --seconds 15
 * With --subscribe 0 nobody listens: acks alone.
 */
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { beginProfiles, createMeadows, startBenchCluster } from './bench-cluster.ts';
import { CpuMeter } from './cpu-meter.ts';
import { echoFloor } from './echo-floor.ts';
import { runOpenLoop } from './open-loop.ts';
import { Metrics } from './prometheus.ts';
import { Quantiles, rounded } from './quantiles.ts';
import { conditions, isMain, numericFlags, print, type Report, say } from './report.ts';
import { SocketCrowd } from './socket-crowd.ts';
import { joinBytes, SubmitLoad } from './submit-load.ts';

const treasures = 16;

export interface SocketsOptions {
  readonly sockets: number;
  readonly hunts: number;
  readonly rate: number;
  readonly seconds: number;
  readonly warmUpS: number;
  readonly subscribe: boolean;
}

export async function measureSockets(
  cluster: ClusterProcess,
  { sockets, hunts, rate, seconds, warmUpS, subscribe }: SocketsOptions,
): Promise<Report> {
  const made = (await createMeadows(cluster, hunts, { treasures })).map((hunt) => hunt.hunt_id);
  const joining = new SubmitLoad(
    cluster.grpc,
    cluster.tokens.designer,
    made,
    Math.ceil(sockets / hunts),
    new Quantiles(),
  );
  await joining.everyPlayer(joinBytes).finally(() => joining.close());
  const latencies = new Quantiles();
  const crowd = new SocketCrowd(cluster, made, latencies, treasures);
  try {
    const openBegun = performance.now();
    await crowd.open(sockets, subscribe);
    const openedS = (performance.now() - openBegun) / 1_000;
    let turn = 0;
    const offer = (forS: number): Promise<number> =>
      runOpenLoop({
        perSecond: rate,
        seconds: forS,
        tickMs: 2,
        issue(count, first, step) {
          for (let k = 0; k < count; k++)
            crowd.act(crowd.seats[turn++ % sockets] as SocketCrowd['seats'][number], first + k * step);
        },
      });
    if (warmUpS > 0) {
      say(`warming up for ${warmUpS} s`);
      await offer(warmUpS);
      await crowd.drained();
    }
    latencies.reset();
    crowd.refused.clear();
    const ackedBefore = crowd.acked;
    const framesBefore = crowd.framesReceived;
    const before = await Metrics.ofRole(cluster, 'gateway');
    beginProfiles(cluster);
    const cpu = new CpuMeter(cluster);
    const begun = performance.now();
    await offer(seconds);
    await crowd.drained();
    const tookS = (performance.now() - begun) / 1_000;
    const cores = cpu.stop();
    const gateway = (await Metrics.ofRole(cluster, 'gateway')).since(before);
    return {
      bench: 'sockets',
      measured: {
        sockets,
        hunts,
        acked_per_s: rounded((crowd.acked - ackedBefore) / tookS, 0),
        ack: latencies.summary(),
        ...(subscribe
          ? {
              socket_writes_per_s: rounded(gateway.total('hunt_frames_sent_total') / tookS, 0),
              frames_received_per_s: rounded((crowd.framesReceived - framesBefore) / tookS, 0),
              fanout_p50_ms: gateway.quantileMs('hunt_fanout_seconds', 0.5),
              fanout_p99_ms: gateway.quantileMs('hunt_fanout_seconds', 0.99),
              fanout_mean_ms: gateway.meanMs('hunt_fanout_seconds'),
              frames_encoded_per_s: rounded(gateway.total('hunt_frames_encoded_total') / tookS, 0),
            }
          : {}),
        errors: Object.fromEntries(crowd.refused),
        closes: crowd.closes,
        opened_per_s: rounded(sockets / openedS, 0),
        cores,
      },
      not_measured: [
        "the way from the gateway's write to the client's eye",
        'TLS',
        'any network but loopback',
        'slow readers',
        "fan-out quantiles are bucket bounds of the gateway's histogram",
      ],
      floor: await echoFloor(Math.min(sockets, 1_000), rate),
      conditions: conditions({
        rate,
        seconds,
        warm_up_s: warmUpS,
        subscribed: subscribe,
        codec: 'json',
        nodes: cluster.options.nodes,
        gateways: cluster.options.gateways ?? 1,
        load_generator: 'same machine',
      }),
    };
  } finally {
    crowd.close();
  }
}

if (isMain(import.meta.url)) {
  const flags = numericFlags({
    sockets: 1_000,
    hunts: 15,
    rate: 600,
    seconds: 15,
    'warm-up': 8,
    nodes: 3,
    gateways: 1,
    subscribe: 1,
    profile: 0,
  });
  const cluster = await startBenchCluster(flags);
  try {
    print(await measureSockets(cluster, { ...flags, warmUpS: flags['warm-up'], subscribe: flags.subscribe !== 0 }));
  } finally {
    await cluster.stopAndRemove();
  }
}
