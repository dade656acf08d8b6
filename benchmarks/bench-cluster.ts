/** A cluster for benchmarks: the real thing, but with the per-player and per-address buckets off, because one machine plays everybody. */
import { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { meadow } from '../cluster/host/black-box/definitions.ts';
import type { Profile } from '../cluster/host/black-box/profile-servers.ts';
import { kafkaBroker } from '../cluster/host/servers/kafka-broker.ts';
import { natsServer } from '../cluster/host/servers/nats-server.ts';
import { say } from './report.ts';

const unlimited = { HUNT_RATE_PLAYER: '0', HUNT_RATE_SOCKET: '0', HUNT_RATE_ADDRESS: '0' };
const createsAtOnce = 16;

/** Profiles, as the words of a flag. */
export const backends: readonly Profile[] = ['embedded', 'nats', 'kafka'];

/** Log servers of the run's own, which end with it. */
async function serversOf(backend: Profile): Promise<Record<string, string>> {
  if (backend === 'embedded') return {};
  const env: Record<string, string> = {
    HUNT_PROFILE: backend,
    HUNT_TOKEN_KEY: 'a-key-for-benchmarks-that-nobody-else-uses0',
    HUNT_NATS_URL: (await natsServer()).url,
  };
  if (backend === 'kafka') env.HUNT_KAFKA_BROKERS = (await kafkaBroker()).url;
  return env;
}

export async function startBenchCluster({
  nodes,
  gateways = 1,
  profile = 0,
  backend = 'embedded',
  env = {},
}: {
  readonly nodes: number;
  readonly gateways?: number;
  readonly profile?: number;
  readonly backend?: Profile;
  readonly env?: Readonly<Record<string, string>>;
}): Promise<ClusterProcess> {
  const cluster = await ClusterProcess.start({
    nodes,
    gateways,
    env: { ...unlimited, ...(await serversOf(backend)), ...env },
    readyMs: 60_000,
    ...(profile === 1 ? { nodeOptions: `--import ${new URL('./cpu-profile.js', import.meta.url).href}` } : {}),
  });
  say(`${backend}: ${nodes} nodes, ${gateways} gateway(s), ready after ${(cluster.readyAfterMs / 1_000).toFixed(1)} s`);
  return cluster;
}

/** Lets every process of a cluster that was started with `profile` begin its profile. */
export function beginProfiles(cluster: ClusterProcess): void {
  if (cluster.options.nodeOptions === undefined) return;
  for (const row of cluster.file().processes) if (row.state === 'up') cluster.kill(row.name, 'SIGUSR2');
}

/** Creates that many hunts in which every claim counts. */
export async function createMeadows(
  cluster: ClusterProcess,
  count: number,
  { treasures = 16, players = 1_000_000 } = {},
): Promise<{ readonly hunt_id: number; readonly slot: number }[]> {
  const made: { hunt_id: number; slot: number }[] = [];
  const definition = meadow(treasures, players);
  const create = async (): Promise<void> => {
    while (made.length + pending < count) {
      pending++;
      const hunt = await cluster.createHunt(definition);
      pending--;
      made.push(hunt);
    }
  };
  let pending = 0;
  await Promise.all(Array.from({ length: Math.min(createsAtOnce, count) }, create));
  return made;
}
