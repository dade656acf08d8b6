/** The PostgreSQL that a cluster of profile embedded runs for itself: struck like a server, started again by the supervisor. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { signalTree } from '../../servers/process-tree.ts';
import { until } from '../deadline.ts';
import type { Target } from './blow.ts';
import { isGone, processTree } from './process-state.ts';

const goneMsMax = 10_000;
const againMsMax = 30_000;
/** What stands in which line of postmaster.pid. */
const lines = { pid: 0, port: 3, status: 7 } as const;

export class OwnPostgres implements Target {
  #pid: number;

  constructor(private readonly dataDir: string) {
    this.#pid = Number(this.#line('pid'));
  }

  get pid(): number {
    return this.#pid;
  }
  get url(): string {
    const password = readFileSync(join(this.dataDir, 'postgres', 'password'), 'utf8').trim();
    return `postgres://hunt:${password}@127.0.0.1:${this.#line('port')}/postgres`;
  }

  async kill(): Promise<void> {
    const tree = signalTree(this.#pid, 'SIGKILL');
    await until('all processes of PostgreSQL to be gone', goneMsMax, () => tree.every(isGone));
  }

  async start(): Promise<void> {
    const before = this.#pid;
    await until('PostgreSQL to be started again', againMsMax, () => {
      this.#pid = Number(this.#line('pid'));
      return this.#pid !== before && this.#line('status') === 'ready';
    });
    await until('PostgreSQL to answer', againMsMax, async () => {
      const client = new pg.Client(this.url);
      client.on('error', () => undefined);
      await client.connect();
      await client.end();
      return true;
    });
  }

  pause(): void {
    signalTree(this.#pid, 'SIGSTOP');
  }

  resume(): void {
    for (const pid of processTree(this.#pid)) process.kill(pid, 'SIGCONT');
  }

  #line(name: keyof typeof lines): string {
    const home = join(this.dataDir, 'postgres');
    const major = readdirSync(home).find((entry) => /^\d+$/.test(entry)) ?? '';
    return (
      readFileSync(join(home, major, 'postmaster.pid'), 'utf8')
        .split('\n')
        [lines[name]]?.trim() ?? ''
    );
  }
}
