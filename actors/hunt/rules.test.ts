import assert from 'node:assert/strict';
import { HuntSpec } from './hunt-spec.ts';
import type { HuntView, Show, Views } from './interface.ts';

const start = Date.UTC(2026, 0, 1);
const iso = (ms: number) => new Date(start + ms).toISOString();
const minute = 60_000;
const spot = { lat: 48.2, lon: 16.37 };
const here = { ...spot, accuracy: 5 };
const scan = (id: string, more: object = {}) => ({
  id,
  title: id.toUpperCase(),
  points: 10,
  complete: { scan: { code: id } },
  ...more,
});
const past = { opens: '2020-01-01T00:00:00Z' };
const hunt = (more: object) => HuntSpec.of({ title: 'Rules', window: past, stages: [scan('a')], ...more }, start);
const join = { type: 'join' };

describe('time', () => {
  it('opens, releases and closes by itself, and judges a command by its own time', () => {
    const h = hunt({
      window: { opens: iso(minute), closes: iso(10 * minute) },
      treasures: [{ id: 't', title: 'T', opens: iso(5 * minute) }],
    });
    assert.deepEqual(h.types, ['HuntCreated']);
    assert.equal((h.query('show') as Show).status, 'scheduled');
    h.ok('ann', join);
    h.no('ann', { type: 'scan', code: 'a' }, 'HUNT_NOT_OPEN', { status: 'scheduled' });
    assert.equal(h.view('ann').changes_at, start + minute);
    h.later(minute).no('ann', { type: 'claim', treasure: 't' }, 'STAGE_LOCKED');
    assert.equal(h.types.at(-1), 'HuntOpened');
    assert.equal(h.view('ann').changes_at, start + 5 * minute);
    assert.deepEqual(h.view('ann').me.treasures, {});
    h.later(4 * minute).ok('ann', { type: 'claim', treasure: 't' });
    assert.deepEqual(h.types.slice(-2), ['TreasureReleased', 'TreasureClaimed']);
    h.later(5 * minute).no('ann', { type: 'leave' }, 'HUNT_NOT_OPEN', { status: 'closed' });
    assert.equal(h.types.at(-1), 'HuntClosed');
    assert.deepEqual(h.replayed(), h.packed());
  });

  it('lets a designer extend by minutes or to a time, not into the past and not without a closing time', () => {
    const open = hunt({});
    open.refusedVerb('extend', { minutes: 5 }, 'WRONG_STATE');
    open.refusedVerb('extend', { closes: start }, 'INVALID');
    open.refusedVerb('extend', { closes: start + 5, minutes: 1 }, 'INVALID');
    assert.equal(open.verb('extend', { closes: start + minute }).closes_at, start + minute);
    assert.equal(open.verb('extend', { minutes: 1 }).closes_at, start + 2 * minute);
    open.later(3 * minute).wake();
    open.refusedVerb('extend', { minutes: 5 }, 'WRONG_STATE');
  });

  it('gives each entrant its own time, after which only leaving is possible', () => {
    const h = hunt({ limits: { duration_s: 60 } });
    h.ok('ann', join);
    assert.equal(h.view('ann').changes_at, start + minute);
    h.later(minute).no('ann', { type: 'scan', code: 'a' }, 'TIME_UP');
    h.ok('ann', { type: 'leave' });
    h.no('ann', join, 'TIME_UP');
  });

  it('locks stages outside of their windows', () => {
    const h = hunt({ stages: [scan('a', { window: { opens: iso(minute), closes: iso(2 * minute) } }), scan('b')] });
    h.ok('ann', join);
    h.no('ann', { type: 'skip', stage: 'a' }, 'STAGE_LOCKED');
    h.no('ann', { type: 'scan', code: 'a' }, 'STAGE_LOCKED');
    assert.deepEqual(h.view('ann').me.stages.a, { state: 'locked' });
    h.later(minute);
    assert.equal(h.view('ann').me.stages.a?.state, 'open');
    h.later(minute).no('ann', { type: 'scan', code: 'a' }, 'STAGE_LOCKED');
  });

  it('gives hints only after their delay, counted from the opening of the stage', () => {
    const clues = [{ id: 'c', text: 'x', hints: [{ text: 'h', delay_s: 120 }] }];
    const h = hunt({ order: 'linear', stages: [scan('a'), scan('b', { clues })] });
    h.ok('ann', join);
    h.later(5 * minute).ok('ann', { type: 'scan', code: 'a' }, { opened: ['b'] });
    assert.equal(h.no('ann', { type: 'hint', clue: 'c' }, 'COOLDOWN').refusal?.retryMs, 2 * minute);
    assert.equal(h.view('ann').changes_at, h.at + 2 * minute);
    h.later(2 * minute).ok('ann', { type: 'hint', clue: 'c' }, { text: 'h', left: 0, points: 0 });
  });
});

