/**
 * SIGKILL and SIGSTOP, to servers and to our own processes, with the proof from the kernel. What players do meanwhile is the
 * caller's; whatever happens, what was stopped is continued.
 */
import type { ClusterProcess } from '../cluster-process.ts';
import { delay, until } from '../deadline.ts';
import { assertGone, assertStopped, isGone, processTree, untilStopped } from './process-state.ts';
import type { Away } from './strike.ts';

/** A server, or a process of ours. */
export interface Target {
  readonly pid: number;
  /** SIGKILL to it and all that it started; resolves when they are gone. */
  kill(): Promise<void>;
  /** Resolves when it serves again, under another pid. */
  start(): Promise<void>;
  pause(): void;
  resume(): void;
}

const goneMsMax = 10_000;
export const stoppedMs = 10_000;

/** `meanwhile` it is away. */
export async function killed(target: Target, meanwhile: () => Promise<unknown>): Promise<Away> {
  const { pid } = target;
  const tree = processTree(pid);
  const awayAt = performance.now();
  await target.kill();
  assertGone(tree);
  await meanwhile();
  const awayUntil = performance.now();
  await target.start();
  const backAt = performance.now();
  if (target.pid === pid) throw new Error(`the fault did not happen: process ${pid} is there again`);
  return { awayAt, awayUntil, backAt, proof: `pid ${pid} gone, now ${target.pid}` };
}

export async function stopped(
  target: Target,
  meanwhile: () => Promise<unknown>,
  forMs: number = stoppedMs,
): Promise<Away> {
  const { pid } = target;
  const awayAt = performance.now();
  let awayUntil = awayAt;
  target.pause();
  try {
    await untilStopped(pid);
    await meanwhile();
    await delay(Math.max(0, awayAt + forMs - performance.now()));
    assertStopped(pid);
    awayUntil = performance.now();
  } finally {
    target.resume();
  }
  const proof = `pid ${pid} in state T for ${((awayUntil - awayAt) / 1_000).toFixed(1)} s`;
  return { awayAt, awayUntil, backAt: performance.now(), proof };
}

/** A process of the cluster: its supervisor starts it again. */
export function roleOf(cluster: ClusterProcess, name: string): Target {
  let row = cluster.process(name);
  return {
    get pid() {
      return row.pid;
    },
    kill: async () => {
      row = cluster.kill(name);
      await until(`${name} to be gone`, goneMsMax, () => isGone(row.pid));
    },
    start: async () => {
      row = await cluster.respawned(row);
    },
    pause: () => {
      row = cluster.kill(name, 'SIGSTOP');
    },
    resume: () => process.kill(row.pid, 'SIGCONT'),
  };
}
