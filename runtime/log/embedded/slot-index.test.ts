import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SlotIndex } from './slot-index.ts';
import { openLmdb, type Store, type Table } from './store.ts';

const slot = 7;
const everything = Number.MAX_SAFE_INTEGER;

describe('the index of slots', () => {
  let folder: string;
  let store: Store;
  let blocks: Table;
  const reached = (index: SlotIndex): number[][] =>
    index.runsFrom(slot, 0, everything).map(({ position, length }) => [position, position + length]);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hunt-slots-'));
    store = openLmdb(folder);
    blocks = store.table('slots');
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('loses and doubles nothing that comes behind records which a crash before the checkpoint made it scan again', async () => {
    const before = new SlotIndex(blocks);
    before.add(slot, 64, 100, 0);
    await store.batch(() => before.flush(164));
    // The checkpoint was not written: the next start scans the record again, and what is appended touches it.
    const index = new SlotIndex(blocks);
    index.add(slot, 64, 100, 0);
    index.add(slot, 164, 50, 0);
    assert.deepEqual(reached(index), [
      [64, 164],
      [164, 214],
    ]);
    await store.batch(() => index.flush(214));
    index.flushed();
    assert.deepEqual(reached(index), [
      [64, 164],
      [164, 214],
    ]);
    assert.equal(index.end(slot), 214);
  });
});
