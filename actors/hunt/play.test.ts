import assert from 'node:assert/strict';
import { fullEvent, publicEvent } from './event.ts';
import { HuntSpec } from './hunt-spec.ts';
import type { Board, Show } from './interface.ts';
import { base, everyWay, north, teams } from './sample-hunts.ts';

const place = (metres: number, accuracy = 10) => ({ lat: base.lat + north(metres), lon: base.lon, accuracy });

describe('a solo hunt with every kind of stage', () => {
  const hunt = HuntSpec.of(everyWay);
  let bobsCoin = 0;

  it('opens at creation when its opening time is past', () => {
    assert.deepEqual(hunt.types, ['HuntCreated', 'HuntOpened']);
    assert.equal(hunt.events[1]!.playerId, '@system');
  });

  it('lets players join, leave and join again', () => {
    hunt.no('cy', { type: 'check_in', ...place(0) }, 'NOT_JOINED');
    hunt.ok(
      'ann',
      { type: 'join', name: 'Ann' },
      { player: 'ann', name: 'Ann', rejoined: false, total: 0, points: 0, events: 1 },
    );
    hunt.no('ann', { type: 'join', name: 'Ann' }, 'ALREADY_DONE');
    hunt.ok('bob', { type: 'join', name: 'Bob' }, { rejoined: false });
    hunt.ok('bob', { type: 'leave' }, { events: 1 });
    hunt.no('bob', { type: 'check_in', ...place(0) }, 'NOT_JOINED');
    hunt.ok('bob', { type: 'join', name: 'Bob' }, { rejoined: true });
    hunt.ok('cy', { type: 'join', name: 'Çy 🦊' }, { name: 'Çy 🦊' });
  });

  it('judges check-ins by stage, accuracy, distance and speed', () => {
    hunt.no('ann', { type: 'answer', clue: 'c1', text: 'Neptune' }, 'STAGE_LOCKED');
    hunt.no('ann', { type: 'answer', clue: 'nope', text: 'x' }, 'NOT_FOUND');
    hunt.no('ann', { type: 'hint', clue: 'c1' }, 'STAGE_LOCKED');
    hunt.no('ann', { type: 'claim', treasure: 'chest', ...place(0) }, 'STAGE_LOCKED');
    hunt.no('ann', { type: 'claim', treasure: 'nope' }, 'NOT_FOUND');
    hunt.no('ann', { type: 'create_team', name: 'T' }, 'NOT_ALLOWED');
    hunt.no('ann', { type: 'check_in', ...place(0, 80) }, 'LOW_ACCURACY');
    hunt.no('ann', { type: 'check_in', ...place(500) }, 'OUT_OF_RANGE');
    const done = hunt.ok(
      'ann',
      { type: 'check_in', ...place(30) },
      { stage: 'gate', points: 100, total: 100, opened: ['riddle', 'column', 'faraway'] },
    );
    assert.ok(Math.abs((done.distance_m as number) - 30) < 1);
    const { me } = hunt.view('ann');
    assert.equal(me.stages.riddle!.clues!.c1!.text, 'Whose trident?');
    assert.equal(me.stages.vault!.state, 'locked');
    hunt.ok('bob', { type: 'check_in', ...place(60, 30) }, { stage: 'gate', total: 100 });
    hunt.no('cy', { type: 'check_in', ...place(70, 50) }, 'OUT_OF_RANGE', { distance_m: 70 });
    hunt.ok('cy', { type: 'check_in', stage: 'gate', ...place(64, 25) }, { stage: 'gate' });
    hunt.no('ann', { type: 'check_in', stage: 'gate', ...place(0) }, 'ALREADY_DONE');
    hunt.no('ann', { type: 'check_in', stage: 'faraway', ...place(100_000) }, 'TOO_FAST');
  });

  it('takes hints, answers, codes, skips and claims', () => {
    hunt.ok(
      'ann',
      { type: 'hint', clue: 'c1' },
      { clue: 'c1', n: 1, text: 'Roman, not Greek', left: 1, points: -20, total: 80 },
    );
    hunt.ok('ann', { type: 'hint', clue: 'c1' }, { n: 2, left: 0, points: -30, total: 50 });
    hunt.no('ann', { type: 'hint', clue: 'c1' }, 'NO_HINTS');
    assert.equal(
      hunt.no('ann', { type: 'answer', clue: 'c1', text: 'Zeus' }, 'WRONG_ANSWER', { attempts_left: 2, total: 45 })
        .events.length,
      1,
    );
    assert.ok(hunt.no('ann', { type: 'answer', clue: 'c1', text: 'Neptune' }, 'COOLDOWN').refusal!.retryMs! <= 1_000);
    hunt
      .later(1_100)
      .ok(
        'ann',
        { type: 'answer', clue: 'c1', text: '  NEPTÚNE! ' },
        { stage: 'riddle', clue: 'c1', points: 200, total: 245, opened: [] },
      );
    assert.equal(hunt.view('ann').me.stages.riddle!.after, 'Behind the third column.');
    hunt.no('ann', { type: 'answer', clue: 'c1', text: 'Neptune' }, 'ALREADY_DONE');
    hunt.no('ann', { type: 'scan', code: 'HX-0000' }, 'WRONG_CODE', { attempts_left: 2, total: 240 });
    hunt.no('ann', { type: 'scan', code: 'HX-2291' }, 'COOLDOWN');
    hunt
      .later(1_100)
      .ok('ann', { type: 'scan', code: ' hx-2291 ' }, { stage: 'column', points: 150, total: 390, opened: ['vault'] });
    hunt.ok('ann', { type: 'skip', stage: 'faraway' }, { stage: 'faraway', points: -7, total: 383 });
    hunt.no('ann', { type: 'skip', stage: 'gate' }, 'ALREADY_DONE');
    hunt.ok(
      'ann',
      { type: 'claim', treasure: 'coin' },
      { treasure: 'coin', points: 5, bonus: 0, first: true, stock_left: 1, total: 388 },
    );
    hunt.no('ann', { type: 'claim', treasure: 'coin' }, 'ALREADY_CLAIMED');
    assert.equal(hunt.no('ann', { type: 'claim', treasure: 'box' }, 'WRONG_CODE').events.length, 0);
    hunt.ok('ann', { type: 'claim', treasure: 'box', code: 'open-7' }, { points: 6, total: 394 });
    hunt.ok('bob', { type: 'claim', treasure: 'coin' }, { first: false, stock_left: 0 });
    bobsCoin = hunt.version;
    hunt.no('cy', { type: 'claim', treasure: 'coin' }, 'OUT_OF_STOCK');
    hunt.no('ann', { type: 'answer', clue: 'c2', text: 'b' }, 'WRONG_ANSWER', { attempts_left: 1 });
    assert.equal(
      hunt
        .later(1_100)
        .no('ann', { type: 'answer', clue: 'c2', text: 'b' }, 'WRONG_ANSWER', { attempts_left: 0, total: 384 }).events
        .length,
      2,
    );
    hunt.no('ann', { type: 'answer', clue: 'c2', text: 'a' }, 'NO_ATTEMPTS');
    hunt.no('ann', { type: 'claim', treasure: 'chest' }, 'INVALID');
    hunt.ok(
      'ann',
      { type: 'claim', treasure: 'chest', ...place(10) },
      { bonus: 50, first: true, stage: 'vault', points: 360, total: 744, events: 3 },
    );
    hunt.no('ann', { type: 'claim', treasure: 'box', code: 'OPEN-7' }, 'FINISHED');
    hunt.no('ann', { type: 'finish' }, 'FINISHED');
    hunt.no('bob', { type: 'skip' }, 'INVALID');
    hunt.ok('bob', { type: 'scan', code: 'HX-2291' }, { total: 255 });
    hunt.ok('bob', { type: 'answer', clue: 'c1', text: '1912' }, { total: 455, opened: ['vault'] });
    hunt.ok('bob', { type: 'skip', stage: 'faraway' }, { total: 448 });
    hunt.ok('bob', { type: 'skip', stage: 'fail' }, { total: 441, points: -7 });
    hunt.ok(
      'bob',
      { type: 'claim', treasure: 'chest', ...place(45) },
      { bonus: 0, first: false, points: 310, total: 751, events: 3 },
    );
    assert.equal(typeof hunt.ok('cy', { type: 'finish' }, { total: 100 }).finished_at, 'number');
  });

  it('ranks, adjusts, voids and disqualifies', () => {
    assert.deepEqual(
      hunt.board.entries.map((e) => [e.rank, e.player, e.points]),
      [
        [1, 'bob', 751],
        [2, 'ann', 744],
        [3, 'cy', 100],
      ],
    );
    assert.equal(hunt.verb('adjust', { player: 'ann', points: 10, reason: 'helped a lost child' }).total, 754);
    hunt.verb('void', { version: bobsCoin, reason: 'coin was fake' });
    hunt.refusedVerb('void', { version: bobsCoin, reason: 'again' }, 'ALREADY_DONE');
    hunt.verb('disqualify', { player: 'cy', reason: 'drove a car' });
    hunt.refusedVerb('disqualify', { player: 'cy', reason: 'again' }, 'ALREADY_DONE');
    hunt.no('cy', { type: 'claim', treasure: 'box', code: 'OPEN-7' }, 'DISQUALIFIED');
    assert.deepEqual(
      hunt.board.entries.map((e) => [e.player, e.points]),
      [
        ['ann', 754],
        ['bob', 746],
      ],
    );
    const board = hunt.query('board', { players: ['bob', 'cy'] }) as Board;
    assert.deepEqual(
      board.top.map((e) => [e.rank, e.player, e.points]),
      [
        [1, 'ann', 754],
        [2, 'bob', 746],
      ],
    );
    assert.deepEqual(board.me, { bob: { rank: 2, points: 746 } });
  });

  it('is paused, resumed and closed by hand', () => {
    hunt.verb('pause', { reason: 'storm' });
    hunt.no('bob', { type: 'claim', treasure: 'box', code: 'OPEN-7' }, 'HUNT_NOT_OPEN', { status: 'paused' });
    hunt.verb('resume');
    assert.equal(hunt.verb('close').status, 'closed');
    hunt.no('bob', { type: 'claim', treasure: 'box', code: 'OPEN-7' }, 'HUNT_NOT_OPEN', { status: 'closed' });
    hunt.refusedVerb('resume', {}, 'WRONG_STATE');
    assert.equal((hunt.query('show') as Show).status, 'closed');
  });

  it('is the same after replay, row by row and header apart (I3)', () => {
    assert.deepEqual(hunt.replayed(), hunt.packed());
  });

  it('shows the socket a strict part of what the designer sees', () => {
    for (const event of hunt.events) {
      const { private: _, vector: __, by, ...rest } = fullEvent(event, { 'n1@1': event.version });
      const shown = publicEvent(event);
      assert.deepEqual(shown, rest.type === 'StageCompleted' ? { ...rest, by } : rest);
      for (const secret of ['Neptune', 'HX-2291', 'OPEN-7', '48.2'])
        assert.ok(!JSON.stringify(shown).includes(secret), `${secret} in ${JSON.stringify(shown)}`);
    }
  });
});

