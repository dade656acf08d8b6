import assert from 'node:assert/strict';
import type { FullEvent } from '../wire.ts';
import { foldRows, type HuntRows, judgeRows } from './judge-rows.ts';

const definition = { treasures: [{ id: 't0' }, { id: 'bell', opens: '2030-01-01T00:00:00Z' }] };
const events: readonly FullEvent[] = [
  { type: 'HuntCreated', player: '@admin', title: 'Meadow', private: { definition } },
  { type: 'HuntOpened', player: '@system' },
  { type: 'PlayerJoined', player: 'ann', seq: 1 },
  { type: 'PlayerJoined', player: 'bob', seq: 1 },
  { type: 'TreasureClaimed', player: 'bob', seq: 2, treasure: 't0', points: 3 },
].map((event, i) => ({ version: i + 1, at: 1_000 + i, ...event }));

const rows = foldRows(events);
const kinds = (found: HuntRows): string[] => judgeRows(events, found).map(({ kind }) => kind);

describe('the judge of rows', () => {
  it('folds what PostgreSQL should hold', () => {
    assert.deepEqual(rows.snapshot, {
      version: 5,
      title: 'Meadow',
      status: 'open',
      players: 2,
      entrants: 2,
      updated_at: 1_004,
    });
    assert.deepEqual(
      rows.players.map(({ member_id, points, reached_version, claims }) => [
        member_id,
        points,
        reached_version,
        claims,
      ]),
      [
        ['bob', 3, 5, 1],
        ['ann', 0, 3, 0],
      ],
    );
    assert.deepEqual(
      rows.treasures.map(({ treasure_id, claimed, released, version }) => [treasure_id, claimed, released, version]),
      [
        ['t0', 1, true, 5],
        ['bell', 0, false, 1],
      ],
    );
    assert.deepEqual(kinds(rows), []);
  });

  it('finds a row that is missing, behind, or of nobody', () => {
    assert.deepEqual(kinds({ ...rows, snapshot: undefined }), ['row missing']);
    assert.deepEqual(kinds({ ...rows, catalog: { ...rows.catalog, version: 4 } }), ['row differs']);
    assert.deepEqual(kinds({ ...rows, players: rows.players.slice(1) }), ['row missing']);
    assert.deepEqual(kinds({ ...rows, players: [...rows.players, { member_id: 'eve' }] }), ['row too many']);
    assert.deepEqual(kinds({ ...rows, treasures: rows.treasures.map((row) => ({ ...row, claimed: 2 })) }), [
      'row differs',
      'row differs',
    ]);
  });
});
