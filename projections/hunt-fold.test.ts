import assert from 'node:assert/strict';
import { unpack } from 'msgpackr';
import { huntActor } from '../actors/hunt/actor.ts';
import { HuntSpec } from '../actors/hunt/hunt-spec.ts';
import { base, everyWay, teams } from '../actors/hunt/sample-hunts.ts';
import { seeded } from '../runtime/log/contract-fixture.ts';
import { ContradictionError, HuntFold } from './hunt-fold.ts';
import type { PlayerRow, SnapshotRow, TreasureRow } from './hunt-rows.ts';

/** The tables of one hunt, as the statements would leave them. */
class Tables {
  snapshot: SnapshotRow | undefined;
  definition = '';
  readonly players = new Map<string, PlayerRow>();
  readonly treasures = new Map<string, TreasureRow>();

  write(fold: HuntFold): void {
    const { snapshot, players, treasures } = fold.take();
    // Copies, as a server's are: msgpackr leaves marks on the bytes that it reads.
    if (snapshot !== undefined) this.snapshot = { ...snapshot, header: Buffer.from(snapshot.header) };
    if (snapshot !== undefined && snapshot.definition !== '') this.definition = snapshot.definition;
    for (const row of players) this.players.set(row.memberId, { ...row, row: Buffer.from(row.row) });
    for (const row of treasures) this.treasures.set(row.treasureId, row);
  }

  read(huntId: number): HuntFold {
    return new HuntFold(
      huntId,
      1,
      this.snapshot === undefined
        ? undefined
        : {
            ...this.snapshot,
            definition: this.definition,
            header: Buffer.from(this.snapshot.header),
          },
    );
  }
}

const spot = { lat: base.lat, lon: base.lon, accuracy: 5 };
const actions: Record<string, unknown>[] = [
  { type: 'join' },
  { type: 'join' },
  { type: 'leave' },
  { type: 'finish' },
  { type: 'create_team', name: 'T' },
  { type: 'join_team', team: 't4' },
  { type: 'check_in', ...spot },
  { type: 'answer', clue: 'c1', text: 'neptune' },
  { type: 'answer', clue: 'c2', text: 'b' },
  { type: 'answer', clue: 'q1', text: '4' },
  { type: 'scan', code: 'HX-2291' },
  { type: 'claim', treasure: 'coin' },
  { type: 'claim', treasure: 'box', code: 'OPEN-7' },
  { type: 'claim', treasure: 'chest', ...spot },
  { type: 'hint', clue: 'c1' },
  { type: 'skip', stage: 'gate' },
];

function played(definition: object, random: () => number): HuntSpec {
  const hunt = HuntSpec.of(definition);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const names = ['ann', 'bob', 'cy', 'dan'];
  for (let i = 0; i < 120; i++) {
    hunt.later(Math.floor(random() * 2_000));
    const verb = random();
    if (verb < 0.1) hunt.command('void', { by: 'd', version: 1 + Math.floor(random() * hunt.version), reason: 'r' });
    else if (verb < 0.14) hunt.command('disqualify', { by: 'd', player: pick(names), reason: 'r' });
    else if (verb < 0.18) hunt.command('adjust', { by: 'd', player: pick(names), points: 5, reason: 'r' });
    else hunt.act(pick(names), { ...pick(actions) });
  }
  return hunt;
}

describe('a hunt that is folded for its rows', () => {
  for (const [kind, definition] of [
    ['solo', everyWay],
    ['team', teams],
  ] as const)
    for (const seed of [1, 2, 3, 4, 5, 6])
      it(`is what the rules made of it, in whatever batches and from whatever rows (${kind}, seed ${seed})`, () => {
        const random = seeded(seed);
        const hunt = played(definition, random);
        const whole = new Tables();
        const all = new HuntFold(hunt.id, 1);
        all.apply(hunt.events);
        whole.write(all);

        const pieces = new Tables();
        let fold = pieces.read(hunt.id);
        for (let from = 0; from < hunt.events.length; ) {
          const to = Math.min(hunt.events.length, from + 1 + Math.floor(random() * 12));
          // Some events come again, as after a replay.
          const batch = hunt.events.slice(Math.max(0, from - 3), to);
          const missing = fold.missing(batch);
          fold.supply(
            missing.flatMap((id) => {
              const saved = pieces.players.get(id);
              return saved === undefined ? [] : [{ ...saved, row: Buffer.from(saved.row) }];
            }),
          );
          assert.equal(fold.apply(batch), to - from);
          pieces.write(fold);
          from = to;
          if (random() < 0.4) fold = pieces.read(hunt.id);
          else if (random() < 0.3) fold.forgetMembers();
        }
        assert.deepEqual(pieces.snapshot, { ...whole.snapshot, definition: pieces.snapshot?.definition });
        assert.equal(pieces.definition, whole.definition);
        assert.deepEqual([...pieces.players].sort(), [...whole.players].sort());
        assert.deepEqual([...pieces.treasures].sort(), [...whole.treasures].sort());

        // And that is the state of the actor itself.
        const packed = hunt.packed();
        const header = [...(packed.header as unknown[])];
        header[1] = null;
        assert.deepEqual(unpack(pieces.snapshot?.header as Buffer), structuredClone(header).map(plain));
        assert.deepEqual(
          Object.fromEntries([...pieces.players].map(([id, { row }]) => [id, huntActor.member.unpack(unpack(row))])),
          Object.fromEntries(
            [...hunt.rows].filter(([id]) => id in packed.rows).map(([id, { member }]) => [id, member]),
          ),
        );
        for (const [id, { claimed, released, defined }] of pieces.treasures) {
          assert.equal(claimed, hunt.header.treasures.get(id)?.claimed ?? 0);
          assert.deepEqual([released, defined], [true, true]);
        }
        const board = hunt.board.entries.map(({ player, team, points, reached_version }) => [
          player ?? team,
          points,
          reached_version,
        ]);
        const ranked = [...pieces.players.values()]
          .filter((row) => row.ranked)
          .sort((a, b) => b.points - a.points || a.reachedVersion - b.reachedVersion)
          .map((row) => [row.kind === 'team' ? row.team : row.memberId, row.points, row.reachedVersion]);
        assert.deepEqual(ranked, board);
      });

  it('takes no event that does not follow, or is of another hunt', () => {
    const hunt = played(everyWay, seeded(9));
    const fold = new HuntFold(hunt.id, 1);
    assert.throws(() => fold.apply(hunt.events.slice(1)), ContradictionError);
    assert.throws(() => new HuntFold(hunt.id + 256, 1).apply(hunt.events), /belongs to hunt/);
    fold.apply(hunt.events.slice(0, 5));
    assert.throws(() => fold.apply(hunt.events.slice(6)), /version 7 comes after 5/);
  });
});

/** As msgpack gives it back. */
const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Buffer.from(value);
  return Array.isArray(value) ? value.map(plain) : value;
};