describe('a team hunt', () => {
  const hunt = HuntSpec.of(teams);

  it('gives progress, points and end to the team', () => {
    for (const player of ['dan', 'eve', 'flo']) hunt.ok(player, { type: 'join', name: player });
    hunt.no('flo', { type: 'answer', clue: 'q1', text: '4' }, 'NO_TEAM');
    const red = hunt.ok('dan', { type: 'create_team', name: 'Red', pin: 'rrrr' }, { name: 'Red' }).team as string;
    assert.match(red, /^[A-Za-z0-9_.:-]{1,64}$/);
    hunt.no('dan', { type: 'create_team', name: 'Redder' }, 'ALREADY_DONE');
    hunt.no('eve', { type: 'join_team', team: 'nope' }, 'NOT_FOUND');
    hunt.no('eve', { type: 'join_team', team: red, pin: 'xxxx' }, 'WRONG_CODE');
    hunt.ok('eve', { type: 'join_team', team: red, pin: 'rrrr' }, { team: red, name: 'Red' });
    hunt.no('flo', { type: 'join_team', team: red, pin: 'rrrr' }, 'TEAM_FULL');
    const blue = hunt.ok('flo', { type: 'create_team', name: 'Blue' }).team;
    hunt.no('dan', { type: 'answer', clue: 'q1', text: 'five' }, 'WRONG_ANSWER');
    hunt.no('dan', { type: 'scan', code: 'TEAM-2' }, 'STAGE_LOCKED');
    hunt.ok('dan', { type: 'answer', clue: 'q1', text: 'Four' }, { stage: 's1', total: 10, opened: ['s2'] });
    const { me } = hunt.view('eve');
    assert.deepEqual([me.team, me.stages.s1!.state, me.stages.s2!.state, me.total], [red, 'done', 'open', 10]);
    hunt.no('eve', { type: 'answer', clue: 'q1', text: '4' }, 'ALREADY_DONE');
    hunt.no('eve', { type: 'skip', stage: 's2' }, 'NOT_ALLOWED');
    hunt.ok('eve', { type: 'scan', code: 'TEAM-2' }, { total: 30, events: 2 });
    hunt.no('dan', { type: 'finish' }, 'FINISHED');
    hunt.ok('flo', { type: 'finish' }, { total: 0 });
    assert.deepEqual(
      hunt.board.entries.map((x) => [x.rank, x.team, x.name, x.points]),
      [
        [1, red, 'Red', 30],
        [2, blue, 'Blue', 0],
      ],
    );
    assert.deepEqual(hunt.replayed(), hunt.packed());
  });

  it('lets nobody change over from a team that has scored', () => {
    hunt.ok('eve', { type: 'leave' });
    hunt.ok('eve', { type: 'join' });
    hunt.no('eve', { type: 'create_team', name: 'Green' }, 'NOT_ALLOWED');
    assert.deepEqual(hunt.replayed(), hunt.packed());
  });
});
