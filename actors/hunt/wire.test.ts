import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Event } from '../../proto/generated/hunt/v1/event.ts';
import { type Action, SubmitReply, SubmitRequest } from '../../proto/generated/hunt/v1/ingest.ts';
import { HuntEventAid } from '../../proto/generated/node/v1/record.ts';
import { eventCodec, type StoredEvent } from './event.ts';
import { submitCodec } from './submit-codec.ts';
import { readSubmitRequest } from './submit-request.ts';

/** What is written by hand must be what the generated code writes and reads. */
const text = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'grapheme', minLength: 17_000, maxLength: 17_100 }),
);
const short = fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme', maxLength: 130 }));
const count = fc.oneof(fc.constantFrom(0, 1, 127, 128, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER), fc.nat());
const signed = fc.integer({ min: -1_000_000_000, max: 1_000_000_000 });
const double = fc.double({ noNaN: true, noDefaultInfinity: true });
const place = fc.option(fc.record({ lat: double, lon: double, accuracy: double, distanceM: double }), {
  nil: undefined,
});

const outcome = fc.oneof(
  fc.record({
    $case: fc.constant('treasureClaimed' as const),
    value: fc.record({
      treasure: short,
      bonus: signed,
      first: fc.boolean(),
      stockLeft: count,
      limited: fc.boolean(),
      place,
    }),
  }),
  fc.record({
    $case: fc.constant('stageCompleted' as const),
    value: fc.record({ stage: short, by: fc.integer({ min: 0, max: 4 }), place, text: short }),
  }),
  fc.record({
    $case: fc.constant('answerRejected' as const),
    value: fc.record({
      stage: short,
      clue: short,
      text: short,
      attemptsLeft: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
      lockedUntil: count,
    }),
  }),
  fc.record({ $case: fc.constant('playerJoined' as const), value: fc.record({ name: short, rejoined: fc.boolean() }) }),
  fc.record({ $case: fc.constant('hintTaken' as const), value: fc.record({ stage: short, clue: short, n: fc.nat() }) }),
  fc.record({ $case: fc.constant('playerLeft' as const), value: fc.constant({}) }),
  fc.record({
    $case: fc.constant('huntCreated' as const),
    value: fc.record({ title: short, owner: short, definitionJson: text, lineage: short }),
  }),
);
const event = fc.record({
  huntId: count,
  version: count,
  playerId: short,
  seq: count,
  occurredAt: count,
  vector: fc.array(fc.record({ node: short, count }), { maxLength: 16 }),
  teamId: short,
  by: short,
  fingerprint: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  points: signed,
  outcome,
}) as fc.Arbitrary<Event>;
const aid = fc.record({
  prior: fc.option(
    fc.record({ points: signed, reachedVersion: count, ranked: fc.boolean(), name: short, finishedAt: count }),
    { nil: undefined },
  ),
  voided: fc.option(event, { nil: undefined }),
  requestKey: short,
  settled: fc.boolean(),
  opened: fc.array(short, { maxLength: 3 }),
  resumes: fc.boolean(),
  joinCode: short,
});
const action = fc.oneof(
  fc.record({ $case: fc.constant('join' as const), value: fc.record({ name: short }) }),
  fc.record({ $case: fc.constant('leave' as const), value: fc.constant({}) }),
  fc.record({ $case: fc.constant('finish' as const), value: fc.constant({}) }),
  fc.record({
    $case: fc.constant('checkIn' as const),
    value: fc.record({ lat: double, lon: double, accuracy: double, stage: short }),
  }),
  fc.record({ $case: fc.constant('answer' as const), value: fc.record({ clue: short, text: short }) }),
  fc.record({ $case: fc.constant('scan' as const), value: fc.record({ code: short }) }),
  fc.record({
    $case: fc.constant('claim' as const),
    value: fc.record({
      treasure: short,
      lat: fc.option(double, { nil: undefined }),
      lon: fc.option(double, { nil: undefined }),
      accuracy: fc.option(double, { nil: undefined }),
      code: short,
    }),
  }),
  fc.record({ $case: fc.constant('hint' as const), value: fc.record({ clue: short }) }),
  fc.record({ $case: fc.constant('skip' as const), value: fc.record({ stage: short }) }),
  fc.record({ $case: fc.constant('createTeam' as const), value: fc.record({ name: short, pin: short }) }),
  fc.record({ $case: fc.constant('joinTeam' as const), value: fc.record({ team: short, pin: short }) }),
);