describe('scans', () => {
  it('cost an attempt only if exactly one scan stage is open', () => {
    const h = hunt({
      order: 'graph',
      defaults: { cooldown_s: 0, attempts: 2, penalty: 1 },
      stages: [scan('a'), scan('b'), scan('c', { requires: ['a'] })],
    });
    h.ok('ann', join);
    assert.equal(h.no('ann', { type: 'scan', code: 'x' }, 'WRONG_CODE').events.length, 0);
    h.no('ann', { type: 'scan', code: 'c' }, 'STAGE_LOCKED');
    h.ok('ann', { type: 'skip', stage: 'b' });
    h.no('ann', { type: 'scan', code: 'b' }, 'ALREADY_DONE');
    assert.equal(
      h.no('ann', { type: 'scan', code: 'x' }, 'WRONG_CODE', { attempts_left: 1, points: -1 }).events.length,
      1,
    );
    h.no('ann', { type: 'scan', code: 'x' }, 'WRONG_CODE', { attempts_left: 0 });
    h.no('ann', { type: 'scan', code: 'a' }, 'NO_ATTEMPTS');
    h.ok('ann', { type: 'scan', code: 'C' }, { total: 8, events: 2 });
  });
});

describe('limits', () => {
  it('count players that have not left', () => {
    const h = hunt({ limits: { players: 1 } });
    h.ok('ann', join);
    h.no('bob', join, 'HUNT_FULL');
    h.ok('ann', { type: 'leave' });
    h.ok('bob', join);
    h.no('ann', join, 'HUNT_FULL');
  });

  it('count teams, and teams of the definition exist from the start', () => {
    const h = hunt({ entry: 'team', limits: { teams: 2 }, team: { list: [{ id: 'red', name: 'Red', pin: '1234' }] } });
    assert.deepEqual(h.types, ['HuntCreated', 'HuntOpened', 'TeamCreated']);
    for (const player of ['ann', 'bob', 'cy']) h.ok(player, join);
    h.no('ann', { type: 'join_team', team: 'red' }, 'WRONG_CODE');
    h.ok('ann', { type: 'join_team', team: 'red', pin: '1234' }, { name: 'Red' });
    h.ok('bob', { type: 'create_team', name: 'Blue' });
    h.no('cy', { type: 'create_team', name: 'Green' }, 'HUNT_FULL');
    const view = (h.query('views', { players: [], hunt: true }) as Views).hunt!;
    assert.deepEqual(
      view.teams?.map(({ name, size }) => [name, size]),
      [
        ['Red', 1],
        ['Blue', 1],
      ],
    );
  });
});

describe('positions', () => {
  it('in claims count for speed, and only accepted ones do', () => {
    const h = hunt({
      stages: [{ id: 'far', title: 'Far', complete: { check_in: { lat: 49, lon: 16.37 } } }],
      treasures: [
        { id: 'coin', title: 'C', per_entrant: 0 },
        { id: 'chest', title: 'C', at: spot },
      ],
    });
    const far = { lat: 49, lon: 16.37, accuracy: 5 };
    h.ok('ann', join);
    h.no('ann', { type: 'claim', treasure: 'chest', ...far }, 'OUT_OF_RANGE');
    h.no('ann', { type: 'claim', treasure: 'chest', ...here, accuracy: 51 }, 'LOW_ACCURACY');
    h.ok('ann', { type: 'claim', treasure: 'chest', ...here });
    h.later(1_000).no('ann', { type: 'check_in', ...far }, 'TOO_FAST');
    h.no('ann', { type: 'claim', treasure: 'coin', ...far }, 'TOO_FAST');
    h.ok('ann', { type: 'claim', treasure: 'coin' });
    h.later(60 * minute).ok('ann', { type: 'check_in', ...far });
  });
});

