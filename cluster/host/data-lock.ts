/**
 * One supervisor a data folder.
 *
 * Owns: `up.lock` in the data folder, which names the supervisor and the children that it started.
 * Keeps: a lock is in force exactly as long as the process lives that it names (pid and start time), so that after a
 * SIGKILL of everything the next start works; children of a dead supervisor that still run are ended first.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Timers } from '../../runtime/kernel/timer.ts';
import { isDiskTrouble } from '../../runtime/log/embedded/disk.ts';
import { ConfigError } from './config.ts';
import { identityOf, isAlive, type ProcessIdentity, thisProcess } from './process-identity.ts';

/** How long a process that was killed may take to vanish before we give up. */
const dyingMs = 10_000;
const pollMs = 20;
const triesMax = 20;

interface LockText {
  readonly supervisor: ProcessIdentity;
  readonly children: readonly ProcessIdentity[];
}

export class DataLock {
  readonly #path: string;
  readonly #self = thisProcess();
  readonly #children = new Map<string, ProcessIdentity>();

  private constructor(path: string) {
    this.#path = path;
  }

  /** Throws {@link ConfigError} naming the pid when a living supervisor has the folder. */
  static async acquire(dataDir: string, timers: Timers): Promise<DataLock> {
    const lock = new DataLock(join(dataDir, 'up.lock'));
    const mine = `${lock.#path}.${process.pid}`;
    writeFileSync(mine, lock.#text(), { mode: 0o600 });
    try {
      for (let tries = 0; tries < triesMax; tries++) {
        try {
          linkSync(mine, lock.#path);
          return lock;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        }
        await lock.#clearStale(timers);
      }
      throw new ConfigError([
        `${lock.#path} keeps changing: other starts on this data folder are under way; end them or choose another --data-dir`,
      ]);
    } finally {
      rmSync(mine, { force: true });
    }
  }

  /** Remembers a child under its name, so that a later start can end it if we cannot. */
  noteChild(name: string, pid: number): void {
    this.#children.set(name, identityOf(pid));
    this.#write();
  }

  forgetChild(name: string): void {
    if (this.#children.delete(name)) this.#write();
  }

  release(): void {
    rmSync(this.#path, { force: true });
  }

  async #clearStale(timers: Timers): Promise<void> {
    const found = readLock(this.#path);
    if (found === undefined) return;
    if (isAlive(found.supervisor)) {
      throw new ConfigError([
        `the data folder is in use by process ${found.supervisor.pid}: stop that one, or choose another --data-dir`,
      ]);
    }
    const leftovers = found.children.filter(isAlive);
    for (const child of leftovers) {
      try {
        process.kill(child.pid, 'SIGKILL');
      } catch {
        // It went by itself in the meantime.
      }
    }
    for (let waited = 0; leftovers.some(isAlive); waited += pollMs) {
      if (waited > dyingMs)
        throw new ConfigError([
          `process ${leftovers.find(isAlive)?.pid} of an earlier start does not end: end it, or choose another --data-dir`,
        ]);
      await new Promise<void>((resolve) => timers.after(pollMs, resolve));
    }
    // Renamed, not removed: of two starts that found the same stale lock only one may take it away.
    const grave = `${this.#path}.stale.${process.pid}`;
    try {
      renameSync(this.#path, grave);
    } catch {
      return;
    }
    const buried = readLock(grave);
    if (buried !== undefined && isAlive(buried.supervisor)) {
      try {
        linkSync(grave, this.#path);
      } catch {
        // A third start holds the lock by now; whoever lost it will find its own name missing.
      }
    }
    rmSync(grave, { force: true });
  }

  /** Where the disk is full the lock names who was there before: a child that it does not know ends itself with its supervisor. */
  #write(): void {
    const next = `${this.#path}.next`;
    try {
      writeFileSync(next, this.#text(), { mode: 0o600 });
    } catch (error) {
      if (isDiskTrouble(error)) return;
      throw error;
    }
    renameSync(next, this.#path);
  }

  #text(): string {
    return JSON.stringify({ supervisor: this.#self, children: [...this.#children.values()] } satisfies LockText);
  }
}

/** Undefined when there is none any more. A lock that cannot be read names nobody: it is stale. */
function readLock(path: string): LockText | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const lock = JSON.parse(text) as LockText;
    if (typeof lock.supervisor.pid === 'number' && Array.isArray(lock.children)) return lock;
  } catch {
    // Falls through.
  }
  return { supervisor: { pid: -1, started: 'unreadable' }, children: [] };
}
