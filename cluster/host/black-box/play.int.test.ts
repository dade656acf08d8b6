import assert from 'node:assert/strict';
import { systemClock } from '../../../runtime/kernel/clock.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { delay, until } from './deadline.ts';
import { chestPlace, gate, northDegrees, oldTown, relay } from './definitions.ts';
import { foldBoard, judgeBoard } from './judge/board.ts';
import { judgeEffects } from './judge/effects.ts';
import { told } from './judge/fault.ts';
import { judgeHistory } from './judge/history.ts';
import { judgeDelivery } from './judge/subscription.ts';
import { type Profile, profiles, requireProfile } from './profile-servers.ts';
import { Seat } from './seat.ts';
import { freshPlayer, sharedCluster } from './shared-cluster.ts';
import type { FullEvent } from './wire.ts';

const atGate = (metres: number, accuracy = 10) => ({ lat: gate.lat + northDegrees(metres), lon: gate.lon, accuracy });

/** The chest lies 270 m from the gate; who gets there within four seconds is too fast. */
async function claimsChest(seat: Seat, result: Readonly<Record<string, unknown>>): Promise<void> {
  const claim = { type: 'claim', treasure: 'chest', ...chestPlace, accuracy: 5 };
  let reply = await seat.act(claim);
  for (let tries = 0; reply.t === 'nack' && reply.code === 'TOO_FAST' && tries < 10; tries++) {
    await delay(500);
    reply = await seat.act(claim);
  }
  assert.equal(reply.t, 'ack', JSON.stringify(reply));
  if (reply.t === 'ack')
    for (const [field, want] of Object.entries(result)) assert.deepEqual(reply.result[field], want, field);
}

async function judged(
  cluster: ClusterProcess,
  hunt: number,
  seats: readonly Seat[],
  entry: 'solo' | 'team',
): Promise<FullEvent[]> {
  const history = await cluster.history(hunt);
  assert.equal(judgeHistory(history).length, 0, told(judgeHistory(history)));
  const effects = judgeEffects(
    history,
    seats.flatMap((seat) => seat.ledger),
  );
  assert.equal(effects.length, 0, told(effects));
  const board = judgeBoard(await cluster.scoreboard(hunt), foldBoard(history, entry));
  assert.equal(board.length, 0, told(board));
  for (const seat of seats) {
    if (seat.judge.mode === 'all')
      await until(
        `${seat.player} to receive version ${history.length}`,
        5_000,
        () => seat.judge.cursor === history.length,
      );
    seat.assertClean();
  }
  return history;
}

for (const profile of profiles) playedOn(profile);

