import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SubmitBatch, SubmitReply, SubmitRequest } from '../../proto/generated/hunt/v1/ingest.ts';
import { ReplyBox } from './reply-box.ts';
import { cutBatch, FramingError, nackTo, readHead } from './request-reader.ts';

const id = fc.stringMatching(/^[A-Za-z0-9_.:-]{1,64}$/);
const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const request = fc.record({
  huntId: number,
  playerId: id,
  seq: number,
  action: fc.option(
    fc.oneof(
      fc.string().map((text) => ({ action: { $case: 'answer' as const, value: { clue: 'c', text } } })),
      fc
        .double()
        .map((lat) => ({ action: { $case: 'checkIn' as const, value: { lat, lon: 1, accuracy: 2, stage: '' } } })),
    ),
    { nil: undefined },
  ),
});

describe('the light request reader', () => {
  it('sees what the generated code sees', () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 20 }), (requests) => {
        const bytes = SubmitBatch.encode({ requests }).finish();
        const cuts = cutBatch(bytes);
        assert.equal(cuts.length, requests.length * 2);
        requests.forEach(({ huntId, playerId, seq }, i) => {
          const [start, end] = [cuts[i * 2] as number, cuts[i * 2 + 1] as number];
          assert.deepEqual(readHead(bytes, start, end), { huntId, playerId, seq, fault: undefined });
          assert.deepEqual(
            SubmitRequest.decode(bytes.subarray(start, end)),
            SubmitRequest.decode(SubmitRequest.encode(requests[i] as SubmitRequest).finish()),
          );
        });
      }),
      { numRuns: 100 },
    );
  });

  it('either reads any bytes or throws a FramingError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const read of [() => cutBatch(bytes), () => readHead(bytes)]) {
          try {
            read();
          } catch (error) {
            assert.ok(error instanceof FramingError, String(error));
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('writes nacks that the generated code reads', () => {
    fc.assert(
      fc.property(request, fc.string({ maxLength: 300 }), (one, message) => {
        const bytes = SubmitRequest.encode(one).finish();
        const reply = SubmitReply.decode(nackTo(bytes, 0, bytes.length, 'BUSY', message, 7));
        assert.deepEqual(reply, {
          huntId: one.huntId,
          playerId: one.playerId,
          seq: one.seq,
          outcome: {
            $case: 'nack',
            value: {
              code: 'BUSY',
              message: Buffer.from(message).toString(),
              retryable: true,
              retryMs: 7,
              version: 0,
              detailJson: '',
            },
          },
        });
      }),
    );
  });
});

describe('the reply box', () => {
  it('holds a ReplyBatch of what was put in', async () => {
    const { ReplyBatch } = await import('../../proto/generated/hunt/v1/ingest.ts');
    const box = new ReplyBox();
    for (let round = 0; round < 3; round++) {
      const replies = Array.from({ length: 300 }, (_, seq) => ({
        huntId: 1,
        playerId: 'p'.repeat(seq % 60),
        seq,
        outcome: undefined,
      }));
      for (const reply of replies) box.add(SubmitReply.encode(reply).finish());
      assert.equal(box.count, 300);
      assert.deepEqual(ReplyBatch.decode(box.take()).replies, replies);
      assert.equal(box.count, 0);
    }
  });
});
