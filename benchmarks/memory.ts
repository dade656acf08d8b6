/**
 * (e) What hunts, players and sockets cost in memory, and what bringing a hunt back to life costs in time.
 *   node dist/benchmarks/memory.js --hunts 3000 --big 200000 --sockets 2000 --histories 30
 * Four parts, each left out when its number is 0: many open hunts of 70 players, all active once; one big hunt, all joined; idle
 * subscribed sockets; hunts of 10,000 events that are rehydrated after a clean stop and after SIGKILL of everything.
 */
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { delay } from '../cluster/host/black-box/deadline.ts';
import { createMeadows, startBenchCluster } from './bench-cluster.ts';
import { nodesRssMb, rssBytes } from './cpu-meter.ts';
import { Metrics } from './prometheus.ts';
import { Quantiles, rounded } from './quantiles.ts';
import { conditions, isMain, numericFlags, print, type Report, say } from './report.ts';
import { SocketCrowd } from './socket-crowd.ts';
import { claimBytes, joinBytes, SubmitLoad } from './submit-load.ts';

const treasures = 4;
const playersPerHunt = 70;

export interface MemoryOptions {
  readonly hunts: number;
  readonly big: number;
  readonly sockets: number;
  readonly histories: number;
  readonly historyEvents: number;
  /** Before memory is read: for collectors to come round. */
  readonly settleMs: number;
}

const sum = (values: Readonly<Record<string, number>>): number =>
  Object.values(values).reduce((total, one) => total + one, 0);

export async function measureMemory(cluster: ClusterProcess, options: MemoryOptions): Promise<Report> {
  const measured: Record<string, unknown> = {};
  const idle = nodesRssMb(cluster);
  measured.idle_nodes_rss_mb = sum(idle);
  if (options.hunts > 0) measured.many_hunts = await manyHunts(cluster, options);
  if (options.sockets > 0) measured.idle_sockets = await idleSockets(cluster, options);
  if (options.histories > 0)
    measured.rehydration = await rehydration(cluster, options.histories, options.historyEvents);
  if (options.big > 0) measured.big_hunt = await bigHunt(cluster, options);
  return {
    bench: 'memory',
    measured,
    not_measured: [
      'PostgreSQL and projections',
      'memory that the kernel holds for sockets',
      'hunts with large definitions',
      'the page cache of the log',
    ],
    conditions: conditions({ ...options, nodes: cluster.options.nodes, players_per_hunt: playersPerHunt }),
  };
}

/** Fills hunts through gRPC; returns when all is acknowledged. */
async function fill(cluster: ClusterProcess, hunts: readonly number[], players: number, claims: number): Promise<void> {
  const load = new SubmitLoad(cluster.grpc, cluster.tokens.designer, hunts, players, new Quantiles(), 2);
  try {
    await load.everyPlayer(joinBytes);
    for (let i = 0; i < claims; i++) await load.everyPlayer(claimBytes(treasures));
    if (load.refused.size > 0) throw new Error(`refused: ${JSON.stringify(Object.fromEntries(load.refused))}`);
  } finally {
    load.close();
  }
}

