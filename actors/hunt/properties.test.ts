import assert from 'node:assert/strict';
import fc from 'fast-check';
import { voidable } from './decide/void.ts';
import { publicEvent, type StoredEvent } from './event.ts';
import { HuntSpec } from './hunt-spec.ts';
import type { Board, Scoreboard } from './interface.ts';
import { base, everyWay, teams } from './sample-hunts.ts';

/** Random games: whatever players and designers send, in whatever order, these sentences hold. */
const players = ['ann', 'bob', 'cy', 'dan'] as const;
type Step = { readonly who: string; readonly what: Record<string, unknown>; readonly wait: number };

const shortEveryWay = {
  ...everyWay,
  defaults: { ...everyWay.defaults, cooldown_s: 0 },
  location: { ...everyWay.location, speed_max_mps: 0 },
};
const richTeams = {
  ...teams,
  team: { size_max: 3 },
  defaults: { attempts: 2, penalty: 3, cooldown_s: 0, skip: true, skip_penalty: 4 },
  treasures: [{ id: 'coin', title: 'Coin', points: -2, stock: 3, per_entrant: 0, first_finder_bonus: 9 }],
};

const action = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ type: 'join' }) },
  fc.constant({ type: 'leave' }),
  fc.constant({ type: 'finish' }),
  fc.constant({ type: 'create_team', name: 'T' }),
  fc.record({ type: fc.constant('join_team'), team: fc.integer({ min: 1, max: 12 }).map((n) => `t${n}`) }),
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('check_in'),
      lat: fc.constantFrom(base.lat, base.lat + 100_000 / 111_195),
      lon: fc.constant(base.lon),
      accuracy: fc.constantFrom(5, 60),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('answer'),
      clue: fc.constantFrom('c1', 'c2', 'q1'),
      text: fc.constantFrom('neptune', 'a', 'b', '4'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('scan'), code: fc.constantFrom('HX-2291', 'TEAM-2', 'NO') }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('claim'),
      treasure: fc.constantFrom('chest', 'coin', 'box'),
      lat: fc.constant(base.lat),
      lon: fc.constant(base.lon),
      accuracy: fc.constant(5),
      code: fc.constant('OPEN-7'),
    }),
  },
  fc.record({ type: fc.constant('hint'), clue: fc.constantFrom('c1', 'q1') }),
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('skip'), stage: fc.constantFrom('gate', 'faraway', 'fail', 's1', 's2') }),
  },
);
const verb = fc.oneof(
  fc.record({ verb: fc.constant('void'), version: fc.integer({ min: 1, max: 60 }), reason: fc.constant('r') }),
  fc.record({
    verb: fc.constant('adjust'),
    player: fc.constantFrom(...players),
    points: fc.constantFrom(-50, 7, 50),
    reason: fc.constant('r'),
  }),
  fc.record({
    verb: fc.constant('adjust'),
    team: fc.constantFrom('t4', 't5', 't6'),
    points: fc.constantFrom(-50, 7, 50),
    reason: fc.constant('r'),
  }),
  fc.record({ verb: fc.constant('disqualify'), player: fc.constantFrom(...players), reason: fc.constant('r') }),
  fc.record({ verb: fc.constant('disqualify'), team: fc.constantFrom('t4', 't5', 't6'), reason: fc.constant('r') }),
  fc.record({ verb: fc.constantFrom('pause', 'resume'), reason: fc.constant('r') }),
);
const step: fc.Arbitrary<Step> = fc.record({
  who: fc.constantFrom(...players),
  what: fc.oneof(
    { weight: 5, arbitrary: action as fc.Arbitrary<Record<string, unknown>> },
    { weight: 1, arbitrary: verb as fc.Arbitrary<Record<string, unknown>> },
  ),
  wait: fc.constantFrom(0, 1, 2_000),
});
const game = fc.array(step, { minLength: 10, maxLength: 120 });

function played(definition: object, steps: readonly Step[], check: (hunt: HuntSpec) => void = () => {}): HuntSpec {
  const hunt = HuntSpec.of(definition);
  for (const player of players) hunt.act(player, { type: 'join', name: player.toUpperCase() });
  for (const { who, what, wait } of steps) {
    hunt.later(wait);
    if (what.verb === undefined) hunt.act(who, what);
    else hunt.command(what.verb as string, { by: 'dora', ...what });
    check(hunt);
  }
  return hunt;
}

