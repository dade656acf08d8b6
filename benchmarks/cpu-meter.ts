/** CPU and memory of processes as the kernel counts them (/proc): nobody measured has a say in it. */
import { readFileSync } from 'node:fs';
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { rounded } from './quantiles.ts';

/** USER_HZ, which Linux fixes at 100 for /proc. */
const ticksPerS = 100;

/** Seconds of CPU that the process has used, all threads. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerS;
}

export function rssBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) * 1024;
}

export class CpuMeter {
  readonly #pids: ReadonlyMap<string, number>;
  readonly #before: ReadonlyMap<string, number>;
  readonly #begun = performance.now();

  /** Starts measuring every process of the cluster and this one, the load generator. */
  constructor(cluster: ClusterProcess) {
    this.#pids = new Map([
      ...cluster
        .file()
        .processes.filter((row) => row.state === 'up')
        .map((row) => [row.name, row.pid] as const),
      ['load generator', process.pid],
    ]);
    this.#before = this.#read();
  }

  #read(): Map<string, number> {
    return new Map([...this.#pids].map(([name, pid]) => [name, cpuSeconds(pid)]));
  }

  /** Cores used by each process since the start, nodes added up, and by all together. */
  stop(): Record<string, number> {
    const seconds = (performance.now() - this.#begun) / 1_000;
    const after = this.#read();
    const cores: Record<string, number> = {};
    let all = 0;
    for (const [name, used] of after) {
      const share = (used - (this.#before.get(name) ?? 0)) / seconds;
      const label = /^n\d+$/.test(name) ? 'nodes' : /^g\d+$/.test(name) ? 'gateways' : name;
      cores[label] = (cores[label] ?? 0) + share;
      all += share;
    }
    return Object.fromEntries(
      [...Object.entries(cores), ['all', all]].map(([name, value]) => [name, rounded(value as number)]),
    );
  }
}

/** Resident memory of every node, in MB. */
export function nodesRssMb(cluster: ClusterProcess): Record<string, number> {
  const nodes = cluster.file().processes.filter((row) => row.role === 'node');
  return Object.fromEntries(nodes.map((row) => [row.name, Math.round(rssBytes(row.pid) / 1_048_576)]));
}
