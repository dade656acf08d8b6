/**
 * (f) How long players wait when a process is killed: SIGKILL under load, time until each hunt that it served accepts the next
 * action, and the verdict on everything that was ever acknowledged.
 *   node dist/benchmarks/failover.js --nodes 9 --hunts 27 --rounds 3
 */
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { Crowd } from '../cluster/host/black-box/crowd.ts';
import { until } from '../cluster/host/black-box/deadline.ts';
import { startBenchCluster } from './bench-cluster.ts';
import { rounded } from './quantiles.ts';
import { conditions, isMain, numericFlags, print, type Report, say } from './report.ts';

export interface FailoverOptions {
  readonly hunts: number;
  readonly perHunt: number;
  readonly everyMs: number;
  readonly rounds: number;
}

const victims = ['node', 'log', 'gateway'] as const;

export async function measureFailover(
  cluster: ClusterProcess,
  { hunts, perHunt, everyMs, rounds }: FailoverOptions,
): Promise<Report> {
  const crowd = await Crowd.gather(cluster, { hunts, perHunt, everyMs });
  try {
    const waits: Record<(typeof victims)[number], number[]> = { node: [], log: [], gateway: [] };
    for (let round = 0; round < rounds; round++) {
      for (const victim of victims) {
        await crowd.allAckedSince(performance.now());
        const slot = crowd.members[(round * perHunt) % crowd.members.length]?.hunt.slot ?? 0;
        const owners = await Promise.all(crowd.members.map((member) => cluster.ownerOf(member.hunt.slot)));
        const name = victim === 'node' ? await cluster.ownerOf(slot) : victim === 'log' ? 'log' : 'g1';
        const touched = crowd.members.filter((_, i) => victim !== 'node' || owners[i] === name);
        const killed = cluster.kill(name);
        const at = performance.now();
        const longest = await Promise.all(
          touched.map(({ hunt, ackedAt }) =>
            until(`hunt ${hunt.hunt_id} to accept an action after ${name} was killed`, 60_000, () =>
              ackedAt.find((acked) => acked > at),
            ),
          ),
        );
        const waited = Math.max(...longest) - at;
        say(`killed ${name}: the last of ${touched.length} players waited ${waited.toFixed(0)} ms`);
        waits[victim].push(waited);
        await cluster.respawned(killed, 30_000);
      }
    }
    const verdict = await crowd.judge(); // Throws when anything was lost, doubled, refused, or left a hole on a wire.
    const worst = (list: readonly number[]): number => rounded(Math.max(...list), 0);
    return {
      bench: 'failover',
      measured: {
        ready_after_ms: rounded(cluster.readyAfterMs, 0),
        next_accepted_ms: { node: worst(waits.node), log: worst(waits.log), gateway: worst(waits.gateway) },
        kills: rounds * victims.length,
        acts: verdict.acts,
        reconnects: verdict.reconnects,
        lost: 0,
        doubled: 0,
      },
      not_measured: [
        'SIGSTOP and drains (chaos tests)',
        'power loss',
        `waits below the pace of an act a player every ${everyMs} ms`,
      ],
      conditions: conditions({
        hunts,
        players_per_hunt: perHunt,
        act_every_ms: everyMs,
        nodes: cluster.options.nodes,
        gateways: cluster.options.gateways ?? 1,
      }),
    };
  } finally {
    await crowd.stop();
  }
}

if (isMain(import.meta.url)) {
  const flags = numericFlags({
    nodes: 9,
    gateways: 2,
    hunts: 27,
    'per-hunt': 2,
    'every-ms': 125,
    rounds: 3,
    profile: 0,
  });
  const cluster = await startBenchCluster(flags);
  try {
    print(await measureFailover(cluster, { ...flags, perHunt: flags['per-hunt'], everyMs: flags['every-ms'] }));
  } finally {
    await cluster.stopAndRemove();
  }
}
