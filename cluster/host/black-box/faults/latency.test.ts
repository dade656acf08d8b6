import assert from 'node:assert/strict';
import { latencyOf, noticed, ratioOf, strict } from './latency.ts';

const waits = (...times: number[]) => times.map((ms, i) => ({ seq: i, sentAt: i * 10, ms }));
const all = (...times: number[]) => latencyOf(waits(...times), [[0, 1_000_000]]);

describe('what players notice', () => {
  const calm = all(2, 2, 3, 3, 3, 4, 4, 4, 5, 9);

  it('is told by the actions that were sent in a phase', () => {
    const { acks, p50, max } = latencyOf(waits(1, 2, 3, 40, 50), [
      [0, 20],
      [40, 1_000],
    ]);
    assert.deepEqual([acks, p50, max], [3, 2, 50]);
  });

  it('is nothing where acks take as long as before, or some milliseconds more', () => {
    assert.equal(noticed(calm, all(3, 4, 5, 6), strict), undefined);
    assert.equal(noticed(calm, all(6, 7, 8, 9), strict), undefined);
  });

  it('is an ack that takes many times as long, a long wait, or none at all', () => {
    const slow = all(20, 21, 22, 23);
    assert.equal(ratioOf(calm, slow), 5.5);
    assert.match(noticed(calm, slow, strict) ?? '', /22.0 ms in the middle, 4.0 ms otherwise/);
    assert.match(noticed(calm, all(3, 4, 1_600), strict) ?? '', /waited 1600 ms/);
    assert.match(noticed(calm, all(), strict) ?? '', /nobody/);
  });

  it('is nothing that the machine did before, too', () => {
    assert.equal(noticed(all(2, 3, 4, 4, 5, 6, 7, 30, 40, 50), all(12, 20, 25, 30), strict), undefined);
  });
});
