import assert from 'node:assert/strict';
import type { FullEvent } from '../wire.ts';
import { foldBoard, judgeBoard } from './board.ts';
import { judgeEffects, judgeRefusals, type LedgerEntry } from './effects.ts';
import { judgeCopies, judgeHistory, judgeStep } from './history.ts';
import { SecretScan } from './secrets.ts';
import { judgeDelivery, SubscriptionJudge } from './subscription.ts';

const event = (version: number, more: Partial<FullEvent> = {}): FullEvent => ({
  version,
  player: 'ann',
  type: 'TreasureClaimed',
  at: 1_000 + version,
  vector: { 'n1@1': version },
  ...more,
});
const kinds = (faults: readonly { kind: string }[]): string[] => [...new Set(faults.map((one) => one.kind))];

describe('the judge of histories', () => {
  it('finds nothing in a good one, over a change of owner', () => {
    assert.deepEqual(judgeHistory([event(1), event(2), event(3, { vector: { 'n1@1': 2, 'n2@4': 1 } })]), []);
  });
  it('finds holes, repeats, falling time and vectors that are no chain', () => {
    assert.deepEqual(kinds(judgeHistory([event(1), event(3)])), ['hole or fork', 'vector']);
    assert.deepEqual(kinds(judgeHistory([event(1), event(1)])), ['hole or fork', 'vector']);
    assert.deepEqual(kinds(judgeHistory([event(1), event(2, { at: 5 })])), ['time']);
    assert.deepEqual(kinds(judgeHistory([event(1), event(2, { vector: { 'n2@1': 2 } })])), ['vector']);
    assert.ok(kinds(judgeStep({ 'n1@1': 2 }, { 'n1@1': 1, 'n2@1': 2 }, 3)).includes('fork'));
    assert.deepEqual(kinds(judgeHistory([event(1, { vector: { n1: 1 } })])), ['vector']);
  });
  it('follows the oldest key into `_`', () => {
    const full = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`n${i}@1`, 1]));
    const { 'n0@1': _gone, ...rest } = full;
    assert.deepEqual(judgeStep(full, { ...rest, _: 1, 'n16@1': 1 }, 17), []);
    assert.notEqual(judgeStep({ 'n1@1': 1 }, { _: 1, 'n2@1': 1 }, 2).length, 0);
  });
  it('finds two events of one version in two copies', () => {
    assert.deepEqual(judgeCopies([[event(1)], [event(1)]]), []);
    assert.deepEqual(kinds(judgeCopies([[event(1)], [event(1, { player: 'bob' })]])), ['fork']);
  });
});

describe('the judge of effects', () => {
  const entry = (seq: number, replies: LedgerEntry['replies'], type = 'claim'): LedgerEntry => ({
    player: 'ann',
    seq,
    action: { type },
    replies,
  });
  const ack = (version: number, events = 1): LedgerEntry['replies'][number] => ({
    kind: 'ack',
    version,
    events,
    duplicate: false,
  });
  const nack = (code: string, retryable = false, version?: number): LedgerEntry['replies'][number] => ({
    kind: 'nack',
    code,
    retryable,
    version,
  });

  it('finds nothing where every reply is true', () => {
    const events = [
      event(1, { seq: 1 }),
      event(2, { seq: 3, type: 'AnswerRejected' }),
      event(3, { seq: 4 }),
      event(4, { seq: 4, type: 'StageCompleted' }),
    ];
    const ledger = [
      entry(1, [ack(1), ack(1)]),
      entry(2, [nack('NOT_FOUND')]),
      entry(3, [nack('WRONG_ANSWER', false, 2)], 'answer'),
      entry(4, [nack('BUSY', true), ack(4, 2)]),
      entry(5, []),
    ];
    assert.deepEqual(judgeEffects(events, ledger), []);
    assert.deepEqual(kinds(judgeRefusals(ledger)), ['refused']);
  });
  it('finds what was lost, doubled, changed, or had an effect in spite of a refusal', () => {
    assert.deepEqual(kinds(judgeEffects([], [entry(1, [ack(1)])])), ['lost']);
    assert.ok(
      kinds(judgeEffects([event(1, { seq: 1 }), event(2, { seq: 1 })], [entry(1, [ack(1)])])).includes(
        'doubled or torn',
      ),
    );
    assert.ok(kinds(judgeEffects([event(1, { seq: 1 }), event(2, { seq: 1 })], [entry(1, [])])).includes('doubled'));
    assert.ok(kinds(judgeEffects([event(1, { seq: 1 })], [entry(1, [ack(1), ack(2)])])).includes('two outcomes'));
    assert.deepEqual(kinds(judgeEffects([event(1, { seq: 1 })], [entry(1, [nack('NOT_FOUND')])])), [
      'effect of a refusal',
    ]);
    assert.deepEqual(kinds(judgeEffects([event(1, { seq: 9 })], [entry(1, [])])), ['phantom']);
    assert.deepEqual(kinds(judgeEffects([event(1, { seq: 1, type: 'PlayerLeft' })], [entry(1, [ack(1)])])), [
      'wrong event',
    ]);
  });
});

