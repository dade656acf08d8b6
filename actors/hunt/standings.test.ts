import assert from 'node:assert/strict';
import fc from 'fast-check';
import { leadersMax, Standings } from './standings.ts';

interface Entrant {
  id: string;
  points: number;
  reached: number;
}
const ahead = (a: Entrant, b: Entrant) => b.points - a.points || a.reached - b.reached;

function random(entrants: number, moves: readonly { who: number; by: number }[]) {
  const standings = new Standings();
  const rows: Entrant[] = [];
  let version = 0;
  for (let i = 0; i < entrants; i++) {
    const row = { id: `p${i}`, points: 0, reached: ++version };
    rows.push(row);
    standings.add({ ...row, name: row.id, finishedAt: 0 });
  }
  for (const { who, by } of moves) {
    const row = rows[who % rows.length]!;
    standings.remove(row);
    row.points += by;
    row.reached = ++version;
    standings.add({ ...row, name: row.id, finishedAt: 0 });
  }
  return { standings, sorted: [...rows].sort(ahead) };
}

const moves = fc.array(
  fc.record({ who: fc.nat(2_000), by: fc.integer({ min: -3, max: 5 }).filter((by) => by !== 0) }),
  { minLength: 50, maxLength: 1_500 },
);

describe('standings', () => {
  it('know the exact rank of each of many more entrants than there are leaders', () => {
    fc.assert(
      fc.property(fc.constantFrom(3, 300, 1_200), moves, (entrants, list) => {
        const { standings, sorted } = random(entrants, list);
        for (const [i, row] of sorted.entries()) assert.equal(standings.rank(row), i + 1);
        assert.equal(standings.entrants, entrants);
      }),
      { numRuns: 15 },
    );
  });

  it('hold leaders that are exactly the head of the list, never a wrong one', () => {
    fc.assert(
      fc.property(fc.constantFrom(3, 300, 1_200), moves, (entrants, list) => {
        const { standings, sorted } = random(entrants, list);
        assert.ok(standings.leaders.length <= leadersMax);
        assert.deepEqual(
          standings.leaders.map(({ id, points }) => [id, points]),
          sorted.slice(0, standings.leaders.length).map(({ id, points }) => [id, points]),
        );
        if (entrants <= leadersMax) assert.equal(standings.leaders.length, entrants);
      }),
      { numRuns: 15 },
    );
  });

  it('come back from the packed form as they were', () => {
    const { standings, sorted } = random(
      1_500,
      Array.from({ length: 3_000 }, (_, i) => ({ who: i * 7, by: (i % 5) - 1 || 2 })),
    );
    const again = Standings.unpack(standings.pack());
    assert.deepEqual(again.pack(), standings.pack());
    for (const [i, row] of sorted.entries()) assert.equal(again.rank(row), i + 1);
  });
});
