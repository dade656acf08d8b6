import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Announcement, adopt, type Batch, emptySlot, type FoldState, fold } from './fold.ts';

type Record = Announcement | Batch;

const announce = (term: number, epoch: number, owner: string): Announcement => ({
  type: 'announcement',
  term,
  epoch,
  owner,
});
const batch = (term: number, seq: number, version: number, epoch = term): Batch => {
  return { type: 'batch', term, epoch, seq, total: 0, stream: { kind: 'hunt', id: 1 }, version, count: 1 };
};

/** The offsets that count, and the state behind them. */
function read(log: readonly Record[], from: FoldState = emptySlot): { counted: number[]; states: FoldState[] } {
  const counted: number[] = [];
  const states: FoldState[] = [];
  let state = from;
  for (const [offset, record] of log.entries()) {
    const next = fold(state, record);
    if (next !== state) counted.push(offset);
    state = next;
    states.push(state);
  }
  return { counted, states };
}

describe('the fold of a slot', () => {
  it('counts the announcement of the next term alone, and none that goes back behind the epoch', () => {
    const log = [
      announce(1, 7, 'a'),
      announce(1, 8, 'b'),
      announce(3, 9, 'c'),
      announce(2, 6, 'd'),
      announce(2, 7, 'e'),
    ];
    assert.deepEqual(read(log).counted, [0, 4]);
    assert.deepEqual(read(log).states.at(-1), { term: 2, epoch: 7, owner: 'e', seq: 0, total: 0 });
  });

  it('counts the batches of the present term in the order of their numbers, each once', () => {
    const log = [
      batch(0, 1, 1),
      announce(1, 1, 'a'),
      batch(1, 2, 2),
      batch(1, 1, 1),
      batch(1, 1, 1),
      batch(1, 3, 3),
      batch(1, 2, 2),
      batch(1, 3, 3),
      announce(2, 2, 'b'),
      batch(1, 4, 4),
      batch(2, 1, 4),
    ];
    assert.deepEqual(read(log).counted, [1, 3, 6, 7, 8, 10]);
    assert.equal(read(log).states.at(-1)?.total, 4);
  });

  it('goes on in the middle from a batch that counted as it does from the start', () => {
    const log = [
      announce(1, 5, 'a'),
      batch(1, 1, 1, 5),
      batch(1, 1, 1, 5),
      batch(1, 2, 2, 5),
      announce(2, 6, 'b'),
      batch(2, 1, 3, 6),
    ];
    const { counted } = read(log);
    for (const offset of counted) {
      const record = log[offset] as Record;
      if (record.type !== 'batch') continue;
      const later = read(log.slice(offset + 1), adopt(record)).counted.map((at) => at + offset + 1);
      assert.deepEqual(
        later,
        counted.filter((at) => at > offset),
      );
    }
  });

  it('gives each number of a term to one batch, whatever is repeated, late or foreign', () => {
    fc.assert(
      fc.property(fc.array(someRecord, { maxLength: 60 }), (log) => {
        const { counted } = read(log);
        const seen = new Set<string>();
        const lastOf = new Map<number, number>();
        for (const offset of counted) {
          const record = log[offset] as Record;
          if (record.type !== 'batch') continue;
          const number = `${record.term}/${record.seq}`;
          assert.ok(!seen.has(number), `${number} counted twice`);
          seen.add(number);
          assert.equal(record.seq, (lastOf.get(record.term) ?? 0) + 1, 'without a gap');
          lastOf.set(record.term, record.seq);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('lets two readers of one log agree at every offset, wherever they began', () => {
    fc.assert(
      fc.property(fc.array(someRecord, { maxLength: 60 }), fc.nat(59), (log, cut) => {
        const whole = read(log);
        const at = Math.min(cut, log.length);
        const state = at === 0 ? emptySlot : (whole.states[at - 1] as FoldState);
        const rest = read(log.slice(at), state);
        assert.deepEqual(rest.states, whole.states.slice(at));
      }),
    );
  });

  it('never takes back what counted when more is written behind it', () => {
    fc.assert(
      fc.property(fc.array(someRecord, { maxLength: 40 }), fc.array(someRecord, { maxLength: 20 }), (log, more) => {
        const { counted } = read(log);
        assert.deepEqual(
          read([...log, ...more]).counted.filter((offset) => offset < log.length),
          counted,
        );
      }),
    );
  });

  it('makes harmless what was sent again: copies of records behind them change nothing', () => {
    fc.assert(
      fc.property(
        fc.array(someRecord, { minLength: 1, maxLength: 40 }),
        fc.infiniteStream(fc.nat()),
        (log, numbers) => {
          const copied: Record[] = [];
          for (const record of log) {
            copied.push(record);
            const back = (numbers.next().value as number) % (copied.length * 2);
            const again = copied[back];
            if (again !== undefined) copied.push(again);
          }
          const history = (of: readonly Record[]): Record[] => read(of).counted.map((offset) => of[offset] as Record);
          const once = [...new Set(history(copied))];
          assert.equal(once.length, history(copied).length, 'nothing counted twice');
        },
      ),
    );
  });
});

const someRecord: fc.Arbitrary<Record> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 3 }), fc.constantFrom('a', 'b', 'c'))
    .map(([term, jump, owner]) => announce(term, term + jump, owner)),
  fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 5 })).map(([term, seq]) => batch(term, seq, seq)),
);
