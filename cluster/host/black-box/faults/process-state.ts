/** What the kernel says of processes: the proof that a fault happened, whoever claims to have done it. */
import { readFileSync } from 'node:fs';
import { processTree, runs } from '../../servers/process-tree.ts';
import { until } from '../deadline.ts';

export { processTree };

const stoppedMsMax = 2_000;

/** As in /proc: R, S, D, T (stopped), Z; undefined: there is no such process. */
export function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  } catch {
    return undefined;
  }
}

export const isGone = (pid: number): boolean => !runs(pid);

/** Throws unless every one of them has ended. */
export function assertGone(pids: readonly number[]): void {
  const left = pids.filter((pid) => !isGone(pid));
  if (left.length > 0) throw new Error(`the fault did not happen: process ${left.join(', ')} lives`);
}

/** Throws unless that process and all below it are stopped. */
export function assertStopped(pid: number): void {
  for (const member of [pid, ...processTree(pid)]) {
    const state = stateOf(member);
    const isFine = state === 'T' || (member !== pid && (state === undefined || state === 'Z'));
    if (!isFine) throw new Error(`the fault did not happen: process ${member} is in state ${state ?? 'gone'}`);
  }
}

/** A signal is under way for a moment. */
export const untilStopped = (pid: number): Promise<unknown> =>
  until(`process ${pid} to be stopped`, stoppedMsMax, () => {
    assertStopped(pid);
    return true;
  });
