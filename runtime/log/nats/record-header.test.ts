import assert from 'node:assert/strict';
import { seeded } from '../contract-fixture.ts';
import {
  backBehind,
  backMax,
  encodeRecordHeader,
  headerValue,
  parseRecordHeader,
  type RecordHeader,
  waysBack,
} from './record-header.ts';

describe('the header of a record on NATS', () => {
  it('says again what it was told', () => {
    const header: RecordHeader = {
      version: 2 ** 40,
      count: 17,
      epoch: 9,
      previous: 123_456,
      back: '8c a 1z',
      id: 'x-1',
    };
    const block = encodeRecordHeader(header).toString('latin1');
    assert.deepEqual(parseRecordHeader(block), header);
    assert.equal(headerValue(block, 'Nats-Msg-Id'), 'x-1');
    const first: RecordHeader = { version: 1, count: 1, epoch: 0, previous: 0, back: '', id: 'x-2' };
    assert.deepEqual(parseRecordHeader(encodeRecordHeader(first).toString('latin1')), first);
  });

  it('is none where another program has written', () => {
    for (const block of [
      '',
      'NATS/1.0\r\n\r\n',
      'NATS/1.0 404 Message Not Found\r\n\r\n',
      'NATS/1.0\r\nHunt-Record: 1 x 2\r\n\r\n',
    ])
      assert.equal(parseRecordHeader(block), undefined);
  });

  it('leads back over the last sixteen messages of its stream, whatever lies between them (seed 7)', () => {
    const random = seeded(7);
    const seqs: number[] = [];
    let tip = { previous: 0, back: '' };
    for (let seq = 1 + Math.floor(random() * 1e6), i = 0; i < 200; i++, seq += 1 + Math.floor(random() ** 4 * 1e6)) {
      assert.deepEqual(waysBack(tip), seqs.slice(-backMax).reverse(), `record ${i + 1}`);
      tip = { previous: seq, back: i === 0 ? '' : backBehind(seq, tip) };
      seqs.push(seq);
    }
  });
});
