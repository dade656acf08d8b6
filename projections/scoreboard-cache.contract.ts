/** What every ScoreboardCache must do. */
import assert from 'node:assert/strict';
import type { Scoreboard } from '../actors/hunt/interface.ts';
import { eventually } from '../runtime/log/contract-fixture.ts';
import type { ScoreboardCache } from './scoreboard-cache.ts';

export const boardOf = (version: number, entrants: number, held = entrants): Scoreboard => ({
  version,
  entrants,
  entries: Array.from({ length: held }, (_, i) => ({
    rank: i + 1,
    player: `p${i}`,
    name: `Çy "${i}" 🦊`,
    points: entrants - i,
    reached_version: i + 1,
  })),
});

const all = { limit: 1_000, offset: 0 };
let hunts = Date.now() % 2 ** 30;

/** The same cache twice where it is shared by processes: what the writer keeps, the reader must see. */
export interface CacheFixture {
  readonly writer: ScoreboardCache;
  readonly reader: ScoreboardCache;
}

export function scoreboardCacheContract(name: string, open: () => Promise<CacheFixture>): void {
  describe(`scoreboards kept ${name}`, () => {
    let writer: ScoreboardCache;
    let cache: ScoreboardCache;
    let hunt: number;
    before(async () => {
      ({ writer, reader: cache } = await open());
    });
    after(() => {
      writer?.close();
      cache?.close();
    });
    beforeEach(() => {
      hunt = ++hunts * 256;
    });
    const kept = async (board: Scoreboard, id = hunt): Promise<void> => {
      writer.keep(id, board);
      await eventually('the board to be kept', async () => (await cache.read(id, board.version, all)) !== undefined);
    };

    it('are given out whole and by page', async () => {
      await kept(boardOf(9, 250));
      assert.deepEqual(await cache.read(hunt, 9, all), boardOf(9, 250));
      assert.deepEqual(await cache.read(hunt, 9, { limit: 10, offset: 245 }), {
        ...boardOf(9, 250),
        entries: boardOf(9, 250).entries.slice(245),
      });
      assert.deepEqual((await cache.read(hunt, 9, { limit: 10, offset: 300 }))?.entries, []);
    });

    it('are given out only as the version that they are', async () => {
      await kept(boardOf(9, 3));
      assert.equal(await cache.read(hunt, 8, all), undefined);
      assert.equal(await cache.read(hunt, 10, all), undefined);
      assert.equal(await cache.read(hunt + 256, 9, all), undefined);
    });

    it('give way to newer ones, and not to older ones', async () => {
      await kept(boardOf(9, 3));
      await kept(boardOf(12, 5));
      writer.keep(hunt, boardOf(11, 4));
      // Whatever was to be written before the next board is written now.
      await kept(boardOf(1, 1), hunt + 256);
      assert.deepEqual(await cache.read(hunt, 12, all), boardOf(12, 5));
      assert.equal(await cache.read(hunt, 11, all), undefined);
      assert.equal(await cache.read(hunt, 9, all), undefined);
    });

    it('hold the first places of a large board, and say so by silence for the others', async () => {
      await kept(boardOf(9, 5_000, 2_000));
      assert.equal((await cache.read(hunt, 9, { limit: 1_000, offset: 1_000 }))?.entries.length, 1_000);
      assert.equal(await cache.read(hunt, 9, { limit: 1_000, offset: 1_001 }), undefined);
      assert.equal(await cache.read(hunt, 9, { limit: 10, offset: 6_000 }), undefined);
    });

    it('may be empty', async () => {
      await kept(boardOf(2, 0));
      assert.deepEqual(await cache.read(hunt, 2, all), boardOf(2, 0));
    });
  });
}
