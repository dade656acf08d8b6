import assert from 'node:assert/strict';
import { TestGateway, tokenOf } from './live.fixture.ts';

const hunt = 2 ** 40 + 7;
const claim = { type: 'claim', treasure: 'coin' };

describe('the live gateway', () => {
  let gateway: TestGateway;
  const start = async (config = {}, clock?: { now(): number; monotonic(): number }): Promise<void> => {
    await gateway?.stop();
    gateway = await TestGateway.start(config, clock);
    gateway.hunts.append(hunt, { player: '@admin', type: 'HuntCreated' });
  };
  /** A clock that a test moves ahead. */
  const clock = () => {
    const ahead = { ms: 0, now: () => Date.now() + ahead.ms, monotonic: () => performance.now() + ahead.ms };
    return ahead;
  };
  beforeEach(() => start());
  after(() => gateway.stop());

  describe('admission', () => {
    it('refuses an upgrade without our subprotocol, from a foreign page, or with a bad bearer token', async () => {
      assert.equal((await gateway.refusal(['chat'])).status, 400);
      assert.equal((await gateway.refusal(['hunt.v1.json'], { origin: 'https://evil.example' })).status, 403);
      const bad = await gateway.refusal(['hunt.v1.json'], { authorization: 'Bearer nonsense' });
      assert.equal(bad.status, 401);
      assert.match(String(bad.headers['www-authenticate']), /^Bearer/);
    });
    it('lets in its own page, a listed one, and a good bearer token', async () => {
      await start({ origins: ['https://play.example'] });
      const own = `http://${new URL(gateway.url).host}`;
      await gateway.client(undefined, 'json', { origin: own });
      await gateway.client(undefined, 'json', { origin: 'https://play.example' });
      const known = await gateway.client(undefined, 'json', { authorization: `Bearer ${tokenOf({ sub: 'ann' })}` });
      assert.equal((await known.take('ready')).player, 'ann');
    });
    it('answers 503 with Retry-After at the cap and at the accept rate', async () => {
      await start({ socketsMax: 1 });
      await gateway.client({ sub: 'ann' });
      const full = await gateway.refusal(['hunt.v1.json']);
      assert.equal(full.status, 503);
      assert.ok(Number(full.headers['retry-after']) >= 1);
      await start({ addressRate: { perSecond: 1, burst: 1 } });
      await gateway.client({ sub: 'ann' });
      assert.equal((await gateway.refusal(['hunt.v1.json'])).status, 503);
    });
    it('takes a crowd that comes at once, all of it', async () => {
      const clients = await Promise.all(Array.from({ length: 100 }, (_, i) => gateway.client({ sub: `p${i}` })));
      assert.equal(clients.length, 100);
    });
  });

  describe('authentication', () => {
    it('closes with 4103 when nothing comes in time', async () => {
      await start({ authMs: 100 });
      const client = await gateway.client();
      assert.equal(await client.whenClosed(), 4103);
      assert.equal((await client.take('bye')).code, 4103);
    });
    it('closes with 4200 after another first message or a bad token', async () => {
      const other = await gateway.client();
      other.send({ t: 'ping' });
      assert.equal((await other.take('err')).code, 'UNAUTHENTICATED');
      assert.equal(await other.whenClosed(), 4200);
      const bad = await gateway.client();
      bad.send({ t: 'auth', token: 'x' });
      assert.equal(await bad.whenClosed(), 4200);
    });
    it('handles what is sent right behind auth in order', async () => {
      const client = await gateway.client();
      client.send({ t: 'auth', token: tokenOf({ sub: 'ann' }) });
      client.send({ t: 'ping', id: 1 });
      client.send({ t: 'act', seq: 1, hunt, action: claim });
      await client.take('ack');
      assert.deepEqual(client.inbox.map((told) => told.t).slice(0, 2), ['ready', 'pong']);
    });
    it('renews a token of the same sub, role and hunt, and no other', async () => {
      const client = await gateway.client({ sub: 'ann', hunt });
      client.send({ t: 'auth', token: tokenOf({ sub: 'ann', hunt }) });
      await client.until('a second ready', () => client.all('ready').length === 2);
      client.send({ t: 'auth', token: tokenOf({ sub: 'ann', hunt: hunt + 1 }) });
      assert.equal(await client.whenClosed(), 4200);
    });
    it('closes with 4201 when the token expires', async () => {
      const client = await gateway.client({ sub: 'ann', exp: Date.now() + 300 });
      assert.equal(await client.whenClosed(), 4201);
    });
    it('closes the oldest of more than ten sockets of one token with 4204', async () => {
      const first = await gateway.client({ sub: 'ann' });
      const others = await Promise.all(Array.from({ length: 10 }, () => gateway.client({ sub: 'ann' })));
      assert.equal(await first.whenClosed(), 4204);
      assert.ok(others.every((client) => client.closed === undefined));
    });
  });

  describe('messages', () => {
    it('answers a malformed one with INVALID and the tenth in a minute with 4202', async () => {
      const client = await gateway.client({ sub: 'ann' });
      for (const text of [
        '{',
        '[]',
        '1',
        'null',
        '{}',
        '{"t":"nope"}',
        '{"t":"sub","hunt":"x"}',
        '{"t":"act","seq":0}',
        '"x"',
      ])
        client.ws.send(text);
      await client.until('nine errors', () => client.all('err').length === 9);
      assert.ok(client.all('err').every((told) => told.code === 'INVALID'));
      assert.equal(client.closed, undefined);
      client.ws.send('{"t":7}');
      assert.equal(await client.whenClosed(), 4202);
    });
    it('closes with 4202, 1009 or 1007 for a wrong frame, a long message and bad UTF-8', async () => {
      const wrong = await gateway.client({ sub: 'a' });
      wrong.ws.send(Buffer.from('{}'), { binary: true });
      assert.equal(await wrong.whenClosed(), 4202);
      const long = await gateway.client({ sub: 'b' });
      long.ws.send(JSON.stringify({ t: 'ping', pad: 'x'.repeat(17_000) }));
      assert.equal(await long.whenClosed(), 1009);
      const bad = await gateway.client({ sub: 'c' });
      bad.ws.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false });
      assert.equal(await bad.whenClosed(), 1007);
    });
    it('closes with 4002 when the heartbeat is missed', async () => {
      const time = clock();
      await start({ heartbeatS: 20 }, time);
      const client = await gateway.client({ sub: 'ann', exp: Date.now() + 10 * 3_600_000 });
      time.ms = 41_000;
      assert.equal(await client.whenClosed(), 4002);
    });
    it('limits a player over all of its sockets, and closes the one that never stops with 4101', async () => {
      await start({ playerRate: { perSecond: 1, burst: 3 }, socketRate: { perSecond: 0, burst: 0 } });
      const [a, b] = [await gateway.client({ sub: 'ann' }), await gateway.client({ sub: 'ann' })];
      for (let seq = 1; seq <= 3; seq++) a.send({ t: 'act', seq, hunt, action: claim });
      await a.until('three acks', () => a.all('ack').length === 3);
      b.send({ t: 'act', seq: 4, hunt, action: claim });
      const nack = await b.take('nack');
      assert.deepEqual([nack.code, nack.retryable, (nack.retry_ms as number) > 0], ['RATE_LIMITED', true, true]);
      assert.ok(gateway.gateway.admitAct('ann') > 0, 'acts by HTTP and gRPC have a bucket of their own');
      assert.equal(gateway.gateway.admitAct('ben'), 0);
      for (let seq = 5; seq < 400; seq++) b.send({ t: 'act', seq, hunt, action: claim });
      assert.equal(await b.whenClosed(), 4101);
    });
    it('answers every act that has seq and hunt', async () => {
      const cases: [string, object, object][] = [
        ['FORBIDDEN', { sub: 'olga', role: 'operator', hunt: undefined }, { seq: 1, hunt, action: claim }],
        ['FORBIDDEN', { sub: 'ann', hunt: 5 }, { seq: 1, hunt, action: claim }],
        ['INVALID', { sub: 'ann' }, { seq: 1, hunt }],
        ['INVALID', { sub: 'ann' }, { seq: 1, hunt, action: [claim] }],
        ['INVALID', { sub: 'ann' }, { seq: 1, hunt, action: { ...claim, treasure: 'a b' } }],
        ['INVALID', { sub: 'ann' }, { seq: 1, hunt, action: { type: 'check_in', lat: 91, lon: 0, accuracy: 1 } }],
        ['HUNT_NOT_FOUND', { sub: 'ann' }, { seq: 1, hunt: 99, action: claim }],
      ];
      for (const [code, claims, act] of cases) {
        const client = await gateway.client(claims);
        client.send({ t: 'act', ...act });
        assert.equal((await client.take('nack')).code, code);
      }
    });
    it('says bye with a time to come back when it drains', async () => {
      const client = await gateway.client({ sub: 'ann' });
      await gateway.gateway.drain(5_000);
      assert.equal(await client.whenClosed(), 4000);
      const bye = await client.take('bye');
      assert.ok(bye.code === 4000 && (bye.retry_ms as number) <= 5_000);
    });
  });

  for (const codec of ['json', 'msgpack'] as const)
    describe(`a subscription over ${codec}`, () => {
      it('begins with snap, live and board, and follows', async () => {
        const client = await gateway.client({ sub: 'ann' }, codec);
        client.send({ t: 'sub', hunt });
        const snap = await client.take('snap');
        assert.deepEqual([snap.hunt, snap.version, snap.mode, snap.lineage], [hunt, 1, 'all', 'L1']);
        assert.equal((snap.state as { me: { player: string } }).me.player, 'ann');
        const live = await client.take('live');
        assert.deepEqual([live.version, live.mode], [1, 'all']);
        assert.deepEqual((await client.take('board')).me, { rank: 1, points: 0 });
        client.send({ t: 'act', seq: 1, hunt, action: claim });
        const ack = await client.take('ack');
        assert.deepEqual([ack.version, ack.events, (ack.result as { stage?: string }).stage], [2, 1, undefined]);
        await client.until('the event', () => client.versions().length === 1);
        const me = await client.take('me');
        assert.deepEqual([me.full, me.me], [false, { total: 1 }]);
        await client.take('board', (told) => (told.me as { points?: number } | undefined)?.points === 1);
      });
      it('goes on from a version without a hole, then sends me in full and live', async () => {
        for (let i = 0; i < 200; i++) gateway.hunts.append(hunt, { player: `p${i}` });
        const client = await gateway.client({ sub: 'ann' }, codec);
        client.send({ t: 'sub', hunt, from: 37 });
        const live = await client.take('live');
        gateway.hunts.append(hunt, { player: 'x' }, { player: 'y' });
        await client.until('version 203', () => client.versions(37).at(-1) === 203);
        assert.deepEqual(
          client.versions(37),
          Array.from({ length: 166 }, (_, i) => 38 + i),
        );
        assert.equal(live.version, 201);
        const kinds = client.inbox.map((told) => told.t);
        assert.ok(kinds.indexOf('me') < kinds.indexOf('live') && (await client.take('me')).full === true);
        assert.ok(!kinds.includes('snap'));
      });
    });

  describe('resume', () => {
    const reset = async (sub: object): Promise<unknown> => {
      const client = await gateway.client({ sub: 'ann' });
      client.send({ t: 'sub', hunt, ...sub });
      const told = await client.take('reset');
      assert.equal((await client.take('snap')).version, told.version);
      await client.take('live');
      return told.reason;
    };
    it('starts over for a version ahead, a foreign lineage and a trimmed log', async () => {
      for (let i = 0; i < 300; i++) gateway.hunts.append(hunt, { player: 'p' });
      assert.equal(await reset({ from: 1_000_000 }), 'ahead');
      assert.equal(await reset({ from: 5, lineage: 'other' }), 'lineage');
      gateway.hunts.oldest = 200;
      assert.equal(await reset({ from: 5 }), 'trimmed');
    });
    it('sends live also when nothing was missed, and the whole history from 0', async () => {
      const same = await gateway.client({ sub: 'ann' });
      same.send({ t: 'sub', hunt, from: 1, lineage: 'L1' });
      assert.equal((await same.take('live')).version, 1);
      for (let i = 0; i < 1_000; i++) gateway.hunts.append(hunt, { player: 'p' });
      const whole = await gateway.client({ sub: 'bob' });
      whole.send({ t: 'sub', hunt, from: 0 });
      await whole.take('live');
      assert.equal(whole.versions(0).length, 1_001);
    });
    it('loads a block once for all who come back', async () => {
      for (let i = 0; i < 640; i++) gateway.hunts.append(hunt, { player: 'p' });
      const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => gateway.client({ sub: `w${i}` })));
      const before = gateway.hunts.reads;
      for (const client of clients) client.send({ t: 'sub', hunt, from: 0 });
      await Promise.all(clients.map((client) => client.take('live')));
      for (const client of clients) assert.equal(client.versions(0).length, 641);
      assert.ok(gateway.hunts.reads - before <= 20, `${gateway.hunts.reads - before} reads`);
    });
    it('reads from the log what the feed lost', async () => {
      const client = await gateway.client({ sub: 'ann' });
      client.send({ t: 'sub', hunt });
      await client.take('live');
      gateway.hunts.deaf = true;
      for (let i = 0; i < 10; i++) gateway.hunts.append(hunt, { player: 'p' });
      gateway.hunts.reconnectFeed(hunt);
      await client.until('version 11', () => client.versions().at(-1) === 11);
    });
  });

  describe('a subscription', () => {
    it('is refused twice, and for hunts that are not there or not its own', async () => {
      const client = await gateway.client({ sub: 'ann' });
      client.send({ t: 'sub', hunt });
      client.send({ t: 'sub', hunt });
      assert.equal((await client.take('err')).code, 'ALREADY_DONE');
      client.send({ t: 'sub', hunt: 99 });
      await client.take('err', (told) => told.code === 'HUNT_NOT_FOUND' && told.hunt === 99);
      client.send({ t: 'unsub', hunt: 98 });
      await client.take('err', (told) => told.code === 'NOT_FOUND');
      const foreign = await gateway.client({ sub: 'eve', role: 'designer' });
      foreign.send({ t: 'sub', hunt });
      assert.equal((await foreign.take('err')).code, 'FORBIDDEN');
    });
    it('ends with unsub: nothing follows the pong', async () => {
      const [client, other] = [await gateway.client({ sub: 'ann' }), await gateway.client({ sub: 'bob' })];
      for (const one of [client, other]) one.send({ t: 'sub', hunt });
      await Promise.all([client.take('live'), other.take('live'), client.take('board'), other.take('board')]);
      client.send({ t: 'unsub', hunt });
      client.send({ t: 'ping', id: 77 });
      await client.take('pong');
      const before = client.inbox.length;
      gateway.hunts.append(hunt, { player: 'ann' });
      await other.take('ev');
      await other.until('a second board', () => other.all('board').length === 2);
      assert.equal(client.inbox.length, before, 'others were served, this one was not');
    });
    it('gives designers and operators the hunt without a me', async () => {
      for (const [sub, role] of [
        ['dora', 'designer'],
        ['olga', 'operator'],
      ] as const) {
        const client = await gateway.client({ sub, role });
        client.send({ t: 'sub', hunt });
        assert.equal(((await client.take('snap')).state as { me: unknown }).me, null);
        await client.take('board');
      }
    });
    it('in own mode carries my events, my team’s and everybody’s, and moves the cursor by live', async () => {
      const client = await gateway.client({ sub: 'ann' });
      client.send({ t: 'sub', hunt, mode: 'own' });
      await client.take('live');
      gateway.hunts.append(hunt, { player: 'bob' });
      gateway.hunts.append(hunt, { player: 'ann', type: 'TeamJoined', team: 'red' });
      gateway.hunts.append(hunt, { player: 'cy', team: 'red' }, { player: 'dan', team: 'blue' });
      gateway.hunts.append(hunt, { player: '@admin', type: 'Announced' });
      await client.until('four events', () => client.versions().length === 3);
      assert.deepEqual(client.versions(), [3, 4, 6]);
      gateway.hunts.append(hunt, { player: 'bob' });
      await client.until(
        'a live that moves the cursor',
        () => client.all('live').some((told) => told.version === 7),
        7_000,
      );
    });
    it('resumes in own mode with what its player did meanwhile', async () => {
      for (let i = 0; i < 150; i++) gateway.hunts.append(hunt, { player: i % 50 === 0 ? 'ann' : 'bob' });
      const client = await gateway.client({ sub: 'ann' });
      client.send({ t: 'sub', hunt, mode: 'own', from: 2 });
      const live = await client.take('live');
      assert.deepEqual(client.versions(2), [52, 102]);
      assert.equal(live.version, 151);
    });
    it('is reset to own when its hunt grows hot', async () => {
      await start({ hotSubscribers: 3 });
      const clients = await Promise.all(Array.from({ length: 4 }, (_, i) => gateway.client({ sub: `p${i}` })));
      for (const client of clients.slice(0, 3)) client.send({ t: 'sub', hunt });
      for (const client of clients.slice(0, 3)) assert.equal((await client.take('live')).mode, 'all');
      clients[3]?.send({ t: 'sub', hunt });
      assert.equal((await clients[3]?.take('live'))?.mode, 'own');
      for (const client of clients.slice(0, 3)) {
        assert.equal((await client.take('reset')).reason, 'audience');
        await client.take('live', (told) => told.mode === 'own');
      }
    });
    it('is reset when a new definition is published', async () => {
      const client = await gateway.client({ sub: 'ann' });
      client.send({ t: 'sub', hunt });
      await client.take('live');
      gateway.hunts.append(hunt, { player: '@admin', type: 'DefinitionPublished' });
      assert.equal((await client.take('reset')).reason, 'definition');
      await client.until('a second live', () => client.all('live').length === 2);
    });
    it('shows no board to players while the board is closed', async () => {
      gateway.hunts.board = 'closed';
      const client = await gateway.client({ sub: 'ann' });
      client.send({ t: 'sub', hunt });
      await client.take('live');
      const designer = await gateway.client({ sub: 'dora', role: 'designer' });
      designer.send({ t: 'sub', hunt });
      await designer.take('board');
      gateway.hunts.append(hunt, { player: 'ann' });
      await client.take('me');
      await designer.until('a second board', () => designer.all('board').length === 2);
      assert.equal(client.all('board').length, 0, 'the designer sees it, the player does not');
    });
    it('shares its frames: one is made for a codec however many sockets there are', async () => {
      const clients = await Promise.all(
        Array.from({ length: 30 }, (_, i) => gateway.client({ sub: `p${i}` }, i % 2 === 0 ? 'json' : 'msgpack')),
      );
      for (const client of clients) client.send({ t: 'sub', hunt });
      await Promise.all(clients.map((client) => client.take('live')));
      const before = gateway.counted.get('hunt_frames_encoded_total') ?? 0;
      gateway.hunts.append(hunt, { player: 'x' });
      await Promise.all(clients.map((client) => client.take('ev')));
      assert.equal((gateway.counted.get('hunt_frames_encoded_total') ?? 0) - before, 2);
    });
  });

  describe('a slow socket', () => {
    it('lags, is fed from the log when it drains, and misses nothing', async () => {
      const client = await gateway.client({ sub: 'ann' });
      client.send({ t: 'sub', hunt });
      await client.take('live');
      client.ws.pause();
      const text = 'x'.repeat(500);
      for (let i = 0; i < 16_000; i++) gateway.hunts.append(hunt, { player: 'p', extra: { text } });
      await client.until('the socket to lag', () => gateway.gauges.get('hunt_sockets_lagging') === 1);
      client.ws.resume();
      await client.until('the last version', () => client.versions().at(-1) === 16_001, 10_000);
      assert.equal(client.versions().length, 16_000);
    });
    it('is closed with 4001 when it does not drain', async () => {
      const time = clock();
      await start({}, time);
      const client = await gateway.client({ sub: 'ann', exp: Date.now() + 3_600_000 });
      client.send({ t: 'sub', hunt });
      await client.take('live');
      client.ws.pause();
      const text = 'x'.repeat(500);
      await client.until('the socket to lag', () => {
        for (let i = 0; i < 500; i++) gateway.hunts.append(hunt, { player: 'p', extra: { text } });
        return gateway.gauges.get('hunt_sockets_lagging') === 1;
      });
      time.ms = 11_000;
      await client.until('the gateway to close it', () => gateway.counted.get('hunt_closes_total:4001') === 1);
      client.ws.resume();
      assert.equal(await client.whenClosed(5_000), 4001);
    });
  });

  describe('a fault of ours', () => {
    it('closes the socket that met it with 4102, is reported, and disturbs nobody else', async () => {
      const [ann, bob] = [await gateway.client({ sub: 'ann' }), await gateway.client({ sub: 'bob' })];
      gateway.hunts.answer = (request) => {
        if (request.playerId === 'ann') throw new Error('a bug');
        return undefined;
      };
      ann.send({ t: 'act', seq: 1, hunt, action: claim });
      assert.equal(await ann.whenClosed(), 4102);
      assert.equal((await ann.take('bye')).code, 4102);
      assert.match(String(gateway.reported[0]), /a bug/);
      bob.send({ t: 'act', seq: 1, hunt, action: claim });
      await bob.take('ack');
    });
  });

  describe('an overloaded gateway', () => {
    it('closes the fullest outboxes with 4100 when all together are too full, and keeps the others', async () => {
      await start({ outboxBytesTotalMax: 50_000 });
      const [slow, quick] = [await gateway.client({ sub: 'ann' }), await gateway.client({ sub: 'bob' })];
      slow.send({ t: 'sub', hunt });
      await slow.take('live');
      slow.ws.pause();
      const text = 'x'.repeat(20_000);
      await slow.until('the gateway to have closed it', () => {
        for (let i = 0; i < 20; i++)
          gateway.hunts.append(hunt, { player: '@admin', type: 'Announced', extra: { text } });
        return gateway.counted.get('hunt_closes_total:4100') === 1;
      });
      quick.send({ t: 'ping', id: 1 });
      assert.equal((await quick.take('pong')).id, 1);
      slow.ws.resume();
      assert.equal(await slow.whenClosed(), 4100);
    });
  });
});
