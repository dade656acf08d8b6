/**
 * One log process a folder. On Linux an abstract Unix socket named after the folder is the lock: the kernel gives it to one
 * process only and takes it back when that process is really gone (after its last write), also after SIGKILL; a stopped
 * process keeps it. A file with the process number stands beside it for people, and is the lock elsewhere.
 */
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../../kernel/clock.ts';
import type { Timers } from '../../kernel/timer.ts';
import { isDiskTrouble } from './disk.ts';

const retryMs = 50;

export interface Lock {
  /** The machine was restarted since the folder was last served: what was not synced may be gone. */
  readonly rebooted: boolean;
  /** Says that what a restart left was seen to. Until then every start is told of the restart, also after one that was killed. */
  recovered(): void;
  release(): Promise<void>;
}

interface Owner {
  readonly pid: number;
  readonly boot: string;
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

function readOwner(path: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function bind(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(name, () => resolve(server));
    server.unref();
  });
}

/** Waits up to `patienceMs` for a former owner that is on its way out; then rejects, naming the owner. */
export async function lockFolder(folder: string, clock: Clock, timers: Timers, patienceMs: number): Promise<Lock> {
  const path = join(folder, 'owner.json');
  const { dev, ino } = statSync(folder);
  const name = `\0hunt-log-${createHash('sha256')
    .update(`${realpathSync(folder)} ${dev} ${ino}`)
    .digest('hex')
    .slice(0, 40)}`;
  const deadline = clock.monotonic() + patienceMs;
  let server: Server | undefined;
  for (;;) {
    const owner = readOwner(path);
    if (process.platform === 'linux') {
      server = await bind(name);
      if (server !== undefined) break;
    } else if (owner === undefined || owner.pid === process.pid || !isAlive(owner.pid)) break;
    if (clock.monotonic() > deadline) {
      throw new Error(`log folder ${folder} is in use by process ${owner?.pid ?? 'unknown'}: stop that one first`);
    }
    await new Promise<void>((resolve) => timers.after(retryMs, resolve));
  }
  const before = readOwner(path);
  const boot = bootId();
  const rebooted = before !== undefined && before.boot !== boot;
  // Replaced as a whole, and left as it is by a full disk: it tells the next start of a restart of the machine.
  const write = (owner: Owner): void => {
    const next = `${path}.new`;
    try {
      writeFileSync(next, JSON.stringify(owner));
      renameSync(next, path);
    } catch (error) {
      rmSync(next, { force: true });
      if (!isDiskTrouble(error) || server === undefined) throw error;
    }
  };
  let isRecovered = !rebooted;
  write({ pid: process.pid, boot: before?.boot ?? boot });
  return {
    rebooted,
    recovered() {
      isRecovered = true;
      write({ pid: process.pid, boot });
    },
    async release() {
      if (isRecovered) await rm(path, { force: true });
      if (server !== undefined) await new Promise((resolve) => server.close(resolve));
    },
  };
}
