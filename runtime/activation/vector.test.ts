import assert from 'node:assert/strict';
import { Record as GeneratedRecord } from '../../proto/generated/node/v1/record.ts';
import { decodeRecord, encodeRecord, RecordDamagedError, splitRecord } from './record.ts';
import { expandVectors, VersionVector, vectorEntriesMax } from './vector.ts';

describe('a version vector', () => {
  it('counts one more of the owner with every event, sorted by node', () => {
    const vector = new VersionVector([{ node: 'n2@1', count: 3 }]);
    vector.raise('n1@4');
    vector.raise('n1@4');
    vector.raise('n2@1');
    assert.deepEqual(vector.entries(), [
      { node: 'n1@4', count: 2 },
      { node: 'n2@1', count: 4 },
    ]);
    assert.equal(vector.sum(), 6);
  });

  it('folds the oldest incarnations into _ when a 17th key would come, and keeps the sum', () => {
    const vector = new VersionVector();
    for (let i = 1; i <= 16; i++) vector.raise(`n${i % 9}@${i}`);
    assert.equal(vector.entries().length, 16);
    vector.raise('n1@17');
    assert.equal(vector.sum(), 17);
    assert.equal(vector.entries().length, vectorEntriesMax);
    assert.deepEqual(
      vector.entries().find(({ node }) => node === '_'),
      { node: '_', count: 2 },
    );
    assert.equal(
      vector.entries().some(({ node }) => node === 'n1@1' || node === 'n2@2'),
      false,
    );
    vector.raise('n1@18');
    assert.deepEqual(
      [vector.sum(), vector.entries().length, vector.entries().find(({ node }) => node === '_')?.count],
      [18, 16, 3],
    );
  });

  it('breaks ties between equal incarnations by name', () => {
    const vector = new VersionVector(
      Array.from({ length: 16 }, (_, i) => ({ node: `n${String(i).padStart(2, '0')}@7`, count: 1 })),
    );
    vector.raise('n99@8');
    const nodes = vector.entries().map(({ node }) => node);
    assert.equal(nodes.includes('n00@7') || nodes.includes('n01@7'), false);
    assert.ok(nodes.includes('n02@7'));
  });

  it('is stored once a record, and given back to every event of it', () => {
    const events = [
      { vector: [{ node: 'n1@1', count: 4 }] },
      { vector: [] as { node: string; count: number }[] },
      { vector: [] },
    ];
    expandVectors(events, 'n2@9');
    assert.deepEqual(
      events.map(({ vector }) => vector.reduce((sum, { count }) => sum + count, 0)),
      [4, 5, 6],
    );
    assert.deepEqual(events[2]?.vector, [
      { node: 'n1@1', count: 4 },
      { node: 'n2@9', count: 2 },
    ]);
  });
});

describe('the bytes of a record', () => {
  const events = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(70_000, 7)];

  it('are those of the generated code, for epochs of any size', () => {
    for (const epoch of [1, 127, 128, 2 ** 31, 2 ** 40 + 5]) {
      const bytes = encodeRecord(events, epoch, 'n1@12');
      assert.deepEqual(Buffer.from(GeneratedRecord.encode({ events, epoch, owner: 'n1@12' }).finish()), bytes);
      const split = splitRecord(bytes);
      assert.deepEqual(
        [split.events.map((event) => Buffer.from(event)), split.epoch, split.owner],
        [events, epoch, 'n1@12'],
      );
    }
  });

  it('may carry fields of newer releases', () => {
    const bytes = Buffer.concat([
      encodeRecord(events, 3, 'n1@1'),
      Buffer.from([0xa0, 0x06, 0x05, 0xaa, 0x06, 0x01, 0x00]),
    ]);
    const { events: decoded, owner } = decodeRecord(bytes, { decode: (event) => event.byteLength });
    assert.deepEqual([decoded, owner], [[3, 0, 70_000], 'n1@1']);
  });

  it('are refused when they are damaged, at whatever byte they end', () => {
    const bytes = encodeRecord([Buffer.from('one')], 300, 'n1@1');
    for (let length = 1; length < bytes.length; length++) {
      try {
        splitRecord(bytes.subarray(0, length));
      } catch (error) {
        assert.ok(error instanceof RecordDamagedError);
      }
    }
    assert.throws(() => splitRecord(Buffer.from([0x0a, 0x05, 1])), RecordDamagedError);
    assert.throws(() => splitRecord(Buffer.from([0x0b])), RecordDamagedError);
  });
});