function playedOn(profile: Profile): void {
  describe(`a hunt played over the wire, profile ${profile}`, function () {
    this.timeout(60_000);
    let cluster: ClusterProcess;
    before(async function () {
      requireProfile(this, profile);
      cluster = await sharedCluster(profile);
    });

    it('is created from YAML with an id below 2^53, its slot and a join code', async () => {
      const answer = await cluster.call('POST', '/v1/hunts', {
        body: oldTown(),
        headers: { 'content-type': 'application/yaml' },
      });
      assert.equal(answer.status, 201, answer.text);
      const made = answer.json as { hunt_id: number; slot: number; join_code: string; status: string; version: number };
      assert.ok(Number.isSafeInteger(made.hunt_id) && made.hunt_id > 0);
      assert.equal(made.slot, made.hunt_id % 256);
      assert.match(made.join_code, /^[A-HJ-NP-Z2-9]{6}$/);
      assert.equal(made.status, 'open');
      assert.ok(answer.headers.location?.endsWith(`/v1/hunts/${made.hunt_id}`));
    });

    it('lets three players walk the graph of the Old Town to its end, in both codecs and both modes', async () => {
      const hunt = (await cluster.createHunt(oldTown())).hunt_id;
      const ann = await Seat.take(cluster, hunt, freshPlayer('ann'), { codec: 'json' });
      const bob = await Seat.take(cluster, hunt, freshPlayer('bob'), { codec: 'msgpack' });
      const cy = await Seat.take(cluster, hunt, freshPlayer('cy'), { codec: 'msgpack', mode: 'own' });
      const seats = [ann, bob, cy];
      assert.equal(ann.me?.status, 'none');
      assert.equal(ann.hunt?.title, 'Old Town Mystery');
      assert.deepEqual(
        ann.hunt?.stages.filter((stage) => stage.title !== undefined).map((stage) => stage.id),
        ['gate'],
      );

      await ann.mayNot({ type: 'check_in', ...atGate(0) }, 'NOT_JOINED');
      await ann.does({ type: 'join', name: 'Ann' }, { player: ann.player, name: 'Ann', rejoined: false, total: 0 });
      await ann.mayNot({ type: 'join', name: 'Ann' }, 'ALREADY_DONE');
      await bob.does({ type: 'join', name: '  Bob  🦊' });
      await cy.does({ type: 'join', name: 'Cy' });
      await cy.does({ type: 'leave' });
      await cy.mayNot({ type: 'hint', clue: 'god' }, 'NOT_JOINED');
      await cy.does({ type: 'join' }, { rejoined: true });

      await ann.mayNot({ type: 'claim', treasure: 'coin' }, 'STAGE_LOCKED');
      await ann.mayNot({ type: 'answer', clue: 'god', text: 'Neptune' }, 'STAGE_LOCKED');
      await ann.mayNot({ type: 'answer', clue: 'nothing', text: 'Neptune' }, 'NOT_FOUND');
      await ann.mayNot({ type: 'create_team', name: 'Reds' }, 'NOT_ALLOWED');
      await ann.mayNot({ type: 'check_in', ...atGate(0, 51) }, 'LOW_ACCURACY');
      const far = await ann.mayNot({ type: 'check_in', stage: 'gate', ...atGate(200) }, 'OUT_OF_RANGE');
      assert.ok(Math.abs(Number(far.detail?.distance_m) - 200) < 2, 'a pinned stage tells the distance');
      const arrived = await ann.does(
        { type: 'check_in', ...atGate(38) },
        { stage: 'gate', points: 100, total: 100, opened: ['fountain'] },
      );
      assert.ok(Math.abs(Number(arrived.result.distance_m) - 38) < 1);
      await bob.does({ type: 'check_in', stage: 'gate', ...atGate(10) }, { total: 100 });
      await ann.mayNot({ type: 'check_in', stage: 'gate', ...atGate(0) }, 'ALREADY_DONE');
      await ann.sees(
        'the fountain and its clue',
        (me) => me.stages.fountain?.clues?.god?.text === 'Whose trident is it?' && me.stages.column?.state === 'locked',
      );

      await ann.does(
        { type: 'hint', clue: 'god' },
        { n: 1, text: 'Not the Greek name', left: 1, points: -20, total: 80 },
      );
      const early = await ann.mayNot({ type: 'hint', clue: 'god' }, 'COOLDOWN');
      assert.ok((early.retry_ms ?? 0) > 100_000 && (early.retry_ms ?? 0) <= 120_000);
      const wrong = await ann.mayNot({ type: 'answer', clue: 'god', text: 'Poseidon' }, 'WRONG_ANSWER', {
        effect: true,
      });
      assert.equal(wrong.detail?.attempts_left, 2);
      assert.equal(wrong.detail?.total, 70);
      const again = await ann.mayNot({ type: 'answer', clue: 'god', text: 'Poseidon' }, 'WRONG_ANSWER', {
        effect: true,
        seq: ann.seq,
      });
      assert.equal(again.version, wrong.version, 'a resent wrong answer has its first outcome');
      await ann.mayNot({ type: 'answer', clue: 'god', text: 'Neptune' }, 'SEQ_CONFLICT', { seq: ann.seq });
      await ann.mayNot({ type: 'answer', clue: 'god', text: 'Neptune' }, 'COOLDOWN');
      await until('the cooldown to pass', 4_000, () => systemClock.now() > Number(wrong.detail?.locked_until));
      const solved = await ann.does(
        { type: 'answer', clue: 'god', text: ' neptnue! ' },
        { stage: 'fountain', total: 270, opened: ['column'] },
      );
      const resent = await ann.does({ type: 'answer', clue: 'god', text: ' neptnue! ' }, {}, ann.seq);
      assert.deepEqual([resent.duplicate, resent.version, resent.events], [true, solved.version, solved.events]);
      await ann.sees(
        'the text behind the fountain',
        (me) => me.stages.fountain?.after === 'Look behind the third column.',
      );

      const badCode = await ann.mayNot({ type: 'scan', code: 'HX-0000' }, 'WRONG_CODE', { effect: true });
      assert.equal(badCode.detail?.attempts_left, 3);
      await until('the cooldown to pass', 4_000, () => systemClock.now() > Number(badCode.detail?.locked_until));
      await ann.does({ type: 'scan', code: ' hx-2291 ' }, { stage: 'column', total: 420, opened: ['vault'] });
      await ann.mayNot({ type: 'claim', treasure: 'chest' }, 'INVALID');
      await ann.mayNot({ type: 'claim', treasure: 'chest', ...atGate(0) }, 'OUT_OF_RANGE');
      await until('the coin to be released', 5_000, () =>
        ann.judge.events.some((event) => event.type === 'TreasureReleased' && event.player === '@system'),
      );
      await ann.does({ type: 'claim', treasure: 'coin' }, { points: 5, total: 425, first: true, stock_left: 499 });
      await ann.mayNot({ type: 'claim', treasure: 'coin' }, 'ALREADY_CLAIMED');
      await bob.does({ type: 'claim', treasure: 'coin' }, { first: false, stock_left: 498 });
      await claimsChest(ann, { stage: 'vault', points: 350, bonus: 50, first: true, stock_left: 2, total: 775 });
      await ann.mayNot({ type: 'claim', treasure: 'coin' }, 'FINISHED');

      await bob.does({ type: 'answer', clue: 'god', text: 'NEPTÚN' }, { total: 305 });
      await bob.does({ type: 'skip' }, { stage: 'column', points: 0, opened: ['vault'] });
      await claimsChest(bob, { first: false, bonus: 0, points: 300, total: 605 });
      await cy.does({ type: 'finish' }, { total: 0 });

      const history = await judged(cluster, hunt, seats, 'solo');
      for (const seat of [ann, bob])
        assert.equal(judgeDelivery(seat.judge, history).length, 0, told(judgeDelivery(seat.judge, history)));
      const own = judgeDelivery(
        cy.judge,
        history,
        (event) => event.player === cy.player || event.player.startsWith('@'),
      );
      assert.equal(own.length, 0, told(own));
      const standings = foldBoard(history, 'solo');
      await until(
        "Bob's board to show the end",
        5_000,
        () => bob.board !== undefined && judgeBoard(bob.board.top, standings).length === 0,
      );
      for (const seat of seats) seat.socket.close();
    });

    it('lets a designer adjust, void, disqualify, announce, pause, look back and close', async () => {
      const { hunt_id: hunt } = await cluster.createHunt(oldTown({ coinInMs: -5_000 }));
      const dan = await Seat.take(cluster, hunt, freshPlayer('dan'), { codec: 'msgpack' });
      const eve = await Seat.take(cluster, hunt, freshPlayer('eve'));
      const steer = <T>(verb: string, body: object): Promise<T> =>
        cluster.expect('POST', `/v1/hunts/${hunt}/${verb}`, { body });
      await dan.does({ type: 'join', name: 'Dan' });
      await eve.does({ type: 'join', name: 'Eve' });
      const coin = await dan.does({ type: 'claim', treasure: 'coin' }, { stock_left: 499 });
      assert.equal(
        (await steer<{ total: number }>('adjust', { player: dan.player, points: 10, reason: 'helped a lost child' }))
          .total,
        15,
      );
      await steer('void', { version: coin.version, reason: 'a false coin' });
      assert.equal(
        (await cluster.call('POST', `/v1/hunts/${hunt}/void`, { body: { version: coin.version, reason: 'again' } }))
          .status,
        409,
      );
      await eve.does({ type: 'claim', treasure: 'coin' }, { stock_left: 499 });
      await steer('disqualify', { player: eve.player, reason: 'drove a car' });
      await eve.mayNot({ type: 'check_in', ...atGate(0) }, 'DISQUALIFIED');
      const { version } = await steer<{ version: number }>('announce', { text: 'Ten minutes left' });
      await until('the announcement', 5_000, () =>
        dan.judge.events.some((event) => event.version === version && event.text === 'Ten minutes left'),
      );
      await steer('pause', { reason: 'a storm' });
      const paused = await dan.mayNot({ type: 'check_in', ...atGate(0) }, 'HUNT_NOT_OPEN');
      assert.equal(paused.detail?.status, 'paused');
      await steer('resume', {});
      await dan.does({ type: 'check_in', ...atGate(0) }, { total: 110 });
      await steer('close', {});
      await dan.mayNot({ type: 'skip' }, 'HUNT_NOT_OPEN');
      assert.equal((await cluster.call('POST', `/v1/hunts/${hunt}/open`, { body: {} })).status, 409);
      const past = await cluster.expect<{ version: number; state: { status: string } }>(
        'GET',
        `/v1/hunts/${hunt}?at_version=${coin.version}`,
      );
      assert.deepEqual([past.version, past.state.status], [coin.version, 'open']);
      const history = await judged(cluster, hunt, [dan, eve], 'solo');
      assert.equal(judgeDelivery(dan.judge, history).length, 0, told(judgeDelivery(dan.judge, history)));
      dan.socket.close();
      eve.socket.close();
    });

    it('lets teams run a line of stages to its end', async () => {
      const { hunt_id: hunt, join_code } = await cluster.createHunt(relay);
      const dan = await Seat.take(cluster, hunt, freshPlayer('dan'), { codec: 'msgpack' });
      const eve = await Seat.take(cluster, hunt, freshPlayer('eve'), { mode: 'own' });
      const flo = await Seat.take(cluster, hunt, freshPlayer('flo'));
      for (const seat of [dan, eve, flo]) await seat.does({ type: 'join', name: seat.player.slice(0, 3) });
      await flo.mayNot({ type: 'answer', clue: 'sum', text: '4' }, 'NO_TEAM');
      const red = (await dan.does({ type: 'create_team', name: 'Red', pin: 'rrrr' }, { name: 'Red' })).result
        .team as string;
      await dan.mayNot({ type: 'create_team', name: 'Redder' }, 'ALREADY_DONE');
      await eve.mayNot({ type: 'join_team', team: 'nobody' }, 'NOT_FOUND');
      await eve.mayNot({ type: 'join_team', team: red, pin: 'wrong' }, 'WRONG_CODE');
      await eve.does({ type: 'join_team', team: red, pin: 'rrrr' }, { team: red, name: 'Red' });
      await flo.mayNot({ type: 'join_team', team: red, pin: 'rrrr' }, 'TEAM_FULL');
      const blue = (await flo.does({ type: 'create_team', name: 'Blue' })).result.team as string;

      await dan.mayNot({ type: 'scan', code: 'RELAY-2' }, 'STAGE_LOCKED');
      await eve.mayNot({ type: 'answer', clue: 'sum', text: 'five' }, 'WRONG_ANSWER', { effect: true });
      await dan.does(
        { type: 'answer', clue: 'sum', text: 'FOUR' },
        { stage: 'first', points: 10, total: 9, opened: ['second'] },
      );
      await eve.sees(
        "her team-mate's progress",
        (me) => me.team === red && me.stages.first?.state === 'done' && me.total === 9,
      );
      await eve.mayNot({ type: 'answer', clue: 'sum', text: '4' }, 'ALREADY_DONE');
      await eve.mayNot({ type: 'skip', stage: 'second' }, 'NOT_ALLOWED');
      assert.equal((await eve.does({ type: 'scan', code: 'relay-2' }, { total: 29 })).events, 2);
      await dan.mayNot({ type: 'scan', code: 'RELAY-2' }, 'FINISHED');
      await flo.does({ type: 'finish' }, { total: 0 });

      const history = await judged(cluster, hunt, [dan, eve, flo], 'team');
      assert.deepEqual(
        (await cluster.scoreboard(hunt)).map((row) => [row.rank, row.team, row.name, row.points]),
        [
          [1, red, 'Red', 29],
          [2, blue, 'Blue', 0],
        ],
      );
      assert.equal(judgeDelivery(flo.judge, history).length, 0, told(judgeDelivery(flo.judge, history)));
      assert.ok(!eve.judge.events.some((event) => event.player === flo.player), 'in own mode no other team is seen');

      const joined = await cluster.expect<{ hunt_id: number; token: string; player_id: string }>('POST', '/v1/join', {
        token: '',
        headers: {},
        body: { code: join_code.toLowerCase(), name: 'Gil' },
      });
      assert.equal(joined.hunt_id, hunt);
      for (const seat of [dan, eve, flo]) seat.socket.close();
    });

    it('answers the same over HTTP as over the socket', async () => {
      const { hunt_id: hunt } = await cluster.createHunt(oldTown());
      const player = freshPlayer('kim');
      const token = cluster.playerToken(hunt, player);
      const act = (seq: number, action: object) =>
        cluster.call('POST', `/v1/hunts/${hunt}/actions`, { token, body: { seq, action } });
      const joined = await act(1, { type: 'join', name: 'Kim' });
      assert.equal(joined.status, 200, joined.text);
      assert.equal((joined.json as { ack: { seq: number } }).ack.seq, 1);
      const refused = await act(2, { type: 'claim', treasure: 'nothing' });
      assert.equal(refused.status, 404);
      assert.equal((refused.json as { nack: { code: string } }).nack.code, 'NOT_FOUND');
      const view = await cluster.expect<{ state: { me: { player: string; status: string } } }>(
        'GET',
        `/v1/hunts/${hunt}`,
        { token },
      );
      assert.deepEqual([view.state.me.player, view.state.me.status], [player, 'joined']);
    });
  });
}
