import assert from 'node:assert/strict';
import { ActorSpec } from '../spec.ts';
import { joinCodeActor } from './actor.ts';

describe('a join code', () => {
  it('belongs to the first hunt that claims it, and to no other', () => {
    const code = new ActorSpec(joinCodeActor, 5);
    assert.deepEqual(code.query('get'), {
      code: 'HUNT_NOT_FOUND',
      message: 'no hunt has this join code: check it',
    });
    assert.equal(code.command('claim', { hunt_id: 77 }).code, undefined);
    assert.equal(code.command('claim', { hunt_id: 78 }).code, 'ALREADY_DONE');
    assert.deepEqual(code.query('get'), { hunt_id: 77 });
    assert.deepEqual(code.replayed(), code.packed());
  });

  it('refuses what is no hunt', () => {
    for (const body of [null, {}, { hunt_id: 0 }, { hunt_id: 1.5 }, { hunt_id: '7' }])
      assert.equal(new ActorSpec(joinCodeActor, 5).command('claim', body).code, 'INVALID');
  });
});