describe('the hand-written wire format', () => {
  it('writes events byte for byte as the generated code does', () => {
    fc.assert(
      fc.property(event, aid, (bare, more) => {
        const stored = { ...bare, ...more } as StoredEvent;
        const want = Buffer.concat([Event.encode(bare).finish(), HuntEventAid.encode(more).finish()]);
        assert.deepEqual(Buffer.from(eventCodec.encode(stored)), want);
      }),
      { numRuns: 150 },
    );
  });

  it('reads requests as the generated code does', () => {
    fc.assert(
      fc.property(count, short, count, fc.option(action, { nil: undefined }), (huntId, playerId, seq, act) => {
        const request = {
          huntId,
          playerId,
          seq,
          action: act === undefined ? undefined : { action: act as NonNullable<Action['action']> },
        };
        const bytes = SubmitRequest.encode(request).finish();
        assert.deepEqual(readSubmitRequest(bytes), SubmitRequest.decode(bytes));
      }),
      { numRuns: 300 },
    );
  });

  it('passes over unknown fields and cases, and throws on bytes cut short', () => {
    const bytes = SubmitRequest.encode({
      huntId: 5,
      playerId: 'ann',
      seq: 1,
      action: { action: { $case: 'scan', value: { code: 'X' } } },
    }).finish();
    const unknown = Buffer.from([
      ...bytes,
      0x9a,
      0x06,
      0x02,
      1,
      2,
      0xa0,
      0x06,
      0x80,
      0x01,
      0xad,
      0x06,
      1,
      2,
      3,
      4,
      0xb1,
      0x06,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
    ]);
    assert.deepEqual(readSubmitRequest(unknown), SubmitRequest.decode(bytes));
    assert.deepEqual(readSubmitRequest(Uint8Array.of(0x22, 0x03, 0xa2, 0x06, 0x00)).action, { action: undefined });
    for (let cut = 1; cut < bytes.length; cut++) {
      try {
        readSubmitRequest(bytes.subarray(0, cut));
      } catch (error) {
        assert.ok(error instanceof RangeError);
      }
    }
    assert.throws(() => readSubmitRequest(bytes.subarray(0, bytes.length - 1)), RangeError);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
        try {
          readSubmitRequest(noise);
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('writes replies that the generated code reads', () => {
    const result = fc.record(
      {
        points: signed,
        total: signed,
        stage: short,
        treasure: short,
        clue: short,
        team: short,
        name: short,
        bonus: signed,
        first: fc.boolean(),
        stock_left: count,
        distance_m: double,
        text: short,
        n: fc.nat(),
        left: fc.nat(),
        rejoined: fc.boolean(),
        finished_at: count,
        opened: fc.array(short, { maxLength: 4 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(count, short, count, result, fc.boolean(), (huntId, playerId, seq, r, duplicate) => {
        const decoded = SubmitReply.decode(
          submitCodec.encodeAck(huntId, playerId, seq, { version: seq, events: 2, duplicate, result: r }),
        );
        const want = {
          points: r.points ?? 0,
          total: r.total ?? 0,
          stage: r.stage ?? '',
          treasure: r.treasure ?? '',
          clue: r.clue ?? '',
          team: r.team ?? '',
          name: r.name ?? '',
          bonus: r.bonus ?? 0,
          first: r.first ?? false,
          stockLeft: r.stock_left,
          distanceM: r.distance_m,
          text: r.text ?? '',
          n: r.n,
          left: r.left,
          rejoined: r.rejoined ?? false,
          finishedAt: r.finished_at ?? 0,
          opened: r.opened ?? [],
        };
        const encoded = SubmitReply.encode({
          huntId,
          playerId,
          seq,
          outcome: { $case: 'ack', value: { version: seq, events: 2, duplicate, result: want } },
        }).finish();
        assert.deepEqual(decoded, SubmitReply.decode(encoded));
      }),
      { numRuns: 150 },
    );
  });
});
