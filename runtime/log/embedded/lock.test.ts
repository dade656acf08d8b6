import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../kernel/clock.ts';
import { systemTimers } from '../../kernel/timer.ts';
import { type Lock, lockFolder } from './lock.ts';

describe("the lock of a log's folder", () => {
  let folder: string;
  const lock = (): Promise<Lock> => lockFolder(folder, systemClock, systemTimers, 1_000);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hunt-lock-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('tells of a restart of the machine until somebody has recovered from it, also after a start that broke off', async () => {
    writeFileSync(join(folder, 'owner.json'), JSON.stringify({ pid: 1, boot: 'another' }));
    for (let start = 1; start <= 2; start++) {
      const broken = await lock();
      assert.equal(broken.rebooted, true, `start ${start}`);
      await broken.release();
    }
    const whole = await lock();
    assert.equal(whole.rebooted, true);
    whole.recovered();
    await whole.release();
    const next = await lock();
    assert.equal(next.rebooted, false);
    await next.release();
  });

  it('tells of none in a new folder, nor when the same machine starts the log again', async () => {
    for (let start = 1; start <= 2; start++) {
      const held = await lock();
      assert.equal(held.rebooted, false, `start ${start}`);
      held.recovered();
      await held.release();
    }
  });
});
