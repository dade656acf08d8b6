import assert from 'node:assert/strict';
import { sendAway } from './departure.ts';

describe('the departure of sockets', () => {
  it('comes in stages, with times to come back that are spread, and ends when everybody was told', async () => {
    const told: number[] = [];
    const stages: { readonly ms: number; readonly run: () => void }[] = [];
    let draws = 0;
    const timers = {
      after: (ms: number, run: () => void) => {
        stages.push({ ms, run });
        return () => undefined;
      },
      every: () => () => undefined,
      soon: (run: () => void) => run(),
    };
    const random = { next: () => (draws++ % 100) / 100, token: () => '' };
    const sessions = Array.from({ length: 1_000 }, () => ({
      close: (_name: 'restarting', retryMs: number) => void told.push(retryMs),
    }));
    let isOver = false;
    const away = sendAway(sessions, 2_000, { timers, random }).then(() => (isOver = true));
    assert.ok(told.length > 0 && told.length < 500, `${told.length} were told at once`);
    let after = 0;
    for (let next = stages.shift(); next !== undefined; next = stages.shift()) {
      assert.equal(isOver, false);
      after += next.ms;
      next.run();
    }
    await away;
    assert.equal(told.length, 1_000);
    assert.ok(after >= 150, `all within ${after} ms`);
    assert.ok(told.every((ms) => ms >= 0 && ms <= 2_000) && new Set(told).size > 50);
  });

  it('of nobody ends at once', async () => {
    const timers = { after: () => assert.fail(), every: () => () => undefined, soon: () => undefined };
    await sendAway([], 2_000, { timers, random: { next: () => 0, token: () => '' } });
  });
});
