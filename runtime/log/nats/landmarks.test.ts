import assert from 'node:assert/strict';
import { seeded } from '../contract-fixture.ts';
import { Landmarks } from './landmarks.ts';

describe('landmarks', () => {
  it('are the nearest ones around a version, in whatever order they were seen (seed 3)', () => {
    const landmarks = new Landmarks();
    const random = seeded(3);
    const versions = Array.from({ length: 200 }, (_, i) => i * 3 + 1).sort(() => random() - 0.5);
    for (const version of versions) landmarks.saw('a', version, version * 10);
    for (const version of versions) landmarks.saw('a', version, version * 10);
    assert.deepEqual(landmarks.around('a', 5), { below: { version: 4, seq: 40 }, above: { version: 7, seq: 70 } });
    assert.deepEqual(landmarks.around('a', 4), { below: { version: 4, seq: 40 }, above: { version: 7, seq: 70 } });
    assert.deepEqual(landmarks.around('a', 598), { below: { version: 598, seq: 5980 }, above: undefined });
    assert.deepEqual(landmarks.around('b', 5), { below: undefined, above: undefined });
  });

  it('are thinned out when there are many, the old ones first', () => {
    const landmarks = new Landmarks();
    for (let version = 1; version <= 100_000; version++) landmarks.saw('a', version, version);
    assert.equal(landmarks.around('a', 99_999).below?.version, 99_999, 'the newest are all there');
    const old = landmarks.around('a', 50_000);
    assert.ok(old.below !== undefined || old.above !== undefined, 'of the old ones some are');
  });
});
