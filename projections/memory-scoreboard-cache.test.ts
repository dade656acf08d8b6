import assert from 'node:assert/strict';
import { MemoryScoreboardCache } from './memory-scoreboard-cache.ts';
import { boardOf, scoreboardCacheContract } from './scoreboard-cache.contract.ts';

scoreboardCacheContract('in the process', async () => {
  const cache = new MemoryScoreboardCache();
  return { writer: cache, reader: cache };
});

describe('scoreboards kept in the process', () => {
  it('take no more than their bytes: the least used goes first, and one that is larger than all is not kept', async () => {
    const bytesMax = 100_000;
    const cache = new MemoryScoreboardCache(bytesMax);
    const page = { limit: 1, offset: 0 };
    for (let hunt = 1; hunt <= 50; hunt++) {
      cache.keep(hunt, boardOf(5, 70));
      await cache.read(1, 5, page);
      assert.ok(cache.bytes <= bytesMax);
    }
    assert.notEqual(await cache.read(1, 5, page), undefined);
    assert.notEqual(await cache.read(50, 5, page), undefined);
    assert.equal(await cache.read(2, 5, page), undefined);
    cache.keep(51, boardOf(5, 2_000));
    assert.equal(await cache.read(51, 5, page), undefined);
  });
});
