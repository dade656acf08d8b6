/**
 * (a) How many actions a second the cluster takes and how long one waits: gRPC SubmitStream, open loop, latency from the
 * scheduled time. The load generator runs on the same machine and is measured with everything else.
 *   node dist/benchmarks/ingest.js --rate 25000 --seconds 20 --nodes 9 --hunts 100
 * `--backend nats` measures it on a nats-server, `--backend kafka` on a Kafka broker, each started for the run.
 */
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { appendFloor } from './append-floor.ts';
import { backends, beginProfiles, createMeadows, startBenchCluster } from './bench-cluster.ts';
import { CpuMeter } from './cpu-meter.ts';
import { runOpenLoop } from './open-loop.ts';
import { Metrics } from './prometheus.ts';
import { Quantiles, rounded } from './quantiles.ts';
import { conditions, isMain, numericFlags, print, type Report, say } from './report.ts';
import { claimBytes, joinBytes, SubmitLoad } from './submit-load.ts';

const treasures = 16;

export interface IngestOptions {
  readonly rate: number;
  readonly seconds: number;
  readonly warmUpS: number;
  readonly hunts: number;
  readonly players: number;
  readonly streams: number;
  readonly tickMs: number;
}

export async function measureIngest(
  cluster: ClusterProcess,
  { rate, seconds, warmUpS, hunts, players, streams, tickMs }: IngestOptions,
): Promise<Report> {
  const made = await createMeadows(cluster, hunts, { treasures });
  const latencies = new Quantiles();
  const load = new SubmitLoad(
    cluster.grpc,
    cluster.tokens.designer,
    made.map((hunt) => hunt.hunt_id),
    players,
    latencies,
    streams,
  );
  try {
    await load.everyPlayer(joinBytes);
    const claim = claimBytes(treasures);
    load.actionOf = claim;
    const offer = (forS: number): Promise<number> =>
      runOpenLoop({
        perSecond: rate,
        seconds: forS,
        tickMs,
        issue: (count, due, step) => load.issue(count, claim, due, step),
      });
    if (warmUpS > 0) {
      say(`warming up for ${warmUpS} s`);
      await offer(warmUpS);
      await load.drained();
    }
    latencies.reset();
    const before = {
      acked: load.acked,
      resent: load.resent,
      withheld: load.withheld,
      node: await Metrics.ofRole(cluster, 'node'),
    };
    load.refused.clear();
    beginProfiles(cluster);
    const cpu = new CpuMeter(cluster);
    const begun = performance.now();
    const offered = await offer(seconds);
    await load.drained();
    const tookS = (performance.now() - begun) / 1_000;
    const cores = cpu.stop();
    const node = (await Metrics.ofRole(cluster, 'node')).since(before.node);
    const acked = load.acked - before.acked;
    return {
      bench: 'ingest',
      measured: {
        offered_per_s: rounded(offered / seconds, 0),
        acked_per_s: rounded(acked / tookS, 0),
        ...latencies.summary(),
        errors: Object.fromEntries(load.refused),
        resent: load.resent - before.resent,
        withheld: load.withheld - before.withheld,
        cores,
        us_cpu_per_action: rounded(((cores.all ?? 0) * tookS * 1e6) / Math.max(1, acked)),
        events_per_append: rounded(
          node.total('hunt_batch_events_sum') / Math.max(1, node.total('hunt_batch_events_count')),
        ),
        append_p99_ms: node.quantileMs('hunt_append_seconds', 0.99),
      },
      not_measured: [
        'fan-out: nobody is subscribed',
        'TLS',
        'any network but loopback',
        'players without an earlier action (each has joined before)',
      ],
      floor: await appendFloor(rate),
      conditions: conditions({
        hunts,
        players_per_hunt: players,
        streams,
        tick_ms: tickMs,
        warm_up_s: warmUpS,
        seconds,
        nodes: cluster.options.nodes,
        profile: cluster.file().profile,
        load_generator: 'same machine',
      }),
    };
  } finally {
    load.close();
  }
}

if (isMain(import.meta.url)) {
  const flags = numericFlags(
    {
      rate: 25_000,
      seconds: 20,
      'warm-up': 10,
      nodes: 9,
      gateways: 1,
      hunts: 100,
      players: 70,
      streams: 2,
      'tick-ms': 3,
      profile: 0,
      backend: 0,
    },
    { backend: backends },
  );
  const cluster = await startBenchCluster({ ...flags, backend: backends[flags.backend] ?? 'embedded' });
  try {
    print(await measureIngest(cluster, { ...flags, warmUpS: flags['warm-up'], tickMs: flags['tick-ms'] }));
  } finally {
    await cluster.stopAndRemove();
  }
}
