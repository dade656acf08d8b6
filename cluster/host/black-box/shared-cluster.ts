/** The three-node clusters that most black-box tests of a process share, one a profile: started by the first that asks, ended with the process. */
import { rmSync } from 'node:fs';
import { ClusterProcess } from './cluster-process.ts';
import { type Profile, sharedServersEnv } from './profile-servers.ts';

const starting = new Map<Profile, Promise<ClusterProcess>>();
const started = new Set<ClusterProcess>();
let counter = 0;

export function sharedCluster(profile: Profile = 'embedded'): Promise<ClusterProcess> {
  let cluster = starting.get(profile);
  if (cluster === undefined) {
    cluster = start(profile);
    starting.set(profile, cluster);
  }
  return cluster;
}

async function start(profile: Profile): Promise<ClusterProcess> {
  const cluster = await ClusterProcess.start({ nodes: 3, env: await sharedServersEnv(profile) });
  started.add(cluster);
  return cluster;
}

/** A player id that no other test uses. */
export const freshPlayer = (name: string): string => `${name}-${++counter}`;

// Not a hook of mocha's: with several files in one worker it would run after the first.
process.once('exit', () => {
  for (const cluster of started) {
    cluster.endNow();
    rmSync(cluster.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
});
