import assert from 'node:assert/strict';
import { ImpossibleStepError, type Life, type LifeStep, transition } from './lifecycle.ts';

const life = (...steps: LifeStep[]): Life => steps.reduce<Life>(transition, { kind: 'loading' });
const loaded: LifeStep = { step: 'loaded' };
const doubt: LifeStep = { step: 'doubt' };
const certain: LifeStep = { step: 'certain' };
const drain: LifeStep = { step: 'drain' };
const fault: LifeStep = { step: 'fault' };
const end: LifeStep = { step: 'end', reason: 'idle' };

describe('the life of an activation', () => {
  it('goes back to what it was doing once a doubt is settled', () => {
    assert.deepEqual(life(loaded, doubt, certain), { kind: 'active' });
    assert.deepEqual(life(loaded, drain, doubt, certain), { kind: 'draining' });
    assert.deepEqual(life(loaded, doubt, drain, certain), { kind: 'draining' });
  });

  it('ends from everywhere, once', () => {
    for (const steps of [[], [loaded], [loaded, doubt], [loaded, drain], [loaded, fault]])
      assert.deepEqual(life(...steps, end), { kind: 'ended', reason: 'idle' });
    assert.throws(() => life(end, end), ImpossibleStepError);
  });

  it('takes no step that makes no sense', () => {
    for (const steps of [
      [doubt],
      [drain],
      [certain],
      [loaded, loaded],
      [loaded, certain],
      [loaded, fault, doubt],
      [loaded, fault, certain],
    ]) {
      assert.throws(() => life(...steps), ImpossibleStepError);
    }
  });
});
