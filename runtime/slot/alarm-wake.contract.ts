/** What every AlarmWake must do. Times are in units: what a second is to one is a tenth to another. */
import assert from 'node:assert/strict';
import type { StreamId } from '../../proto/ids.ts';
import type { AlarmWake } from './alarm-wake.ts';

export interface WakeFixture {
  open(fire: (stream: StreamId) => void): AlarmWake;
  readonly unitMs: number;
  now(): number;
  /** Lets time pass until it holds; fails, saying what it waited for, when it will not. */
  until(what: string, holds: () => boolean): Promise<void>;
  /** Lets so much time pass: for what must not happen. */
  pass(units: number): Promise<void>;
  close(): Promise<void>;
}

export function alarmWakeContract(name: string, make: () => Promise<WakeFixture>): void {
  describe(`alarms woken by ${name}`, () => {
    let fixture: WakeFixture;
    let wake: AlarmWake;
    let fired: number[];
    const at = (units: number): number => fixture.now() + units * fixture.unitMs;
    const counter = (id: number): StreamId => ({ kind: 'counter', id });

    beforeEach(async () => {
      fixture = await make();
      fired = [];
      wake = fixture.open(({ id }) => fired.push(id));
    });
    afterEach(async () => {
      wake.close();
      await fixture.close();
    });

    it('fire each once, in the order of their times; replaced and disarmed ones do not', async () => {
      for (const id of [5, 1, 4, 2, 3]) wake.arm(counter(id), at(2 * id));
      wake.arm(counter(1), at(9));
      wake.disarm(counter(3));
      await fixture.until('the last', () => fired.includes(5));
      await fixture.pass(2);
      assert.deepEqual(fired, [2, 4, 1, 5]);
    });

    it('fire at once when their time is past', async () => {
      wake.arm(counter(1), at(-100));
      await fixture.until('it', () => fired.length > 0);
      assert.deepEqual(fired, [1]);
    });

    it('fire once, however often they were armed', async () => {
      const time = at(2);
      for (let i = 0; i < 10; i++) {
        wake.arm(counter(1), time);
        await fixture.pass(0.1);
      }
      await fixture.until('it', () => fired.length > 0);
      await fixture.pass(3);
      assert.deepEqual(fired, [1]);
    });

    it('may be set earlier, and anew by whom they woke', async () => {
      wake.close();
      const times: number[] = [];
      wake = fixture.open((stream) => {
        times.push(fixture.now());
        if (times.length < 3) wake.arm(stream, fixture.now() + fixture.unitMs);
      });
      wake.arm(counter(1), at(50));
      wake.arm(counter(1), at(1));
      await fixture.until('the third', () => times.length === 3);
      const [first = 0, second = 0, third = 0] = times;
      assert.ok(second - first >= fixture.unitMs && third - second >= fixture.unitMs, `${times}`);
    });

    it('tell actors of different kinds apart', async () => {
      wake.close();
      const kinds: string[] = [];
      wake = fixture.open(({ kind, id }) => kinds.push(`${kind}/${id}`));
      wake.arm({ kind: 'counter', id: 1 }, at(1));
      wake.arm({ kind: 'hunt', id: 1 }, at(2));
      await fixture.until('both', () => kinds.length === 2);
      assert.deepEqual(kinds, ['counter/1', 'hunt/1']);
    });

    it('fire all that are due at the same time', async () => {
      const ids = Array.from({ length: 500 }, (_, i) => i + 1);
      const time = at(3);
      for (const id of ids) wake.arm(counter(id), time);
      await fixture.until('all', () => fired.length >= ids.length);
      await fixture.pass(2);
      assert.deepEqual(
        [...fired].sort((a, b) => a - b),
        ids,
      );
    });

    it('fire no more once closed', async () => {
      wake.arm(counter(1), at(1));
      wake.close();
      wake.arm(counter(2), at(1));
      wake.disarm(counter(1));
      await fixture.pass(4);
      assert.deepEqual(fired, []);
    });
  });
}
