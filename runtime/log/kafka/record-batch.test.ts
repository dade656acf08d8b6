import assert from 'node:assert/strict';
import fc from 'fast-check';
import { crc32c } from './crc32c.ts';
import { type Entry, type ForeignEntry, readEntry, recordValue, writeKey } from './entry.ts';
import { type KafkaRecord, readRecordBatches, writeRecordBatch } from './record-batch.ts';
import { WireReader, WireWriter } from './wire.ts';

const plain = { noNullPrototype: true };
const number = fc.oneof(fc.nat(300), fc.maxSafeNat());

function written(...batches: readonly (readonly KafkaRecord[])[]): Buffer {
  const out = new WireWriter();
  for (const records of batches) writeRecordBatch(out, records, 1_700_000_000_000);
  return out.written;
}

describe('records in Kafka', () => {
  it('have the checksum that Kafka checks', () => {
    const check = Buffer.from('..123456789..');
    assert.equal(crc32c(check, 2, 11) >>> 0, 0xe3069283);
  });

  it('come back from their batches byte for byte, and a batch that is cut off is left out', () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    const batch = fc.array(fc.record({ key: bytes, value: bytes }, plain), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(batch, batch, fc.nat(), (first, second, cut) => {
        const whole = written(first, second);
        const firstBytes = written(first).length;
        const end = firstBytes + (cut % (whole.length - firstBytes));
        const found: KafkaRecord[] = [];
        const offsets: number[] = [];
        readRecordBatches(whole, 0, end, (offset, { bytes: all, keyFrom, keyTo, valueFrom, valueTo }) => {
          offsets.push(offset);
          found.push({
            key: new Uint8Array(all.subarray(keyFrom, keyTo)),
            value: new Uint8Array(all.subarray(valueFrom, valueTo)),
          });
        });
        assert.deepEqual(found, first);
        assert.deepEqual(
          offsets,
          first.map((_, i) => i),
        );
      }),
    );
  });

  it('show every flipped byte behind the lengths', () => {
    const whole = written([{ key: Buffer.from('key'), value: Buffer.from('a value') }]);
    for (let at = 16; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] as number) ^ 0x10;
      assert.throws(
        () => readRecordBatches(flipped, 0, flipped.length, () => undefined),
        /checksum|format/,
        `byte ${at}`,
      );
    }
  });

  it('say who they are in their keys, and what is not ours is foreign', () => {
    const stream = fc.record({ kind: fc.stringMatching(/^[a-z]{1,12}$/), id: number }, plain);
    const entry: fc.Arbitrary<Exclude<Entry, ForeignEntry>> = fc.oneof(
      fc.record(
        {
          ...{ type: fc.constant('batch' as const), term: number, epoch: number, pointer: number, seq: number },
          ...{ total: number, stream, version: number, count: number, bytes: fc.uint8Array() },
        },
        plain,
      ),
      fc.record(
        {
          ...{ type: fc.constant('announcement' as const), term: number, epoch: number, pointer: number },
          owner: fc.string(),
        },
        plain,
      ),
      fc.record(
        {
          ...{ type: fc.constant('checkpoint' as const), position: number, trimmedTo: number },
          bytes: fc.uint8Array(),
        },
        plain,
      ),
    );
    fc.assert(
      fc.property(entry, (one) => {
        const bytes = written([{ key: writeKey(one), value: recordValue(one) }]);
        readRecordBatches(bytes, 0, bytes.length, (_, place) => {
          const found = readEntry(place);
          assert.deepEqual('bytes' in found ? { ...found, bytes: new Uint8Array(found.bytes) } : found, one);
        });
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (key) => {
        const bytes = written([{ key: Buffer.concat([Buffer.from([200]), key]), value: key }]);
        readRecordBatches(bytes, 0, bytes.length, (_, place) => assert.equal(readEntry(place).type, 'foreign'));
      }),
    );
  });

  it('keep numbers up to 2^53 - 1 in eight bytes, as varints, and -1', () => {
    fc.assert(
      fc.property(number, (value) => {
        const out = new WireWriter(1).i64(value).varint(value).i64(-1);
        const reader = new WireReader(out.written);
        assert.deepEqual([reader.i64(), reader.varint(), reader.i64()], [value, value, -1]);
        assert.equal(reader.left, 0);
      }),
    );
  });
});
