import assert from 'node:assert/strict';
import { AppendRefusals } from './append-refusals.ts';

describe('appends that the log refuses', () => {
  let now = 0;
  const said: string[] = [];
  const refusals = new AppendRefusals(
    { monotonic: () => now },
    { warn: (facts, sentence) => said.push(`${sentence} ${JSON.stringify(facts)}`) },
  );

  it('make the process unready with the reason, and are said once', () => {
    assert.deepEqual(refusals.check(), { name: 'appends', ok: true });
    refusals.note('full', 'no space is left');
    now += 1_000;
    refusals.note('full', 'no space is left');
    assert.deepEqual(refusals.check(), { name: 'appends', ok: false, detail: 'full: no space is left' });
    assert.equal(said.length, 1);
    assert.match(said[0] ?? '', /no space is left/);
  });

  it('count until nothing was refused for 5 s, and are said again when they begin again', () => {
    now += 5_000;
    assert.equal(refusals.check().ok, true);
    refusals.note('damaged', 'segment 3');
    assert.equal(refusals.check().ok, false);
    assert.equal(said.length, 2);
  });

  it('are none of the log when one record is too large, or the log away', () => {
    now += 5_000;
    refusals.note('too_large', 'a record of 2 MB');
    refusals.note('busy', 'the log does not answer');
    assert.equal(refusals.check().ok, true);
    assert.equal(said.length, 2);
  });
});
