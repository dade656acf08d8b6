/** The three-node clusters that most black-box tests share, one a profile: started by the first that asks, stopped after the last. */
import { ClusterProcess } from './cluster-process.ts';
import { type Profile, sharedServersEnv } from './profile-servers.ts';

const starting = new Map<Profile, Promise<ClusterProcess>>();
let counter = 0;

export function sharedCluster(profile: Profile = 'embedded'): Promise<ClusterProcess> {
  let cluster = starting.get(profile);
  if (cluster === undefined) {
    cluster = sharedServersEnv(profile).then((env) => ClusterProcess.start({ nodes: 3, env }));
    starting.set(profile, cluster);
  }
  return cluster;
}

/** A player id that no other test uses. */
export const freshPlayer = (name: string): string => `${name}-${++counter}`;

after(async function () {
  this.timeout(40_000);
  for (const cluster of starting.values()) await (await cluster.catch(() => undefined))?.stopAndRemove();
});
