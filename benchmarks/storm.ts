/**
 * (d) What players who stay connected notice while a crowd of others comes back at one moment, each resuming from the same
 * earlier version: commit to write and ack of those who stay, before and during the storm; how soon all are live.
 *   node dist/benchmarks/storm.js --stay 500 --return 5000 --replay 500 --rate 90
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { within } from '../cluster/host/black-box/deadline.ts';
import { beginProfiles, createMeadows, startBenchCluster } from './bench-cluster.ts';
import { CpuMeter } from './cpu-meter.ts';
import { runOpenLoop } from './open-loop.ts';
import { Metrics } from './prometheus.ts';
import { Quantiles, rounded } from './quantiles.ts';
import { conditions, isMain, numericFlags, print, type Report, say } from './report.ts';
import { SocketCrowd } from './socket-crowd.ts';
import type { StormOrder, StormTimes } from './storm-crowd.ts';
import { claimBytes, joinBytes, SubmitLoad } from './submit-load.ts';

const treasures = 16;
const stormWithinMs = 60_000;

export interface StormOptions {
  readonly stay: number;
  readonly returning: number;
  /** Events that each returning client has missed. */
  readonly replay: number;
  readonly hunts: number;
  readonly rate: number;
  readonly calmS: number;
}

export async function measureStorm(cluster: ClusterProcess, options: StormOptions): Promise<Report> {
  const { stay, returning, replay, hunts, rate, calmS } = options;
  const made = (await createMeadows(cluster, hunts, { treasures })).map((hunt) => hunt.hunt_id);
  const perHunt = Math.ceil((stay + returning) / hunts);
  let claims = 0;
  const joining = new SubmitLoad(cluster.grpc, cluster.tokens.designer, made, perHunt, new Quantiles());
  try {
    await joining.everyPlayer(joinBytes);
    for (; claims * perHunt < replay; claims++) await joining.everyPlayer(claimBytes(treasures));
  } finally {
    joining.close();
  }
  const latencies = new Quantiles();
  const crowd = new SocketCrowd(cluster, made, latencies, treasures, 1 + claims);
  try {
    await crowd.open(stay, true);
    let turn = 0;
    const offer = (seconds: number): Promise<number> =>
      runOpenLoop({
        perSecond: rate,
        seconds,
        tickMs: 2,
        issue(count, first, step) {
          for (let k = 0; k < count; k++)
            crowd.act(crowd.seats[turn++ % stay] as SocketCrowd['seats'][number], first + k * step);
        },
      });
    say(`calm for ${calmS} s`);
    await offer(calmS);
    const calm = await phase(cluster, latencies, () => offer(calmS));
    const orderFor = (count: number): StormOrder => ({
      url: cluster.sockets[0] as string,
      clients: Array.from({ length: count }, (_, i) => {
        const hunt = made[(stay + i) % hunts] as number;
        return { hunt, token: cluster.playerToken(hunt, SubmitLoad.playerId(stay + i)) };
      }),
      from: perHunt,
      withinMs: stormWithinMs,
    });
    // A gateway that has never seen anybody resume compiles that code first: a small storm before the one that counts.
    await sendCrowd(orderFor(Math.ceil(returning / 10)));
    say(`${returning} clients come back at once`);
    beginProfiles(cluster);
    const cpu = new CpuMeter(cluster);
    const returned = sendCrowd(orderFor(returning));
    let isOver = false;
    void returned.finally(() => (isOver = true));
    const stormy = await phase(cluster, latencies, async () => {
      while (!isOver) await offer(1);
    });
    const times = await returned;
    const live = new Quantiles();
    for (const ms of times.liveMs) live.add(ms);
    return {
      bench: 'storm',
      measured: {
        stay,
        returning,
        replayed_events_each: replay,
        calm,
        stormy,
        all_live_ms: rounded(live.at(1), 0),
        half_live_ms: rounded(live.at(0.5), 0),
        refused_503: times.refused,
        closed: times.closed,
        not_live: times.notLive,
        closes_of_those_who_stay: crowd.closes,
        cores: cpu.stop(),
      },
      not_measured: ['TLS', 'any network but loopback', 'clients that read slowly', 'quantiles are bucket bounds'],
      conditions: conditions({ rate, hunts, nodes: cluster.options.nodes, load_generator: 'same machine' }),
    };
  } finally {
    crowd.close();
  }
}

/** What those who stay notice while `during` runs. */
async function phase(cluster: ClusterProcess, acks: Quantiles, during: () => Promise<unknown>): Promise<object> {
  acks.reset();
  const before = await Metrics.ofRole(cluster, 'gateway');
  await during();
  const gateway = (await Metrics.ofRole(cluster, 'gateway')).since(before);
  return {
    fanout_p50_ms: gateway.quantileMs('hunt_fanout_seconds', 0.5),
    fanout_p99_ms: gateway.quantileMs('hunt_fanout_seconds', 0.99),
    command_p99_ms: gateway.quantileMs('hunt_command_seconds', 0.99),
    ack: acks.summary(),
  };
}

async function sendCrowd(order: StormOrder): Promise<StormTimes> {
  const child = fork(fileURLToPath(new URL('./storm-crowd.js', import.meta.url)));
  try {
    child.send(order);
    const [times] = (await within('the crowd to be back', order.withinMs + 10_000, once(child, 'message'))) as [
      StormTimes,
    ];
    return times;
  } finally {
    child.kill('SIGKILL');
  }
}

if (isMain(import.meta.url)) {
  const flags = numericFlags({
    stay: 500,
    return: 5_000,
    replay: 500,
    hunts: 15,
    rate: 90,
    calm: 5,
    nodes: 3,
    gateways: 1,
    profile: 0,
  });
  const cluster = await startBenchCluster(flags);
  try {
    print(await measureStorm(cluster, { ...flags, returning: flags.return, calmS: flags.calm }));
  } finally {
    await cluster.stopAndRemove();
  }
}
