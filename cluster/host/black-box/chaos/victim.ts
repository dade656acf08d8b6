/** Processes and servers that signals are sent to, by the names that the plan has for them. The kernel says whether it happened. */

import type { PrivateServer } from '../../servers/private-server.ts';
import { signalTree } from '../../servers/process-tree.ts';
import type { ClusterProcess } from '../cluster-process.ts';
import { until } from '../deadline.ts';
import { OwnPostgres } from '../faults/own-postgres.ts';
import { assertGone, isGone, processTree, stateOf, untilStopped } from '../faults/process-state.ts';

const goneMsMax = 10_000;
const againMsMax = 60_000;

/** A process that is to be struck: the one that runs at this moment. */
export interface Victim {
  readonly pid: number;
  /** SIGKILL to it and all that it started. Throws unless they are gone. */
  kill(): Promise<void>;
  /** Resolves when another process is there in its place. */
  again(): Promise<void>;
  /** Throws unless it is stopped. */
  pause(): Promise<void>;
  /** Continues that process, if it is there still. Returns whether it was stopped until now. */
  resume(): boolean;
}

/** Started again by its supervisor. */
export function roleVictim(cluster: ClusterProcess, name: string): Victim {
  const { pid } = cluster.process(name);
  if (isGone(pid)) throw new Error(`${name} is not there`);
  return {
    pid,
    kill: async () => {
      process.kill(pid, 'SIGKILL');
      await until(`${name} (pid ${pid}) to be gone`, goneMsMax, () => isGone(pid));
    },
    again: async () => {
      await until(`${name} to be started again`, againMsMax, () => {
        const row = cluster.process(name);
        return row.pid !== pid && !isGone(row.pid);
      });
    },
    pause: () => {
      process.kill(pid, 'SIGSTOP');
      return untilStopped(pid).then(() => undefined);
    },
    resume: () => goOn(pid),
  };
}

/** Of a run's own; whoever struck it starts it again. */
export function serverVictim(server: PrivateServer): Victim {
  const { pid } = server;
  if (isGone(pid)) throw new Error(`${server.url} is not there`);
  return {
    pid,
    kill: async () => {
      const tree = processTree(pid);
      await server.kill();
      assertGone(tree);
    },
    again: () => server.start(),
    pause: () => {
      server.pause();
      return untilStopped(pid).then(() => undefined);
    },
    resume: () => goOn(pid),
  };
}

/** The one that a cluster of profile embedded runs for itself; its service starts it again. */
export function ownPostgresVictim(dataDir: string): Victim {
  const { pid } = new OwnPostgres(dataDir);
  if (isGone(pid)) throw new Error('PostgreSQL is not there');
  return {
    pid,
    kill: async () => {
      const tree = signalTree(pid, 'SIGKILL');
      await until('all processes of PostgreSQL to be gone', goneMsMax, () => tree.every(isGone));
    },
    again: async () => {
      await until('PostgreSQL to be started again', againMsMax, () => new OwnPostgres(dataDir).pid !== pid);
    },
    pause: () => {
      signalTree(pid, 'SIGSTOP');
      return untilStopped(pid).then(() => undefined);
    },
    resume: () => goOn(pid),
  };
}

function goOn(pid: number): boolean {
  const wasStopped = stateOf(pid) === 'T';
  for (const member of wasStopped ? processTree(pid) : []) {
    try {
      process.kill(member, 'SIGCONT');
    } catch {
      // It ended meanwhile.
    }
  }
  return wasStopped;
}
