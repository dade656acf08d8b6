import assert from 'node:assert/strict';
import { Action, SubmitReply, SubmitRequest } from '../../proto/generated/hunt/v1/ingest.ts';
import { checkAction, parseAction } from './action.ts';
import { fingerprint } from './fingerprint.ts';
import { submitCodec } from './submit-codec.ts';

const samples: Record<string, unknown>[] = [
  { type: 'join', name: 'Ann' },
  { type: 'join' },
  { type: 'leave' },
  { type: 'finish' },
  { type: 'create_team', name: 'Red', pin: '1234' },
  { type: 'join_team', team: 't4' },
  { type: 'check_in', lat: 48.2, lon: -16.37, accuracy: 10, stage: 'gate' },
  { type: 'answer', clue: 'c1', text: 'Neptúne' },
  { type: 'scan', code: 'HX-2291' },
  { type: 'claim', treasure: 'coin' },
  { type: 'claim', treasure: 'coin', lat: 0, lon: 0, accuracy: 0, code: 'X' },
  { type: 'hint', clue: 'c1' },
  { type: 'skip' },
  { type: 'skip', stage: 'gate' },
];
const parsed = (value: unknown) => {
  const result = parseAction(value);
  assert.ok(result.ok, JSON.stringify(result));
  return result.action;
};
const faults = (value: unknown) => {
  const result = parseAction(value);
  return result.ok ? [] : result.errors.map(({ path }) => path);
};

describe('a player action', () => {
  it('has the same fingerprint as JSON and as any gRPC encoding, and another one than every other action', () => {
    const prints = samples.map((sample) => {
      const action = parsed(sample);
      const decoded = Action.decode(Action.encode(action).finish());
      assert.equal(fingerprint(decoded), fingerprint(action));
      assert.deepEqual(checkAction(decoded), []);
      return fingerprint(action);
    });
    assert.equal(new Set(prints).size, samples.length);
  });

  it('is normalised to NFC, so that a decomposed text is the same action', () => {
    assert.equal(
      fingerprint(parsed({ type: 'answer', clue: 'c', text: 'Neptu\u0301ne' })),
      fingerprint(parsed({ type: 'answer', clue: 'c', text: 'Nept\u00FAne' })),
    );
  });

  it('ignores unknown fields and names each faulty one', () => {
    assert.deepEqual(faults({ type: 'join', name: 'Ann', colour: 'red' }), []);
    assert.deepEqual(faults({ type: 'fly' }), ['/type']);
    assert.deepEqual(faults(null), ['/type']);
    assert.deepEqual(faults([]), ['/type']);
    assert.deepEqual(faults({ type: '__proto__' }), ['/type']);
    assert.deepEqual(faults({ type: 'join', name: 5 }), ['/name']);
    assert.deepEqual(faults({ type: 'join', name: 'x'.repeat(41) }), ['/name']);
    assert.deepEqual(faults({ type: 'join', name: '🦊'.repeat(40) }), []);
    assert.deepEqual(faults({ type: 'join', name: 'a\nb' }), ['/name']);
    assert.deepEqual(faults({ type: 'join', name: '\ud800' }), ['/name']);
    assert.deepEqual(faults({ type: 'answer', clue: 'c' }), ['/text']);
    assert.deepEqual(faults({ type: 'answer', clue: 'a b', text: 'x'.repeat(501) }), ['/clue', '/text']);
    assert.deepEqual(faults({ type: 'scan', code: '' }), ['/code']);
    assert.deepEqual(faults({ type: 'create_team', name: '', pin: '123' }), ['/name', '/pin']);
    assert.deepEqual(faults({ type: 'check_in', lat: 91, lon: 181, accuracy: -1 }), ['/lat', '/lon', '/accuracy']);
    assert.deepEqual(faults({ type: 'check_in', lat: Number.NaN, lon: Number.POSITIVE_INFINITY, accuracy: '5' }), [
      '/lat',
      '/lon',
      '/accuracy',
    ]);
    assert.deepEqual(faults({ type: 'claim', treasure: 'coin', lat: 1 }), ['/lat']);
  });

  it('tells an empty text from an absent one', () => {
    for (const [type, field] of [
      ['join', 'name'],
      ['create_team', 'pin'],
      ['join_team', 'pin'],
      ['check_in', 'stage'],
      ['claim', 'code'],
      ['skip', 'stage'],
    ] as const) {
      const rest = { name: 'n', team: 't', lat: 1, lon: 2, accuracy: 3, treasure: 'x', type };
      assert.deepEqual(faults({ ...rest, [field]: '' }), [`/${field}`], type);
    }
  });

  it('names field, limit and remedy', () => {
    const messages = (value: unknown) => {
      const result = parseAction(value);
      return result.ok ? [] : result.errors.map(({ message }) => message);
    };
    assert.deepEqual(messages({ type: 'check_in', lat: 91, lon: '2' }), [
      'lon must be a finite number: correct it',
      'accuracy is required: add it as a finite number',
    ]);
    assert.deepEqual(messages({ type: 'check_in', lat: 91, lon: 2, accuracy: 3 }), [
      'lat must be a number from -90 to 90: correct it',
    ]);
    assert.deepEqual(messages({ type: 'hint', clue: {} }), ['clue must be a text: correct it']);
    assert.deepEqual(messages({ type: 'claim', treasure: 'coin', lon: 1 }), [
      'lat, lon and accuracy belong together: send all three or none',
    ]);
    assert.deepEqual(messages({ type: 'answer', clue: 'c', text: 'x'.repeat(60_000) }), [
      'text must have at most 500 characters, has 60000: shorten it',
    ]);
  });

  it('is refused in no time when it stacks marks, whose order would take long to find', () => {
    const text = `a${'\u0301\u0323'.repeat(250_000)}`;
    const began = performance.now();
    assert.deepEqual(faults({ type: 'answer', clue: 'c', text }), ['/text']);
    assert.deepEqual(
      checkAction({ action: { $case: 'answer', value: { clue: 'c', text } } }).map(({ message }) => message),
      ['text must not stack more than 30 marks on one character: remove some'],
    );
    assert.ok(performance.now() - began < 1_000);
    assert.deepEqual(faults({ type: 'answer', clue: 'c', text: `e${'\u0301'.repeat(30)}` }), []);
  });

  it('is judged the same when it comes decoded, by gRPC', () => {
    assert.deepEqual(
      checkAction({ action: undefined }).map(({ path }) => path),
      ['/type'],
    );
    assert.deepEqual(
      checkAction({ action: { $case: 'checkIn', value: { lat: Number.NaN, lon: 0, accuracy: 1, stage: '' } } }).map(
        ({ path }) => path,
      ),
      ['/lat'],
    );
  });
});