async function manyHunts(cluster: ClusterProcess, { hunts, settleMs }: MemoryOptions): Promise<object> {
  const begun = performance.now();
  const made = await createMeadows(cluster, hunts, { treasures });
  say(`created ${hunts} hunts in ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
  await fill(
    cluster,
    made.map((hunt) => hunt.hunt_id),
    playersPerHunt,
    1,
  );
  const atOnce = nodesRssMb(cluster);
  const activations = (await Metrics.ofRole(cluster, 'node')).total('hunt_activations');
  await delay(settleMs);
  const settled = nodesRssMb(cluster);
  return {
    hunts,
    players: hunts * playersPerHunt,
    activations,
    nodes_rss_mb_at_once: sum(atOnce),
    nodes_rss_mb: sum(settled),
    worst_node_mb: Math.max(...Object.values(settled)),
  };
}

async function idleSockets(cluster: ClusterProcess, { sockets, settleMs }: MemoryOptions): Promise<object> {
  const hunts = (await createMeadows(cluster, Math.ceil(sockets / playersPerHunt), { treasures })).map(
    (hunt) => hunt.hunt_id,
  );
  await fill(cluster, hunts, playersPerHunt, 0);
  // A gateway that has just taken a load holds memory that it need not ask for again: a new one is weighed.
  const gateway = await cluster.respawned(cluster.kill('g1'));
  const crowd = new SocketCrowd(cluster, hunts, new Quantiles(), treasures);
  try {
    // The first tenth warms code and pools; the rest is weighed.
    const first = Math.floor(sockets / 10);
    await crowd.open(first, true);
    await delay(settleMs);
    const before = rssBytes(gateway.pid);
    await crowd.open(sockets, true);
    await delay(settleMs);
    return {
      sockets,
      bytes_a_socket: Math.round((rssBytes(gateway.pid) - before) / Math.max(1, sockets - first)),
      gateway_rss_mb: Math.round(rssBytes(gateway.pid) / 1_048_576),
    };
  } finally {
    crowd.close();
  }
}

/** One action by HTTP; ms until it was acknowledged. */
async function timedAct(cluster: ClusterProcess, hunt: number, player: string, seq: number): Promise<number> {
  const begun = performance.now();
  await cluster.expect('POST', `/v1/hunts/${hunt}/actions`, {
    body: { player, seq, action: { type: 'claim', treasure: 't0' } },
  });
  return performance.now() - begun;
}

/** Times the first action of each hunt after a restart, by a player who has joined it (player i plays in hunt i mod hunts), beside the second one, which meets a living hunt. */
async function firstActs(
  cluster: ClusterProcess,
  hunts: readonly number[],
  playerIn: (index: number) => string,
  seqFrom: number,
): Promise<object> {
  const [first, second] = [new Quantiles(), new Quantiles()];
  const warm = (await createMeadows(cluster, 3 * (cluster.options.nodes ?? 3), { treasures })).map(
    (hunt) => hunt.hunt_id,
  );
  await fill(cluster, warm, 1, 1); // So that the connections and the JIT do not stand in the figures.
  for (const [index, hunt] of hunts.entries()) {
    first.add(await timedAct(cluster, hunt, playerIn(index), seqFrom));
    second.add(await timedAct(cluster, hunt, playerIn(index), seqFrom + 1));
  }
  // Since the processes started: an owner may bring a hunt to life before anybody acts, to learn its alarms.
  const node = await Metrics.ofRole(cluster, 'node');
  return {
    first_act: first.summary(),
    second_act: second.summary(),
    activation_p99_ms: node.quantileMs('hunt_activation_seconds', 0.99),
    activations: node.total('hunt_activation_seconds_count'),
  };
}

async function rehydration(cluster: ClusterProcess, histories: number, events: number): Promise<object> {
  const hunts = (await createMeadows(cluster, histories, { treasures })).map((hunt) => hunt.hunt_id);
  await fill(cluster, hunts, playersPerHunt, Math.max(1, Math.round(events / playersPerHunt) - 1));
  const seq = Math.round(events / playersPerHunt) + 20;
  const lookBack = new Quantiles();
  const head = (await cluster.expect<{ version: number }>('GET', `/v1/hunts/${hunts[0]}`)).version;
  for (const hunt of hunts) {
    const begun = performance.now();
    await cluster.expect('GET', `/v1/hunts/${hunt}?at_version=${head}`);
    lookBack.add(performance.now() - begun);
  }
  say('stopping cleanly, starting again');
  await cluster.stop();
  await cluster.restart();
  const clean = await firstActs(cluster, hunts, SubmitLoad.playerId, seq);
  // Written anew up to the moment of the kill, so that pages lag behind the log as far as they ever do.
  await fill(cluster, [(await createMeadows(cluster, 1, { treasures }))[0]?.hunt_id as number], playersPerHunt, 1);
  say('killing everything, starting again');
  await cluster.killEverything();
  await cluster.restart();
  const killed = await firstActs(cluster, hunts, SubmitLoad.playerId, seq + 10);
  return {
    hunts: histories,
    events: head,
    from_the_log_alone: lookBack.summary(),
    after_clean_stop: clean,
    after_kill: killed,
  };
}

async function bigHunt(cluster: ClusterProcess, { big: players, settleMs }: MemoryOptions): Promise<object> {
  const [hunt] = await createMeadows(cluster, 1, { treasures });
  if (hunt === undefined) throw new Error('no hunt was created');
  const begun = performance.now();
  await fill(cluster, [hunt.hunt_id], players, 0);
  const joinedPerS = (players * 1_000) / (performance.now() - begun);
  const owner = await cluster.ownerOf(hunt.slot);
  const joining = rssBytes(cluster.process(owner).pid);
  await delay(settleMs);
  const joined = rssBytes(cluster.process(owner).pid);
  const page = Metrics.parse(await cluster.metrics(owner));
  const inside = Object.fromEntries(
    [
      'hunt_page_cache_bytes',
      'hunt_pages_dirty_bytes',
      'nodejs_heap_size_used_bytes',
      'nodejs_heap_size_total_bytes',
      'nodejs_external_memory_bytes',
    ].map((name) => [name, page.total(name)]),
  );
  await cluster.stop();
  await cluster.restart();
  const clean = await firstActs(cluster, [hunt.hunt_id], () => SubmitLoad.playerId(players >> 1), 2);
  await cluster.killEverything();
  await cluster.restart();
  const killed = await firstActs(cluster, [hunt.hunt_id], () => SubmitLoad.playerId(players >> 2), 2);
  const mb = (bytes: number): number => Math.round(bytes / 1_048_576);
  const after = rssBytes(cluster.process(await cluster.ownerOf(hunt.slot)).pid);
  return {
    players,
    joined_per_s: rounded(joinedPerS, 0),
    owner_rss_mb_while_joining: mb(joining),
    owner_rss_mb: mb(joined),
    owner_inside: inside,
    owner_rss_mb_after_restart: mb(after),
    after_clean_stop: clean,
    after_kill: killed,
  };
}

if (isMain(import.meta.url)) {
  const flags = numericFlags({
    nodes: 9,
    gateways: 1,
    hunts: 3_000,
    big: 200_000,
    sockets: 2_000,
    histories: 30,
    events: 10_000,
    profile: 0,
  });
  const cluster = await startBenchCluster(flags);
  try {
    print(await measureMemory(cluster, { ...flags, historyEvents: flags.events, settleMs: 3_000 }));
  } finally {
    await cluster.stopAndRemove();
  }
}