describe('a void', () => {
  const answer = (text: string) => ({ type: 'answer', clue: 'c', text });
  const riddle = {
    id: 'a',
    title: 'A',
    points: 10,
    attempts: 2,
    penalty: 3,
    cooldown_s: 60,
    clues: [{ id: 'c', text: '?' }],
    complete: { answer: { clue: 'c', accept: ['yes'] } },
  };

  it('of the last step of a finished entrant lets it play on', () => {
    const h = hunt({});
    h.ok('ann', join);
    h.ok('ann', { type: 'scan', code: 'a' }, { total: 10, events: 2 });
    assert.equal(h.view('ann').me.status, 'finished');
    assert.equal(h.verb('void', { version: h.versionsOf('StageCompleted')[0], reason: 'r' }).total, 0);
    assert.equal(h.view('ann').me.status, 'joined');
    assert.equal(h.board.entries[0]?.finished_at, undefined);
    h.ok('ann', { type: 'scan', code: 'a' }, { total: 10 });
  });

  it('of a wrong answer gives attempt, penalty and time back, and life to a stage that failed by it', () => {
    const h = hunt({ stages: [riddle, scan('b')] });
    h.ok('ann', join);
    h.no('ann', answer('no'), 'WRONG_ANSWER', { attempts_left: 1, total: -3 });
    h.no('ann', answer('yes'), 'COOLDOWN');
    h.verb('void', { version: h.version, reason: 'r' });
    assert.equal(h.view('ann').me.stages.a?.attempts_left, 2);
    h.no('ann', answer('no'), 'WRONG_ANSWER');
    h.later(minute).no('ann', answer('no'), 'WRONG_ANSWER', { attempts_left: 0 });
    h.no('ann', answer('yes'), 'NO_ATTEMPTS');
    h.verb('void', { version: h.versionsOf('AnswerRejected').at(-1), reason: 'r' });
    h.ok('ann', answer('yes'), { total: 7 });
  });

  it('of a claim returns stock, bonus and the right to claim again; of a ban the rank', () => {
    const h = hunt({ treasures: [{ id: 't', title: 'T', points: 5, stock: 1, first_finder_bonus: 4 }] });
    for (const player of ['ann', 'bob']) h.ok(player, join);
    h.ok('ann', { type: 'claim', treasure: 't' }, { bonus: 4, stock_left: 0 });
    h.verb('void', { version: h.version, reason: 'r' });
    h.ok('bob', { type: 'claim', treasure: 't' }, { bonus: 4, first: true, total: 9 });
    h.verb('disqualify', { player: 'bob', reason: 'r' });
    assert.deepEqual(
      h.board.entries.map(({ player }) => player),
      ['ann'],
    );
    h.no('bob', { type: 'leave' }, 'DISQUALIFIED');
    h.verb('void', { version: h.version, reason: 'r' });
    assert.deepEqual(
      h.board.entries.map(({ player, points }) => [player, points]),
      [
        ['bob', 9],
        ['ann', 0],
      ],
    );
  });

  it('names what it cannot take back', () => {
    const h = hunt({});
    h.refusedVerb('void', { version: 1, reason: 'r' }, 'WRONG_STATE');
    h.refusedVerb('void', { version: 99, reason: 'r' }, 'NOT_FOUND');
    h.refusedVerb('void', { version: 1 }, 'INVALID');
  });
});

describe('designer verbs', () => {
  it('have one effect for one request key', () => {
    const h = hunt({});
    h.ok('ann', join);
    const adjust = { player: 'ann', points: 5, reason: 'r', key: 'k1' };
    h.verb('adjust', adjust);
    const { version } = h;
    assert.equal(h.command('adjust', { by: 'dora', ...adjust }).version, version);
    assert.equal(h.version, version);
    assert.deepEqual(h.replayed(), h.packed());
  });

  it('refuse unknown subjects and empty or wrong bodies', () => {
    const h = hunt({});
    h.refusedVerb('adjust', { player: 'ann', points: 5, reason: 'r' }, 'NOT_FOUND');
    h.refusedVerb('adjust', { team: 'red', points: 5, reason: 'r' }, 'NOT_FOUND');
    h.refusedVerb('adjust', { player: 'ann', team: 'red', points: 5, reason: 'r' }, 'INVALID');
    h.refusedVerb('adjust', { player: 'ann', points: 1.5, reason: 'r' }, 'INVALID');
    h.refusedVerb('adjust', { player: 'ann', points: 5 }, 'INVALID');
    h.refusedVerb('announce', { text: 'x'.repeat(501) }, 'INVALID');
    h.refusedVerb('open', {}, 'WRONG_STATE');
  });

  it('say by their names what can be voided', () => {
    const { refusal } = hunt({}).command('void', { by: 'dora', version: 1, reason: 'r' });
    assert.match(refusal?.message ?? '', /choose one of StageCompleted, TreasureClaimed, HintTaken/);
  });

  it('make no second hunt under one id', () => {
    const h = hunt({});
    assert.equal(
      h.command('create', { definition: h.header.rules!.definition, owner: 'x', join_code: 'ABCDEF', lineage: 'l' })
        .code,
      'ALREADY_DONE',
    );
  });

  it('publish a next definition that keeps what has been played', () => {
    const h = hunt({});
    h.ok('ann', join);
    const { definition } = h.header.rules!;
    h.refusedVerb(
      'publish',
      { definition: { ...definition, stages: [{ ...definition.stages[0]!, id: 'other' }] } },
      'WRONG_STATE',
    );
    h.verb('publish', { definition: { ...definition, title: 'Next' } });
    const view: HuntView = (h.query('show') as Show).state;
    assert.deepEqual([view.title, view.definition_version], ['Next', 2]);
    assert.deepEqual(h.replayed(), h.packed());
  });
});

describe('the public view', () => {
  it('shows of locked stages nothing but ids, and teasers', () => {
    const h = hunt({ order: 'linear', stages: [scan('a'), scan('b'), scan('c', { teaser: true })] });
    const { hunt: view } = h.query('views', { players: [], hunt: true }) as Views;
    assert.deepEqual(view!.stages, [
      { id: 'a', title: 'A', points: 10 },
      { id: 'b' },
      { id: 'c', title: 'C', points: 10 },
    ]);
  });
});
