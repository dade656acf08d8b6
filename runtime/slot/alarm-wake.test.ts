import assert from 'node:assert/strict';
import { TestTime } from '../runtime.fixture.ts';
import { EmbeddedAlarmWake } from './alarm-wake.ts';

describe('the process as its own alarm clock', () => {
  it('fires each in the order of their times, replaced and disarmed ones not at all', async () => {
    const time = new TestTime();
    const fired: number[] = [];
    const wake = new EmbeddedAlarmWake(time.clock, time.timers, ({ id }) => fired.push(id));
    const at = (ms: number): number => time.wall + ms;
    for (const id of [5, 1, 4, 2, 3]) wake.arm({ kind: 'counter', id }, at(id * 1_000));
    wake.arm({ kind: 'counter', id: 1 }, at(4_500));
    wake.disarm({ kind: 'counter', id: 3 });
    await time.advance(6_000);
    assert.deepEqual(fired, [2, 4, 1, 5]);
    wake.close();
  });

  it('rings for one far away, through the limit of a timer, and for one long past', async () => {
    const time = new TestTime();
    const fired: number[] = [];
    const wake = new EmbeddedAlarmWake(time.clock, time.timers, ({ id }) => fired.push(id));
    wake.arm({ kind: 'counter', id: 1 }, time.wall + 150_000);
    wake.arm({ kind: 'counter', id: 2 }, time.wall - 150_000);
    await time.advance(1_000);
    assert.deepEqual(fired, [2]);
    await time.advance(150_000);
    assert.deepEqual(fired, [2, 1]);
    wake.close();
  });

  it('notices a wall clock that was set forward within a minute', async () => {
    const time = new TestTime();
    const fired: number[] = [];
    const wake = new EmbeddedAlarmWake(time.clock, time.timers, ({ id }) => fired.push(id));
    wake.arm({ kind: 'counter', id: 1 }, time.wall + 3_600_000);
    time.wall += 3_600_000;
    await time.advance(61_000);
    assert.deepEqual(fired, [1]);
    wake.close();
  });
});
