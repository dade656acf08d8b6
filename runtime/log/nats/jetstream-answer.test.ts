import assert from 'node:assert/strict';
import { appendAnswer } from './jetstream-answer.ts';

const answer = (value: object): unknown => {
  const { kind, ...rest } = appendAnswer(Buffer.from(JSON.stringify(value)));
  return 'reason' in rest ? [kind, rest.reason] : 'seq' in rest ? [kind, rest.seq] : [kind];
};
const refused = (err_code: number, description = 'x'): object => ({
  stream: 'hunt-log',
  seq: 0,
  error: { code: 400, err_code, description },
});

describe("JetStream's answer to an append", () => {
  it('is that it is stored, also when it was stored before', () => {
    assert.deepEqual(answer({ stream: 'hunt-log', seq: 17 }), ['stored', 17]);
    assert.deepEqual(answer({ stream: 'hunt-log', seq: 17, duplicate: true }), ['stored', 17]);
  });

  it('is that another message is the last one, by either code', () => {
    for (const code of [10071, 10164]) assert.deepEqual(answer(refused(code, 'wrong last sequence: 4')), ['moved']);
  });

  it('is a refusal only where the message was surely not stored', () => {
    assert.deepEqual(answer(refused(10077, 'maximum bytes exceeded')), ['refused', 'full']);
    assert.deepEqual(answer(refused(10023, 'insufficient resources')), ['refused', 'full']);
    assert.deepEqual(answer(refused(10054)), ['refused', 'too_large']);
    assert.deepEqual(answer(refused(10077, 'write hunt-log/1.blk: input/output error')), ['unsure']);
    assert.deepEqual(answer(refused(10008, 'JetStream system temporarily unavailable')), ['unsure']);
    assert.deepEqual(appendAnswer(Buffer.alloc(0)), { kind: 'unheard' });
  });
});
