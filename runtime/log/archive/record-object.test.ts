import assert from 'node:assert/strict';
import type { Position, Slot } from '../../../proto/ids.ts';
import { seeded } from '../contract-fixture.ts';
import { LogDamagedError, type LogRecord } from '../event-log.ts';
import { recordOf } from './archive.fixture.ts';
import { blockBytes, decodeObject, encodeObject } from './record-object.ts';

const meta = { slot: 7 as Slot, from: 100 as Position, to: 9_000 as Position, oldestAt: 5, newestAt: 6 };
const plain = (records: readonly LogRecord[]) =>
  records.map((one) => ({ ...one, bytes: Buffer.from(one.bytes).toString('latin1') }));

describe('an archive object', () => {
  it('gives back its records, and says where each stream is', async () => {
    const hunt = { kind: 'hunt', id: 263 };
    const key = { kind: 'key', id: 2 ** 52 + 7 };
    const records = [
      recordOf(hunt, 1, 100, 50, 3),
      recordOf(key, 1, 110, 0),
      ...Array.from({ length: 40 }, (_, i) => recordOf(hunt, 4 + i, 200 + i, blockBytes / 8)),
      recordOf(hunt, 50, 8_999, 3 * blockBytes),
    ];
    const { bytes, footer } = await encodeObject(meta, records);
    const decoded = await decodeObject(bytes, 'it');
    assert.deepEqual(plain(decoded.records), plain(records));
    assert.deepEqual(decoded.footer.meta, footer.meta);
    assert.deepEqual([footer.meta.records, footer.meta.oldestAt, footer.meta.newestAt], [43, 5, 6]);
    assert.ok(footer.blocks.length > 3, `${footer.blocks.length} blocks`);
    const { table, blocks } = decoded.footer;
    for (const record of records) {
      const row = table.find(record.stream, record.version);
      assert.ok(row !== undefined && row.first <= record.version && row.last >= record.version);
      const block = blocks[row.place[0]];
      assert.ok(block !== undefined && block.firstPosition <= record.position && block.lastPosition >= record.position);
    }
    assert.equal(table.find(hunt, 44 as never)?.first, 50, 'behind a gap, the first that comes');
    assert.equal(table.find(hunt, 51 as never), undefined);
    assert.equal(table.find({ kind: 'hunt', id: 264 }, 1 as never), undefined);
  });

  it('is the same bytes for the same records', async () => {
    const records = Array.from({ length: 300 }, (_, i) => recordOf({ kind: 'hunt', id: 263 }, 1 + i, 100 + i, 900));
    const [one, other] = [await encodeObject(meta, records), await encodeObject(meta, records)];
    assert.ok(one.bytes.equals(other.bytes));
    assert.ok(one.bytes.length < one.footer.meta.recordBytes / 2, 'and fewer than the records have');
  });

  it('is never taken for whole with any byte flipped, or cut anywhere', async () => {
    const random = seeded(5);
    const records = Array.from({ length: 12 }, (_, i) => ({
      ...recordOf({ kind: 'hunt', id: 263 }, 1 + i, 100 + i, 40),
      bytes: Buffer.from(Array.from({ length: 40 }, () => Math.floor(random() * 256))),
    }));
    const { bytes } = await encodeObject(meta, records);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
      await assert.rejects(decodeObject(flipped, 'flipped'), LogDamagedError, `byte ${at} of ${bytes.length}`);
      await assert.rejects(decodeObject(bytes.subarray(0, at), 'cut'), LogDamagedError, `cut at ${at}`);
    }
  });
});
