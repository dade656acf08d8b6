import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemTimers } from '../../runtime/kernel/timer.ts';
import { ConfigError } from './config.ts';
import { DataLock } from './data-lock.ts';
import { identityOf, isAlive } from './process-identity.ts';

describe('the lock of a data folder', () => {
  let folder: string;
  const started: ChildProcess[] = [];
  const sleeper = (): ChildProcess => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)'], { stdio: 'ignore' });
    started.push(child);
    return child;
  };
  const lockOf = (supervisor: object, ...children: object[]) =>
    writeFileSync(join(folder, 'up.lock'), JSON.stringify({ supervisor, children }));

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hunt-lock-'));
  });
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  it('is refused while its process lives, naming the pid', async () => {
    const lock = await DataLock.acquire(folder, systemTimers);
    await assert.rejects(
      DataLock.acquire(folder, systemTimers),
      (error) => error instanceof ConfigError && error.message.includes(String(process.pid)),
    );
    lock.release();
    (await DataLock.acquire(folder, systemTimers)).release();
    assert.deepEqual(readdirSync(folder), []);
  });

  it('is taken from a process that is dead, and from a pid that is somebody else by now', async () => {
    const dead = sleeper();
    const identity = identityOf(dead.pid as number);
    dead.kill('SIGKILL');
    await once(dead, 'exit');
    lockOf(identity);
    (await DataLock.acquire(folder, systemTimers)).release();
    lockOf({ pid: process.pid, started: '1' });
    (await DataLock.acquire(folder, systemTimers)).release();
    writeFileSync(join(folder, 'up.lock'), 'torn');
    (await DataLock.acquire(folder, systemTimers)).release();
  });

  it('ends the children that a dead supervisor left behind, and no process that only has the number of one', async () => {
    const orphan = identityOf(sleeper().pid as number);
    const stranger = identityOf(sleeper().pid as number);
    lockOf({ pid: process.pid, started: '1' }, orphan, { ...stranger, started: '1' });
    (await DataLock.acquire(folder, systemTimers)).release();
    assert.equal(isAlive(orphan), false);
    assert.equal(isAlive(stranger), true);
  });

  it('goes to one of many that find it stale at once', async () => {
    lockOf({ pid: process.pid, started: '1' });
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => DataLock.acquire(folder, systemTimers)));
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
  });
});