describe('the submit codec', () => {
  const request = (action: Action | undefined, playerId = 'ann', seq = 3) =>
    SubmitRequest.encode({ huntId: 2 ** 41, playerId, seq, action }).finish();

  it('reads a request', () => {
    const action = parsed({ type: 'scan', code: 'X' });
    assert.deepEqual(submitCodec.decode(request(action)), {
      actorId: 2 ** 41,
      player: 'ann',
      seq: 3,
      fingerprint: fingerprint(action),
      action: action.action,
    });
  });

  it('answers what is no command with INVALID, and throws on bytes that are no request', () => {
    for (const bytes of [
      request(undefined),
      request(parsed({ type: 'leave' }), '@admin'),
      request(parsed({ type: 'leave' }), 'ann', 0),
      request({ action: { $case: 'scan', value: { code: '' } } }),
    ]) {
      const { action } = submitCodec.decode(bytes);
      assert.equal('code' in action && action.code, 'INVALID');
    }
    assert.throws(() => submitCodec.decode(Uint8Array.of(0x0a, 0xff)));
  });

  it('writes acks and nacks', () => {
    const ack = SubmitReply.decode(
      submitCodec.encodeAck(7, 'ann', 3, {
        version: 9,
        events: 2,
        duplicate: true,
        result: { stage: 'gate', points: -5, total: 0, opened: ['x'], stock_left: 0 },
      }),
    );
    assert.ok(ack.outcome?.$case === 'ack');
    const { result, ...rest } = ack.outcome.value;
    assert.deepEqual(rest, { version: 9, events: 2, duplicate: true });
    assert.deepEqual([result?.stage, result?.points, result?.opened, result?.stockLeft], ['gate', -5, ['x'], 0]);
    const nack = SubmitReply.decode(
      submitCodec.encodeNack(7, 'ann', 3, { code: 'BUSY', message: 'wait', retryMs: 50, detail: { a: 1 } }),
    );
    assert.deepEqual(nack.outcome, {
      $case: 'nack',
      value: { code: 'BUSY', message: 'wait', retryable: true, retryMs: 50, version: 0, detailJson: '{"a":1}' },
    });
  });
});
