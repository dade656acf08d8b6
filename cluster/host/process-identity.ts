import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A pid alone may be somebody else's by now; pid and start time together name one process. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When the kernel started it, in the system's own notation; empty when it cannot be told. */
  readonly started: string;
}

export const thisProcess = (): ProcessIdentity => ({ pid: process.pid, started: startOf(process.pid) });
export const identityOf = (pid: number): ProcessIdentity => ({ pid, started: startOf(pid) });

export function isAlive(identity: ProcessIdentity): boolean {
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return identity.started === '' || startOf(identity.pid) === identity.started;
}

/** Empty for a process that is gone, and for a zombie that only its parent still has to bury. */
function startOf(pid: number): string {
  try {
    if (process.platform !== 'linux')
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    // The command's name may contain blanks and parentheses: fields are counted behind its end. 3 = state, 22 = start.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '');
  } catch {
    return '';
  }
}