/** Ranks by folding points naively over the events, as any outsider can. */
function naive(events: readonly StoredEvent[], isTeamHunt: boolean) {
  const rows = new Map<string, { id: string; points: number; reached: number }>();
  const out = new Set<string>();
  const idOf = (event: StoredEvent | undefined) =>
    event === undefined ? '' : isTeamHunt ? event.teamId : event.playerId.startsWith('@') ? '' : event.playerId;
  for (const event of events) {
    const id = idOf(event);
    const name = event.outcome?.$case;
    if (name === 'playerDisqualified') out.add(id);
    if (event.outcome?.$case === 'eventVoided') {
      const taken = events[event.outcome.value.voids - 1];
      if (taken?.outcome?.$case === 'playerDisqualified') out.delete(idOf(taken));
    }
    if (id !== '' && name === (isTeamHunt ? 'teamCreated' : 'playerJoined') && !rows.has(id))
      rows.set(id, { id, points: 0, reached: event.version });
    const row = rows.get(id);
    if (row === undefined || event.points === 0) continue;
    row.points += event.points;
    row.reached = event.version;
  }
  return [...rows.values()]
    .filter(({ id }) => !out.has(id))
    .sort((a, b) => b.points - a.points || a.reached - b.reached);
}

for (const [name, definition] of [
  ['solo', shortEveryWay],
  ['team', richTeams],
] as const) {
  describe(`any game of a ${name} hunt`, () => {
    it('is the same after replay: header and rows folded apart, each from events alone (I3)', () => {
      fc.assert(
        fc.property(game, (steps) => {
          const hunt = played(definition, steps);
          assert.deepEqual(hunt.replayed(), hunt.packed());
        }),
        { numRuns: 60 },
      );
    });

    it('has ranks 1 to n without ties, the score being the sum of points, in scoreboard, board and view alike', () => {
      fc.assert(
        fc.property(game, (steps) => {
          const hunt = played(definition, steps);
          const want = naive(hunt.events, name === 'team');
          const scoreboard = hunt.query('scoreboard', { limit: 100, offset: 0 }) as Scoreboard;
          assert.deepEqual(
            scoreboard.entries.map((e) => [e.rank, e.team ?? e.player, e.points, e.reached_version]),
            want.map(({ id, points, reached }, i) => [i + 1, id, points, reached]),
          );
          const board = hunt.query('board', { players: [...players] }) as Board;
          assert.deepEqual(board.top, scoreboard.entries.map(({ reached_version: _, ...entry }) => entry).slice(0, 10));
          for (const player of players) {
            const { me } = hunt.view(player);
            const place = want.findIndex(({ id }) => id === (name === 'team' ? me.team : player));
            assert.equal(me.rank, place === -1 ? undefined : place + 1);
            if (place !== -1) assert.equal(me.total, want[place]!.points);
          }
        }),
        { numRuns: 60 },
      );
    });

    it('never gives out more than the stock', () => {
      fc.assert(
        fc.property(game, (steps) => {
          played(definition, steps, (hunt) => {
            for (const treasure of hunt.header.rules!.treasures) {
              const claimed = hunt.header.treasures.get(treasure.id)?.claimed ?? 0;
              assert.ok(claimed >= 0 && claimed <= (treasure.definition.stock ?? Number.POSITIVE_INFINITY));
            }
          });
        }),
        { numRuns: 40 },
      );
    });

    it('lets every voidable event be voided exactly once', () => {
      fc.assert(
        fc.property(game, (steps) => {
          const hunt = played(definition, steps);
          const voided = new Set(hunt.header.voided);
          for (const event of [...hunt.events]) {
            const code = hunt.command('void', { by: 'dora', version: event.version, reason: 'r' }).code;
            assert.equal(
              code,
              !voidable.has(event.outcome!.$case)
                ? 'WRONG_STATE'
                : voided.has(event.version)
                  ? 'ALREADY_DONE'
                  : undefined,
            );
            if (code === undefined)
              assert.equal(
                hunt.command('void', { by: 'dora', version: event.version, reason: 'r' }).code,
                'ALREADY_DONE',
              );
          }
          for (const { points } of naive(hunt.events, name === 'team')) assert.equal(points, 0);
          assert.deepEqual(hunt.replayed(), hunt.packed());
        }),
        { numRuns: 40 },
      );
    });

    it('shows no secret in views and public events (I9)', () => {
      const secrets = ['Neptune', '1912', 'HX-2291', 'OPEN-7', 'TEAM-2', 'four', 'Roman'];
      fc.assert(
        fc.property(game, (steps) => {
          const hunt = played(
            definition,
            steps.filter(({ what }) => what.type !== 'hint'),
          );
          const seen = JSON.stringify([
            hunt.events.map(publicEvent),
            hunt.query('views', { players: [...players], hunt: true }),
          ]);
          for (const secret of secrets) assert.ok(!seen.includes(secret), secret);
          assert.ok(!seen.includes(String(base.lat + 100_000 / 111_195).slice(0, 7)), 'the hidden place');
        }),
        { numRuns: 40 },
      );
    });

    it('keeps its packed state over unpacking', () => {
      fc.assert(
        fc.property(game, (steps) => {
          const hunt = played(definition, steps);
          const { header, member } = hunt.kind;
          assert.deepEqual(
            header.pack(header.unpack(structuredClone(header.pack(hunt.header)))),
            header.pack(hunt.header),
          );
          for (const row of hunt.rows.values())
            assert.deepEqual(member.unpack(structuredClone(member.pack(row.member))), row.member);
        }),
        { numRuns: 20 },
      );
    });
  });
}
