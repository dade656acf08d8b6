/** What every Archive must do. Each adapter's test calls this with a fixture of its own. */
import assert from 'node:assert/strict';
import type { Archive } from './archive.ts';

export interface ArchiveFixture {
  /** The archive as another process would open it: nothing is shared but what is stored. */
  open(): Archive;
  close(): Promise<void>;
}

export function archiveContract(name: string, make: () => Promise<ArchiveFixture>): void {
  describe(`${name} as Archive`, () => {
    let fixture: ArchiveFixture;
    let archive: Archive;

    beforeEach(async () => {
      fixture = await make();
      archive = fixture.open();
    });
    afterEach(() => fixture.close());

    const names = async (prefix: string): Promise<string[]> => (await archive.list(prefix)).map((one) => one.name);
    const bytes = (length: number, fill: number): Buffer => Buffer.alloc(length, fill);

    it('gives back what was put, to others too', async () => {
      await archive.put('077/a.records', bytes(100_000, 1));
      await archive.put('077/empty', bytes(0, 0));
      const other = fixture.open();
      assert.deepEqual(await other.get('077/a.records'), bytes(100_000, 1));
      assert.deepEqual(await other.get('077/empty'), bytes(0, 0));
      assert.equal(await other.get('077/b.records'), undefined);
      assert.equal(await other.get('078/a.records'), undefined);
    });

    it('gives ranges, as far as the object goes', async () => {
      await archive.put('a', Buffer.from('0123456789'));
      const get = async (offset: number, length: number) => (await archive.get('a', { offset, length }))?.toString();
      assert.deepEqual([await get(0, 3), await get(4, 2), await get(8, 10), await get(10, 5)], ['012', '45', '89', '']);
      assert.equal(await archive.get('b', { offset: 0, length: 1 }), undefined);
    });

    it('lists by prefix, by name, with sizes, and nothing before anything was put', async () => {
      assert.deepEqual(await archive.list(''), []);
      assert.deepEqual(await archive.list('077/'), []);
      for (const name of ['077/b', '077/a', '07/x', '078/c/d', '077/deeper/z']) await archive.put(name, bytes(7, 1));
      assert.deepEqual(await names('077/'), ['077/a', '077/b', '077/deeper/z']);
      assert.deepEqual(await names(''), ['07/x', '077/a', '077/b', '077/deeper/z', '078/c/d']);
      assert.deepEqual(await names('079/'), []);
      assert.deepEqual((await archive.list('07/'))[0], { name: '07/x', bytes: 7 });
    });

    it('replaces an object as a whole', async () => {
      await archive.put('a', bytes(10_000, 1));
      await archive.put('a', bytes(10, 2));
      assert.deepEqual(await archive.get('a'), bytes(10, 2));
      assert.deepEqual(await archive.list(''), [{ name: 'a', bytes: 10 }]);
    });

    it('shows one whole object, however many put it at once', async () => {
      const writers = Array.from({ length: 8 }, (_, i) => fixture.open().put('a/b', bytes(200_000, i)));
      let done = false;
      const all = Promise.all(writers).then(() => {
        done = true;
      });
      while (!done) {
        const seen = await archive.get('a/b');
        assert.ok(seen === undefined || seen.equals(bytes(200_000, seen[0] as number)), 'whole or not at all');
      }
      await all;
      assert.deepEqual(await names(''), ['a/b']);
    });

    it('refuses names that not every store could hold', async () => {
      for (const name of ['', '/a', 'a/', 'a//b', '../a', 'a/../b', 'A', 'a b', '.a', 'a'.repeat(201)]) {
        await assert.rejects(archive.put(name, bytes(1, 1)), RangeError, name);
        await assert.rejects(archive.get(name), RangeError, name);
      }
      for (const prefix of ['a', '/', '../']) await assert.rejects(archive.list(prefix), RangeError, prefix);
    });
  });
}
