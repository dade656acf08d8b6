import assert from 'node:assert/strict';
import { checkDefinition, type HuntDefinition } from './definition.ts';
import { HuntSpec } from './hunt-spec.ts';
import { base, everyWay, north, teams } from './sample-hunts.ts';
import { differencesMax, ShadowRun } from './shadow-run.ts';

const place = (metres: number) => ({ lat: base.lat + north(metres), lon: base.lon, accuracy: 10 });

function definitionOf(value: object): HuntDefinition {
  const parsed = checkDefinition(value);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.definition;
}

/** In parts, as records come. */
function shadow(hunt: HuntSpec, definition: object) {
  const run = new ShadowRun(hunt.id, definitionOf(definition));
  for (const event of recordsOf(hunt)) run.take(event);
  return run.report(hunt.at);
}

function recordsOf({ events }: HuntSpec) {
  const records: (typeof events)[] = [];
  for (const event of events) {
    const record = records.at(-1);
    const last = record?.at(-1);
    if (record !== undefined && last?.seq === event.seq && last.occurredAt === event.occurredAt) record.push(event);
    else records.push([event]);
  }
  return records;
}

/** A definition with one stage or treasure changed. */
const changed = (id: string, change: object) => ({
  ...everyWay,
  stages: everyWay.stages.map((stage) => (stage.id === id ? { ...stage, ...change } : stage)),
  treasures: everyWay.treasures.map((treasure) => (treasure.id === id ? { ...treasure, ...change } : treasure)),
});

function soloGame(): HuntSpec {
  const hunt = HuntSpec.of(everyWay);
  for (const player of ['ann', 'bob']) hunt.ok(player, { type: 'join', name: player });
  hunt.ok('ann', { type: 'check_in', ...place(30) });
  hunt.ok('bob', { type: 'check_in', ...place(5) });
  hunt.ok('ann', { type: 'hint', clue: 'c1' });
  hunt.no('ann', { type: 'answer', clue: 'c1', text: 'Zeus' }, 'WRONG_ANSWER');
  hunt.later(1_100).ok('ann', { type: 'answer', clue: 'c1', text: 'neptune' });
  hunt.no('ann', { type: 'scan', code: 'HX-0000' }, 'WRONG_CODE');
  hunt.later(1_100).ok('ann', { type: 'scan', code: 'hx-2291' });
  hunt.ok('bob', { type: 'claim', treasure: 'coin' });
  hunt.ok('bob', { type: 'claim', treasure: 'box', code: 'open-7' });
  hunt.ok('ann', { type: 'skip', stage: 'faraway' });
  hunt.verb('adjust', { player: 'bob', points: 7, reason: 'kind' });
  hunt.verb('void', { version: hunt.versionsOf('HintTaken')[0], reason: 'was a fault' });
  hunt.verb('pause');
  hunt.verb('resume');
  hunt.verb('announce', { text: 'half time' });
  hunt.no('ann', { type: 'answer', clue: 'c2', text: 'b' }, 'WRONG_ANSWER');
  hunt.later(1_100).no('ann', { type: 'answer', clue: 'c2', text: 'b' }, 'WRONG_ANSWER');
  hunt.ok('ann', { type: 'claim', treasure: 'chest', ...place(10) }, { events: 3 });
  hunt.ok('bob', { type: 'finish' });
  hunt.verb('disqualify', { player: 'bob', reason: 'ran' });
  hunt.verb('void', { version: hunt.versionsOf('PlayerDisqualified')[0], reason: 'walked' });
  return hunt;
}

