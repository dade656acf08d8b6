import assert from 'node:assert/strict';
import { TestTime } from '../runtime.fixture.ts';
import { alarmWakeContract } from './alarm-wake.contract.ts';
import { EmbeddedAlarmWake } from './alarm-wake.ts';

alarmWakeContract("the process's own timer", async () => {
  const time = new TestTime();
  const unitMs = 1_000;
  return {
    unitMs,
    open: (fire) => new EmbeddedAlarmWake(time.clock, time.timers, fire),
    now: () => time.wall,
    pass: (units) => time.advance(units * unitMs),
    async until(what, holds) {
      for (let units = 0; !holds(); units++) {
        assert.ok(units < 100, `waited in vain for ${what}`);
        await time.advance(unitMs);
      }
    },
    close: async () => undefined,
  };
});

describe('the process as its own alarm clock', () => {
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