describe('the judge of subscriptions', () => {
  const snap = (version: number, mode: 'all' | 'own' = 'all') =>
    ({ t: 'snap', hunt: 1, version, mode, lineage: 'l', state: { hunt: {} as never, me: null } }) as const;
  const live = (version: number, mode: 'all' | 'own' = 'all') =>
    ({ t: 'live', hunt: 1, version, mode, lineage: 'l' }) as const;
  const ev = (after: number, upto: number, versions: number[]) =>
    ({
      t: 'ev',
      hunt: 1,
      after,
      upto,
      events: versions.map((version) => ({ version, player: 'ann', type: 'X', at: 1 })),
    }) as const;
  const heard = (...messages: Parameters<SubscriptionJudge['hear']>[0][]): SubscriptionJudge => {
    const judge = new SubscriptionJudge('all');
    judge.subscribed(undefined);
    for (const message of messages) judge.hear(message);
    return judge;
  };

  it('finds nothing where nothing is missing', () => {
    const judge = heard(snap(2), ev(2, 4, [3, 4]), live(4), ev(4, 5, [5]));
    assert.deepEqual(judge.faults, []);
    assert.deepEqual(
      judgeDelivery(
        judge,
        [1, 2, 3, 4, 5].map((version) => ({ version, player: 'ann', type: 'X', at: 1 })),
      ),
      [],
    );
    assert.deepEqual(heard(snap(2, 'own'), ev(2, 9, [4, 7]), live(12, 'own')).faults, []);
  });
  it('finds gaps, repeats and a live that runs ahead', () => {
    assert.deepEqual(kinds(heard(snap(2), ev(3, 4, [4])).faults), ['gap']);
    assert.deepEqual(kinds(heard(snap(2), ev(1, 3, [2, 3])).faults), ['repeat']);
    assert.deepEqual(kinds(heard(snap(2), ev(2, 5, [3, 5])).faults), ['gap']);
    assert.deepEqual(kinds(heard(snap(2), live(3)).faults), ['live']);
    assert.deepEqual(kinds(heard(ev(0, 1, [1])).faults), ['ev']);
  });
  it('takes the mode of a resume from its live, and judges what came before by that', () => {
    const resumed = (mode: 'all' | 'own'): SubscriptionJudge => {
      const judge = heard(snap(2), live(2));
      judge.ended();
      judge.subscribed(2);
      for (const message of [ev(2, 9, [4, 7]), live(9, mode)]) judge.hear(message);
      return judge;
    };
    assert.deepEqual(resumed('own').faults, []);
    assert.deepEqual(kinds(resumed('all').faults), ['gap']);
  });
  it('finds deliveries that the log does not have, and omissions', () => {
    assert.deepEqual(kinds(judgeDelivery(heard(snap(0), ev(0, 1, [1])), [])), ['not in the log']);
    assert.deepEqual(
      kinds(judgeDelivery(heard(snap(0), live(0), ev(0, 1, [1])), [{ version: 1, player: 'bob', type: 'X', at: 1 }])),
      ['differs'],
    );
    const own = new SubscriptionJudge('own');
    own.subscribed(undefined);
    for (const message of [snap(0, 'own'), ev(0, 2, [])]) own.hear(message);
    assert.deepEqual(kinds(judgeDelivery(own, [event(1), event(2)])), ['omitted']);
  });
});

describe('the judge of boards', () => {
  it('ranks by points, then by who had them first, and leaves out the disqualified', () => {
    const events = [
      event(1, { type: 'PlayerJoined' }),
      event(2, { type: 'PlayerJoined', player: 'bob' }),
      event(3, { type: 'PlayerJoined', player: 'cy' }),
      event(4, { player: 'bob', points: 5 }),
      event(5, { player: 'ann', points: 5 }),
      event(6, { type: 'PlayerDisqualified', player: 'cy' }),
    ];
    const board = foldBoard(events, 'solo');
    assert.deepEqual(
      board.map((one) => one.id),
      ['bob', 'ann'],
    );
    assert.deepEqual(
      judgeBoard(
        [
          { rank: 1, player: 'bob', points: 5 },
          { rank: 2, player: 'ann', points: 5 },
        ],
        board,
      ),
      [],
    );
    assert.notEqual(
      judgeBoard(
        [
          { rank: 1, player: 'ann', points: 5 },
          { rank: 2, player: 'bob', points: 5 },
        ],
        board,
      ).length,
      0,
    );
    assert.notEqual(judgeBoard([{ rank: 1, player: 'bob', points: 5 }], board).length, 0);
  });
});

describe('the scan for secrets', () => {
  const scan = new SecretScan([
    { name: 'answer', text: 'Quixotanswer' },
    { name: 'lat', number: 41.385063 },
  ]);
  it('finds nothing in innocent bytes', () => {
    assert.deepEqual(scan.find(Buffer.from('{"lat":41.2,"text":"Whose trident?"}')), []);
  });
  it('finds texts, hashes and coordinates in every dress', () => {
    assert.notDeepEqual(scan.find(Buffer.from('xx QUIXOTANSWER')), []);
    assert.notDeepEqual(scan.find(Buffer.from(Buffer.from('Quixotanswer').toString('base64'))), []);
    assert.notDeepEqual(scan.find(Buffer.from('41.38506')), []);
    assert.notDeepEqual(scan.find(Buffer.from('"distance":41.3852')), []);
    const double = Buffer.alloc(9);
    double.writeDoubleBE(41.385063, 1);
    assert.notDeepEqual(scan.find(double), []);
  });
});
