import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** That process and all below it, itself first. PostgreSQL's processes lead sessions of their own: no group names them all. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const [child, parent] of parents()) {
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [child]);
    else siblings.push(child);
  }
  const tree = [pid];
  for (const at of tree) tree.push(...(children.get(at) ?? []));
  return tree;
}

/** Signals the whole tree from its root on, so that the root does not replace what ends below it. */
export function signalTree(pid: number, signal: NodeJS.Signals): number[] {
  // Stopped first: it cannot fork between our look and our signal.
  if (signal === 'SIGKILL') send(pid, 'SIGSTOP');
  if (signal === 'SIGSTOP') send(pid, 'SIGSTOP');
  const tree = processTree(pid);
  for (const member of tree) send(member, signal);
  return tree;
}

export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  if (process.platform !== 'linux') return true;
  try {
    return !/^(Z|X) /.test(statOf(pid));
  } catch {
    return false;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone, which is fine.
  }
}

/** What follows the command's name, which may contain anything: state, parent, ... */
function statOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2);
}

function* parents(): Generator<[child: number, parent: number]> {
  if (process.platform !== 'linux') {
    const lines = execFileSync('ps', ['-Ao', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
    for (const line of lines) {
      const [child, parent] = line.trim().split(/\s+/).map(Number);
      if (child !== undefined && parent !== undefined) yield [child, parent];
    }
    return;
  }
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      yield [Number(name), Number(statOf(Number(name)).split(' ')[1])];
    } catch {
      // It ended while we looked.
    }
  }
}
