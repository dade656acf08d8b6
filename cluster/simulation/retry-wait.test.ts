import assert from 'node:assert/strict';
import { Bucket } from '../../gateway/socket/bucket.ts';
import { liveDefaults } from '../../gateway/socket/live-config.ts';
import { drawOptions } from './options.ts';
import { retryWaitMs } from './retry-wait.ts';

/** What a gateway asks of a player who has spent all its actions: of all refusals the longest wait. */
function longestAskedMs(): number {
  const { playerRate } = liveDefaults;
  const bucket = new Bucket(playerRate, 0);
  for (let i = 0; i < playerRate.burst; i++) assert.equal(bucket.take(0), 0);
  return bucket.take(0);
}

describe('a simulated player that was refused for the moment', () => {
  it('comes back at least twice in the liveness phase, however often and for whatever it was refused', () => {
    const { livenessMs } = drawOptions(1);
    for (const askedMs of [undefined, 100, 1_000, longestAskedMs()])
      for (let refusals = 0; refusals < 20; refusals++)
        assert.ok(
          retryWaitMs(askedMs, refusals, 1) < livenessMs / 3,
          `asked to wait ${askedMs} ms, refused ${refusals} times before: waits ${retryWaitMs(askedMs, refusals, 1)} ms`,
        );
  });

  it('comes no sooner than it was asked to', () => {
    for (const askedMs of [1, 100, 1_000, longestAskedMs(), 20_000])
      for (let refusals = 0; refusals < 20; refusals++) assert.ok(retryWaitMs(askedMs, refusals, 0) >= askedMs);
  });

  it('waits longer the more often it was refused', () => {
    assert.deepEqual(
      [0, 1, 2, 3, 4].map((refusals) => retryWaitMs(100, refusals, 0)),
      [100, 200, 400, 800, 800],
    );
  });
});
