/** What every PageStore must do. Each adapter's test calls this with a fixture of its own. */
import assert from 'node:assert/strict';
import { bytesOf, freshStream, type LogFixture, version } from './contract-fixture.ts';
import type { PageStore, StoredPage } from './page-store.ts';

export function pageStoreContract(
  name: string,
  make: () => Promise<LogFixture<PageStore & { close(): Promise<void> }>>,
): void {
  describe(`${name} as PageStore`, () => {
    let fixture: LogFixture<PageStore & { close(): Promise<void> }>;
    let pages: PageStore & { close(): Promise<void> };
    let zombie: PageStore & { close(): Promise<void> };

    before(async () => {
      fixture = await make();
      pages = await fixture.open();
      zombie = await fixture.open();
    });
    after(async () => {
      await pages?.close();
      await zombie?.close();
      await fixture?.close();
    });

    const page = (number: number, foldedTo: number, text: string): StoredPage => ({
      page: number,
      foldedTo: version(foldedTo),
      bytes: bytesOf(text),
    });
    const plain = (found: readonly (StoredPage | undefined)[]): unknown[] =>
      found.map((one) => one && [one.page, one.foldedTo, Buffer.from(one.bytes).toString()]);

    it('loads pages in the order asked for, and undefined for those that are not there', async () => {
      const stream = freshStream(3);
      await pages.save(stream, [page(0, 9, 'header'), page(7, 9, 'seven'), page(3, 8, '')]);
      assert.deepEqual(plain(await pages.load(stream, [7, 1, 0, 3, 7])), [
        [7, 9, 'seven'],
        undefined,
        [0, 9, 'header'],
        [3, 8, ''],
        [7, 9, 'seven'],
      ]);
      assert.deepEqual(await pages.load(freshStream(3), [0, 1]), [undefined, undefined]);
      assert.deepEqual(await pages.load(stream, []), []);
    });

    it('replaces a page by one that is not older, and never by an older one', async () => {
      const stream = freshStream(3);
      await pages.save(stream, [page(0, 10, 'new'), page(1, 10, 'new')]);
      await zombie.save(stream, [page(0, 9, 'old'), page(1, 11, 'newer'), page(2, 1, 'first')]);
      assert.deepEqual(plain(await pages.load(stream, [0, 1, 2])), [
        [0, 10, 'new'],
        [1, 11, 'newer'],
        [2, 1, 'first'],
      ]);
      await zombie.save(stream, [page(0, 10, 'same')]);
      assert.deepEqual(plain(await pages.load(stream, [0])), [[0, 10, 'same']]);
    });

    it('judges the pages of one save one by one, also the same page twice', async () => {
      const stream = freshStream(3);
      await pages.save(stream, [page(4, 5, 'five'), page(4, 4, 'four'), page(4, 6, 'six')]);
      assert.deepEqual(plain(await pages.load(stream, [4])), [[4, 6, 'six']]);
    });

    it('keeps the newest of concurrent saves', async () => {
      const stream = freshStream(3);
      const saves: Promise<void>[] = [];
      for (let v = 1; v <= 40; v++)
        saves.push((v % 2 ? pages : zombie).save(stream, [page(0, ((v * 17) % 41) + 1, `${((v * 17) % 41) + 1}`)]));
      await Promise.all(saves);
      assert.deepEqual(plain(await pages.load(stream, [0])), [[0, 41, '41']]);
    });

    it('forgets what is dropped, also what is not there, and takes any version afterwards', async () => {
      const stream = freshStream(3);
      await pages.save(stream, [page(0, 5, 'a'), page(1, 5, 'b')]);
      await pages.drop(stream, [1, 99]);
      assert.deepEqual(plain(await pages.load(stream, [0, 1])), [[0, 5, 'a'], undefined]);
      await pages.save(stream, [page(1, 2, 'again')]);
      assert.deepEqual(plain(await pages.load(stream, [1])), [[1, 2, 'again']]);
    });

    it('holds large pages and many of them', async () => {
      const stream = freshStream(3);
      const large = Array.from({ length: 40 }, (_, i) => page(i, 1, String(i).repeat(100_000).slice(0, 100_000)));
      await pages.save(stream, large);
      const found = await zombie.load(
        stream,
        large.map((one) => one.page),
      );
      assert.deepEqual(plain(found), plain(large));
    });

    it('keeps every page whole through a restart: an old one, a new one, or none', async function () {
      if (fixture.restartServer === undefined) this.skip();
      const stream = freshStream(3);
      await pages.save(stream, [page(0, 1, 'one')]);
      const saves = Array.from({ length: 50 }, (_, i) =>
        pages.save(stream, [page(0, i + 2, `${i + 2}`.repeat(1000)), page(1, i + 2, `${i + 2}`)]),
      );
      await fixture.restartServer();
      await Promise.all(saves);
      for (const one of await pages.load(stream, [0, 1])) {
        if (one === undefined) continue;
        const text = Buffer.from(one.bytes).toString();
        assert.equal(text, one.foldedTo === 1 ? 'one' : `${one.foldedTo}`.repeat(one.page === 0 ? 1000 : 1));
      }
    });
  });
}
