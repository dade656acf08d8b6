import assert from 'node:assert/strict';
import { HuntDirectory } from './hunt-directory.ts';
import type { Problem } from './problem.ts';
import { ScriptedWorld } from './scripted-world.ts';

describe('the hunt directory', () => {
  it('asks once for many who want the same hunt, and then no more', async () => {
    const world = new ScriptedWorld();
    world.addHunt(5);
    const directory = new HuntDirectory(world);
    const found = await Promise.all(Array.from({ length: 20 }, () => directory.find(5)));
    assert.ok(found.every(({ owner }) => owner === 'dora'));
    assert.equal((await directory.find(5)).owner, 'dora');
    assert.equal(world.calls.length, 1);
    assert.equal(directory.peek(5)?.owner, 'dora');
  });

  it('remembers no refusal: a hunt that is made later is found', async () => {
    const world = new ScriptedWorld();
    const directory = new HuntDirectory(world);
    const code = (attempt: Promise<unknown>) =>
      attempt.then(
        () => 'found',
        (error: Problem) => error.code,
      );
    assert.equal(await code(directory.find(5)), 'HUNT_NOT_FOUND');
    world.addHunt(5);
    world.instead.set('access', [{ ok: false, code: 'UNAVAILABLE', message: 'no answer came' }]);
    assert.equal(await code(directory.find(5)), 'BUSY', 'a question that was not answered did nothing');
    assert.equal(await code(directory.find(5)), 'found');
  });
});