describe('a shadow run', () => {
  it('under the same definition finds no difference, whatever was played', () => {
    const hunt = soloGame();
    assert.deepEqual(shadow(hunt, everyWay), { events: hunt.version, differences: [], more: 0, ranks: [] });
  });

  it('tells which answers would have been right, and what follows from it', () => {
    const hunt = soloGame();
    const { differences, ranks } = shadow(
      hunt,
      changed('riddle', { complete: { answer: { clue: 'c1', accept: ['Zeus'] } } }),
    );
    const [wrong, right] = [hunt.versionsOf('AnswerRejected')[0], hunt.versionsOf('StageCompleted')[2]];
    assert.deepEqual(differences, [
      {
        version: wrong,
        player: 'ann',
        was: 'AnswerRejected',
        would_be: 'StageCompleted',
        points_was: -5,
        points_would_be: 200,
      },
      {
        version: right,
        player: 'ann',
        was: 'StageCompleted',
        would_be: 'ALREADY_DONE',
        points_was: 200,
        points_would_be: 0,
      },
    ]);
    assert.deepEqual(ranks, []);
  });

  it('tells other points, codes, places, stock and windows, and who would rank elsewhere', () => {
    const hunt = soloGame();
    const outcome = (definition: object) =>
      shadow(hunt, definition).differences.map(({ player, was, would_be, points_was, points_would_be }) =>
        [player, was, would_be, points_was, points_would_be].filter((part) => part !== undefined).join(' '),
      );
    assert.deepEqual(outcome(changed('box', { points: 1_000 })), ['bob TreasureClaimed TreasureClaimed 6 1000']);
    assert.deepEqual(shadow(hunt, changed('box', { points: 1_000 })).ranks, [
      { player: 'ann', was: 1, would_be: 2 },
      { player: 'bob', was: 2, would_be: 1 },
    ]);
    assert.deepEqual(outcome(changed('box', { code: 'OTHER' })), ['bob TreasureClaimed WRONG_CODE 6 0']);
    assert.deepEqual(outcome(changed('coin', { stock: 0 })), ['bob TreasureClaimed OUT_OF_STOCK 5 0']);
    assert.deepEqual(
      outcome(changed('gate', { complete: { check_in: { ...base, radius_m: 10, pin: true } } })).slice(0, 2),
      ['ann StageCompleted OUT_OF_RANGE 100 0', 'ann HintTaken STAGE_LOCKED -20 0'],
    );
    const late = outcome({ ...everyWay, window: { opens: '2030-01-01T00:00:00Z' } });
    assert.equal(late[0], 'ann StageCompleted HUNT_NOT_OPEN 100 0');
    // An event that would never have been cannot be voided.
    assert.ok(
      outcome(changed('riddle', { clues: [{ id: 'c1', text: 'x' }] })).includes('ann EventVoided NOT_FOUND 20 0'),
    );
  });

  it('follows teams by the names that they would have had', () => {
    const hunt = HuntSpec.of(teams);
    for (const player of ['ann', 'bob', 'cy']) hunt.ok(player, { type: 'join', name: player });
    const { team } = hunt.ok('ann', { type: 'create_team', name: 'Red', pin: '1234' });
    hunt.ok('bob', { type: 'join_team', team, pin: '1234' });
    hunt.ok('cy', { type: 'create_team', name: 'Blue' });
    hunt.ok('bob', { type: 'answer', clue: 'q1', text: '4' });
    hunt.ok('ann', { type: 'scan', code: 'team-2' });
    hunt.ok('bob', { type: 'leave' });
    hunt.verb('adjust', { team, points: -40, reason: 'noise' });
    assert.deepEqual(shadow(hunt, teams).differences, []);
    const listed = { ...teams, team: { size_max: 2, list: [{ id: 'green', name: 'Green' }] } };
    const report = shadow(hunt, listed);
    assert.deepEqual(report.differences, []);
    // One team more, and it has its rank.
    assert.deepEqual(
      report.ranks,
      [
        { team: `${team}`, was: 2, would_be: 3 },
        { team: 'green', would_be: 1 },
        { team: hunt.board.entries[0]?.team, was: 1, would_be: 2 },
      ].sort((a, b) => (a.was ?? 9) - (b.was ?? 9)),
    );
  });

  it('says why the definition cannot be published now, and lists no more than it may', () => {
    const hunt = HuntSpec.of(everyWay);
    for (let i = 0; i < 45; i++) {
      hunt.ok(`p${i}`, { type: 'join', name: 'P' });
      hunt.ok(`p${i}`, { type: 'check_in', ...place(5) });
    }
    for (let i = 0; i < 25; i++) {
      for (let p = 0; p < 45; p++) {
        hunt.ok(`p${p}`, { type: 'leave' });
        hunt.ok(`p${p}`, { type: 'join' });
      }
    }
    const report = shadow(hunt, { ...everyWay, limits: { players: 1 } });
    assert.equal(report.differences.length, differencesMax);
    assert.ok(report.more > 500);
    hunt.verb('close');
    assert.equal(shadow(hunt, everyWay).refused?.code, 'WRONG_STATE');
    assert.equal(shadow(hunt, teams).refused?.code, 'WRONG_STATE');
  });
});
