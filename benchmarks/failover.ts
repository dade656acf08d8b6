/**
 * (f) How long players wait when something is killed, stopped, moved, drained or restarted under load, and the verdict on
 * everything that was ever acknowledged. Each flag below says how often.
 *   node dist/benchmarks/failover.js --kill 30 --stop 30 --gateway 30 --move 60 --drain 30 --roll 1 --rate 5000
 * A killed node is started again when others serve its hunts, and not before: the supervisor is stopped so long.
 */
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { Crowd } from '../cluster/host/black-box/crowd.ts';
import { delay } from '../cluster/host/black-box/deadline.ts';
import { startBenchCluster } from './bench-cluster.ts';
import { OfferedLoad } from './offered-load.ts';
import { Quantiles, rounded } from './quantiles.ts';
import { conditions, isMain, numericFlags, print, type Report, say } from './report.ts';
import { type Outcome, Strikes } from './strikes.ts';

/** In this order: what is planned finds the ring whole. */
const kinds = ['move', 'drain', 'roll', 'kill', 'stop', 'gateway', 'log'] as const;
type Kind = (typeof kinds)[number];
/** Nobody may be refused by these: an operator asked for them. */
const planned: ReadonlySet<Kind> = new Set(['move', 'drain', 'roll']);

export interface FailoverOptions extends Readonly<Record<Kind, number>> {
  readonly hunts: number;
  readonly perHunt: number;
  readonly everyMs: number;
  /** Actions a second behind the players that are measured; 0: none. */
  readonly rate: number;
  readonly settleMs: number;
  /** Of load alone, before anything is measured. */
  readonly warmUpS: number;
}

const loadHunts = 100;
const loadPlayers = 70;

export async function measureFailover(cluster: ClusterProcess, options: FailoverOptions): Promise<Report> {
  const { hunts, perHunt, everyMs, rate, settleMs, warmUpS } = options;
  const gateways = Array.from({ length: cluster.options.gateways ?? 1 }, (_, i) => `g${i + 1}`);
  // The load keeps the last gateway for itself, for it does not reconnect; the players share the others.
  const playersOn = gateways.length > 1 ? gateways.slice(0, -1) : gateways;
  const sockets = () =>
    playersOn.map((name) => `${(cluster.process(name).http ?? '').replace(/^http/, 'ws')}/v1/socket`);
  const seen: ClusterProcess = Object.create(cluster, { sockets: { get: sockets } });
  const crowd = await Crowd.gather(seen, { hunts, perHunt, everyMs });
  const load = await OfferedLoad.start(cluster, gateways.at(-1) ?? 'g1', {
    perSecond: rate,
    hunts: loadHunts,
    players: loadPlayers,
  });
  try {
    await delay(warmUpS * 1_000);
    const strikes = new Strikes(cluster, crowd, settleMs);
    const measured: Record<string, unknown> = { ready_after_ms: rounded(cluster.readyAfterMs, 0) };
    for (const kind of kinds) {
      if (options[kind] === 0) continue;
      const outcomes: Outcome[] = [];
      load.reset();
      const before = tally(crowd);
      for (let i = 0; i < options[kind]; i++) {
        const outcome = kind === 'gateway' ? await strikes.gateway(playersOn) : await strikes[kind]();
        outcomes.push(outcome);
        say(`${kind} ${i + 1}: ${describe(outcome)}`);
      }
      const after = tally(crowd);
      const refused = after.refused - before.refused + load.refused + load.resent;
      measured[kind] = {
        times: options[kind],
        ...figures(
          'next_accepted',
          outcomes.flatMap(({ waits }) => waits ?? []),
        ),
        ...figures(
          'stall',
          outcomes.flatMap(({ stalls }) => stalls ?? []),
        ),
        ...(kind === 'roll' ? { took_s: outcomes.map(({ tookMs = 0 }) => rounded(tookMs / 1_000, 1)) } : {}),
        longest_wait_ms: rounded(Math.max(load.latencies.max, longestSince(crowd, before.at)), 0),
        refused,
        withheld: load.withheld,
        connections_lost: after.reconnects - before.reconnects,
      };
      if (planned.has(kind) && (refused > 0 || after.reconnects > before.reconnects))
        say(`${kind}: ${refused} commands were refused, ${after.reconnects - before.reconnects} connections lost`);
    }
    await load.stop();
    const verdict = await crowd.judge(); // Throws when anything was lost, doubled, refused, or left a hole on a wire.
    return {
      bench: 'failover',
      measured: { ...measured, acts: verdict.acts + load.acked, reconnects: verdict.reconnects, lost: 0, doubled: 0 },
      not_measured: [
        'power loss',
        'several machines: all processes share this one, and its CPUs with the load generator',
        `waits below the pace of an act a player every ${everyMs} ms`,
      ],
      conditions: conditions({
        hunts,
        players_per_hunt: perHunt,
        act_every_ms: everyMs,
        load_per_s: rate,
        nodes: cluster.options.nodes,
        gateways: gateways.length,
      }),
    };
  } finally {
    await load.stop().catch(() => undefined);
    await crowd.stop();
  }
}

/** What players were told, and how often they had to come back. */
function tally(crowd: Crowd): { readonly at: number; readonly refused: number; readonly reconnects: number } {
  const replies = crowd.members.flatMap(({ player }) => player.ledger.flatMap((entry) => entry.replies));
  return {
    at: performance.now(),
    refused: replies.filter((reply) => reply.kind === 'nack').length,
    reconnects: crowd.members.reduce((sum, { player }) => sum + player.reconnects, 0),
  };
}

const longestSince = (crowd: Crowd, since: number): number =>
  crowd.members
    .flatMap(({ waits }) => waits)
    .reduce((longest, { sentAt, ms }) => (sentAt > since ? Math.max(longest, ms) : longest), 0);

function figures(name: string, samples: readonly number[]): Record<string, number> {
  if (samples.length === 0) return {};
  const quantiles = new Quantiles();
  for (const ms of samples) quantiles.add(ms);
  const { p50_ms, p99_ms, max_ms } = quantiles.summary();
  return {
    [`${name}_samples`]: samples.length,
    [`${name}_p50_ms`]: p50_ms,
    [`${name}_p99_ms`]: p99_ms,
    [`${name}_max_ms`]: max_ms,
  };
}

function describe({ waits, stalls, tookMs }: Outcome): string {
  const worst = (list: readonly number[]) => Math.max(0, ...list).toFixed(0);
  return [
    ...(waits === undefined ? [] : [`the last of ${waits.length} hunts accepted an action after ${worst(waits)} ms`]),
    ...(stalls === undefined ? [] : [`${stalls.length} slots moved, the longest stall ${worst(stalls)} ms`]),
    ...(tookMs === undefined ? [] : [`in ${(tookMs / 1_000).toFixed(1)} s`]),
  ].join(', ');
}

if (isMain(import.meta.url)) {
  const flags = numericFlags({
    nodes: 9,
    gateways: 3,
    hunts: 27,
    'per-hunt': 2,
    'every-ms': 125,
    rate: 0,
    'settle-ms': 15_000,
    'warm-up': 10,
    kill: 3,
    stop: 3,
    gateway: 3,
    log: 3,
    move: 10,
    drain: 3,
    roll: 0,
    profile: 0,
  });
  const cluster = await startBenchCluster(flags);
  try {
    const options = {
      perHunt: flags['per-hunt'],
      everyMs: flags['every-ms'],
      settleMs: flags['settle-ms'],
      warmUpS: flags['warm-up'],
    };
    print(await measureFailover(cluster, { ...flags, ...options }));
  } finally {
    await cluster.stopAndRemove();
  }
}
