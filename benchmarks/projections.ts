/**
 * (g) Whether projections keep up, what players notice when PostgreSQL stops, how fast rows are made anew from the log, and how
 * long the first page of a long list takes. One PostgreSQL from its package, on the same machine as everything else.
 *   node dist/benchmarks/projections.js --rate 5000 --seconds 20 --rows 100000
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { until } from '../cluster/host/black-box/deadline.ts';
import { type PostgresServer, postgresServer } from '../cluster/host/servers/postgres-server.ts';
import { createMeadows, startBenchCluster } from './bench-cluster.ts';
import { CpuMeter } from './cpu-meter.ts';
import { runOpenLoop } from './open-loop.ts';
import { Quantiles, rounded } from './quantiles.ts';
import { conditions, isMain, numericFlags, print, type Report, say } from './report.ts';
import { claimBytes, joinBytes, SubmitLoad } from './submit-load.ts';

const treasures = 16;
const lagEveryMs = 500;
const caughtUpMs = 120_000;
const listCalls = 200;
const hunt = fileURLToPath(new URL('../cluster/cli/hunt.js', import.meta.url));

export interface ProjectionsOptions {
  readonly rate: number;
  readonly seconds: number;
  readonly warmUpS: number;
  readonly hunts: number;
  readonly players: number;
  /** Hunts in the list. */
  readonly rows: number;
}

interface Lag {
  readonly events: number;
  readonly seconds: number;
}

export async function measureProjections(
  cluster: ClusterProcess,
  postgres: PostgresServer,
  { rate, seconds, warmUpS, hunts, players, rows }: ProjectionsOptions,
): Promise<Report> {
  const made = (await createMeadows(cluster, hunts, { treasures })).map((one) => one.hunt_id);
  const latencies = new Quantiles();
  const load = new SubmitLoad(cluster.grpc, cluster.tokens.designer, made, players, latencies, 2);
  const lag = async (): Promise<Lag> =>
    (await cluster.expect<{ lag: { projection: Lag } }>('GET', '/v1/cluster', { token: cluster.tokens.operator })).lag
      .projection;
  const caughtUp = async (): Promise<number> => {
    const begun = performance.now();
    await until('the projections to be level with the log', caughtUpMs, async () => (await lag()).events === 0);
    return rounded(performance.now() - begun, 0);
  };
  try {
    await load.everyPlayer(joinBytes);
    const claim = claimBytes(treasures);
    load.actionOf = claim;
    const offer = (forS: number): Promise<number> =>
      runOpenLoop({
        perSecond: rate,
        seconds: forS,
        tickMs: 3,
        issue: (count, due, step) => load.issue(count, claim, due, step),
      });
    await offer(warmUpS);
    await load.drained();
    await caughtUp();

    const phase = async (): Promise<{ acks: Record<string, number>; worst: Lag; cores: Record<string, number> }> => {
      latencies.reset();
      let worst: Lag = { events: 0, seconds: 0 };
      let isOver = false;
      const watching = (async () => {
        while (!isOver) {
          const now = await lag().catch(() => worst);
          worst = { events: Math.max(worst.events, now.events), seconds: Math.max(worst.seconds, now.seconds) };
          await new Promise((resolve) => setTimeout(resolve, lagEveryMs));
        }
      })();
      const cpu = new CpuMeter(cluster);
      await offer(seconds);
      await load.drained();
      isOver = true;
      await watching;
      return { acks: latencies.summary(), worst, cores: cpu.stop() };
    };
    say(`${rate} actions/s, projected`);
    const projected = await phase();
    const levelAfterMs = await caughtUp();
    say('the same with PostgreSQL stopped');
    postgres.pause();
    const stopped = await phase().finally(() => postgres.resume());
    const caughtUpAfterMs = await caughtUp();

    say('rebuilding everything');
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [hunt, 'projections', 'rebuild', '--all', '--json', '--data-dir', cluster.dataDir],
      { env: { ...process.env, HUNT_PG_URL: postgres.url } },
    );
    const rebuilt = JSON.parse(stdout) as { hunts: number; events: number; seconds: number };

    say(`a list of ${rows} hunts`);
    await fillList(postgres, rows);
    return {
      bench: 'projections',
      measured: {
        offered_per_s: rate,
        projected: { ...projected, level_after_ms: levelAfterMs },
        postgres_stopped: { ...stopped, level_after_ms: caughtUpAfterMs },
        stopped_to_projected: {
          p50: rounded((stopped.acks.p50_ms ?? 0) / (projected.acks.p50_ms ?? 1)),
          p99: rounded((stopped.acks.p99_ms ?? 0) / (projected.acks.p99_ms ?? 1)),
        },
        rebuild: { ...rebuilt, events_per_s: rounded(rebuilt.events / Math.max(0.001, rebuilt.seconds), 0) },
        list: { rows, ...(await timeList(cluster)) },
      },
      not_measured: ['Citus', 'a PostgreSQL on another machine', 'TLS'],
      conditions: conditions({
        hunts,
        players_per_hunt: players,
        seconds,
        nodes: cluster.options.nodes,
        load_generator: 'same machine',
      }),
    };
  } finally {
    load.close();
  }
}

/** Hunts that exist in the list alone: what is measured is the list. */
async function fillList(postgres: PostgresServer, rows: number): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO hunt_catalog (hunt_id, slot, generation, version, title, status, owner, join_code, created_at, players, search)
       SELECT n, n % 256, 0, 3, 'Hunt number ' || n, (ARRAY['draft', 'open', 'closed'])[n % 3 + 1], 'designer-' || n % 50,
              lpad(n::text, 6, 'A'), to_timestamp(n), n % 70, lower('Hunt number ' || n)
       FROM generate_series(1::bigint, $1::bigint) AS n ON CONFLICT DO NOTHING`,
      [rows],
    );
    await client.query('ANALYZE hunt_catalog');
  } finally {
    await client.end();
  }
}

async function timeList(cluster: ClusterProcess): Promise<Record<string, unknown>> {
  const time = async (query: string): Promise<Record<string, number>> => {
    const times = new Quantiles();
    await cluster.expect('GET', `/v1/hunts?${query}`, { token: cluster.tokens.operator });
    for (let i = 0; i < listCalls; i++) {
      const begun = performance.now();
      await cluster.expect('GET', `/v1/hunts?${query}`, { token: cluster.tokens.operator });
      times.add(performance.now() - begun);
    }
    return times.summary();
  };
  return { first_page: await time('limit=100'), open_ones: await time('status=open'), search: await time('q=99999') };
}

if (isMain(import.meta.url)) {
  const flags = numericFlags({
    rate: 5_000,
    seconds: 15,
    'warm-up': 10,
    hunts: 100,
    players: 70,
    rows: 100_000,
    nodes: 9,
    gateways: 1,
  });
  const postgres = await postgresServer();
  const cluster = await startBenchCluster({ ...flags, env: { HUNT_PG_URL: postgres.url } });
  try {
    print(await measureProjections(cluster, postgres, { ...flags, warmUpS: flags['warm-up'] }));
  } finally {
    await cluster.stopAndRemove();
    await postgres.close();
  }
}
