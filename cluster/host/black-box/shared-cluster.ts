/** The three-node cluster that most black-box tests share: started by the first that asks, stopped after the last. */
import { ClusterProcess } from './cluster-process.ts';

let starting: Promise<ClusterProcess> | undefined;
let counter = 0;

export function sharedCluster(): Promise<ClusterProcess> {
  starting ??= ClusterProcess.start({ nodes: 3 });
  return starting;
}

/** A player id that no other test uses. */
export const freshPlayer = (name: string): string => `${name}-${++counter}`;

after(async function () {
  this.timeout(40_000);
  await (await starting?.catch(() => undefined))?.stopAndRemove();
});
