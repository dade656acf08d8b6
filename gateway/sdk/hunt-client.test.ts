import assert from 'node:assert/strict';
import { type ClientOptions, HuntClient } from './hunt-client.ts';
import type { HuntError } from './hunt-error.ts';
import type { HuntEvent, ServerMessage } from './messages.ts';
import { msgpackCodec } from './msgpack-codec.ts';
import { ack, connectWs, ev, live, me, type Peer, ScriptedServer, snap, testHunt, until } from './scripted-server.ts';

describe('HuntClient', () => {
  let server: ScriptedServer;
  let clients: HuntClient[] = [];
  const client = (options: Partial<ClientOptions> = {}): HuntClient => {
    const made = new HuntClient({
      url: options.url ?? server.url,
      token: 'T',
      connect: connectWs,
      random: () => 0.01,
      ...options,
    });
    clients.push(made);
    return made;
  };
  /** Answers a fresh `sub` with a snapshot at `version` and a resume with nothing missed. */
  const subscribed =
    (version: number, lastSeq = 0) =>
    (peer: Peer, message: { t: string; from?: number }) => {
      if (message.t !== 'sub') return;
      if (message.from === undefined) peer.send(snap(version, { last_seq: lastSeq }), live(version));
      else
        peer.send({ t: 'me', hunt: testHunt, version, full: true, me: me({ last_seq: lastSeq }) }, live(message.from));
    };

  beforeEach(async () => {
    server = await new ScriptedServer().listening();
  });
  afterEach(async () => {
    for (const open of clients) open.close();
    clients = [];
    await server.close();
  });

  for (const codec of [undefined, msgpackCodec]) {
    it(`authenticates, subscribes, follows and acts over ${codec?.protocol ?? 'hunt.v1.json'}`, async () => {
      server.script = (peer, message) => {
        subscribed(3, 7)(peer, message);
        if (message.t === 'act') peer.send(ack(message.seq, 4), ev(3, 4));
      };
      const session = client(codec ? { codec } : {}).session(testHunt);
      const events: HuntEvent[] = [];
      session.on('event', (event) => events.push(event));
      await session.whenLive();
      const reply = await session.act({ type: 'hint', clue: 'c' });
      assert.equal(reply.t, 'ack');
      assert.equal(reply.seq, 8, 'the counter starts behind me.last_seq');
      await until(() => session.cursor === 4, 'the cursor at 4');
      assert.deepEqual(
        events.map((event) => event.version),
        [4],
      );
      assert.equal(session.hunt?.title, 'Test');
    });
  }

  it('resumes from its cursor with the lineage after a drop, and resends what was unanswered under the same seq, lowest first', async () => {
    server.script = (peer, message) => {
      subscribed(5)(peer, message);
      if (message.t === 'act' && peer.number === 1) peer.send(ack(message.seq, 5));
    };
    const session = client().session(testHunt);
    await session.whenLive();
    const replies = [session.act({ type: 'scan', code: 'A' }), session.act({ type: 'scan', code: 'B' })];
    await until(() => server.peers[0]?.of('act').length === 2, 'two acts');
    server.peers[0]?.socket.terminate();
    assert.deepEqual(
      (await Promise.all(replies)).map((reply) => reply.seq),
      [1, 2],
    );
    assert.deepEqual(server.peers[1]?.of('sub'), [{ t: 'sub', hunt: testHunt, from: 5, lineage: 'L1' }]);
    assert.deepEqual(
      server.peers[1]?.of('act').map((act) => act.seq),
      [1, 2],
    );
  });

  it('sends a retryable refusal again with the same seq, not before retry_ms', async () => {
    const times: number[] = [];
    server.script = (peer, message) => {
      subscribed(1)(peer, message);
      if (message.t !== 'act') return;
      times.push(performance.now());
      if (times.length < 3)
        peer.send({
          t: 'nack',
          seq: message.seq,
          hunt: testHunt,
          code: 'BUSY',
          message: 'moving',
          retryable: true,
          retry_ms: 40,
        });
      else peer.send(ack(message.seq, 2));
    };
    const session = client().session(testHunt);
    const reply = await session.act({ type: 'join' });
    assert.equal(reply.t, 'ack');
    assert.deepEqual(
      server.peers[0]?.of('act').map((act) => act.seq),
      [1, 1, 1],
    );
    assert.ok((times[1] as number) - (times[0] as number) >= 39, 'waited retry_ms');
  });

  it('keeps unanswered seqs within 16 of each other, and sends the rest when the lowest is answered', async () => {
    server.script = subscribed(1);
    const session = client().session(testHunt);
    await session.whenLive();
    const replies = Array.from({ length: 20 }, () => session.act({ type: 'claim', treasure: 't' }));
    const peer = server.peers[0] as Peer;
    await until(() => peer.of('act').length === 16, 'sixteen acts');
    for (const seq of [16, 15, 2]) peer.send(ack(seq, 2));
    await Promise.all([replies[15], replies[14], replies[1]]);
    assert.equal(peer.of('act').length, 16, 'seq 1 is unanswered: 17 would be 16 away');
    peer.send(ack(1, 3));
    await until(() => peer.of('act').length === 18, 'seqs 17 and 18, within 16 of seq 3');
    assert.deepEqual(
      peer
        .of('act')
        .slice(16)
        .map((act) => act.seq),
      [17, 18],
    );
    for (const close of replies) close.catch(() => undefined);
  });

  it('takes a new seq when another device of the player took its own', async () => {
    server.script = (peer, message) => {
      subscribed(1)(peer, message);
      if (message.t !== 'act') return;
      if (message.seq === 1)
        peer.send({
          t: 'nack',
          seq: 1,
          hunt: testHunt,
          code: 'SEQ_CONFLICT',
          message: 'taken',
          retryable: false,
          detail: { last_seq: 9 },
        });
      else peer.send(ack(message.seq, 2));
    };
    const reply = await client().session(testHunt).act({ type: 'join' });
    assert.deepEqual([reply.t, reply.seq], ['ack', 10]);
  });

  it('gives a final refusal to the caller and uses a new seq for the next try', async () => {
    server.script = (peer, message) => {
      subscribed(1)(peer, message);
      if (message.t === 'act')
        peer.send({
          t: 'nack',
          seq: message.seq,
          hunt: testHunt,
          code: 'WRONG_ANSWER',
          message: 'no',
          retryable: false,
          version: 2,
        });
    };
    const session = client().session(testHunt);
    assert.equal((await session.act({ type: 'answer', clue: 'c', text: 'x' })).seq, 1);
    assert.equal((await session.act({ type: 'answer', clue: 'c', text: 'y' })).seq, 2);
  });

  const broken: Record<string, Parameters<Peer['send']>> = {
    'a gap': [ev(4, 5)],
    'a frame that came before': [ev(3, 4), ev(3, 4)],
    'a hole inside a frame': [
      { t: 'ev', hunt: testHunt, after: 3, upto: 5, events: [{ version: 5, player: 'a', type: 'X', at: 1 }] },
    ],
    'a live that moves the cursor': [live(9)],
  };
  for (const [what, frames] of Object.entries(broken)) {
    it(`sees ${what} (I6), skips what follows on the old subscription, and resumes from its cursor`, async () => {
      let subs = 0;
      server.script = (peer, message) => {
        if (message.t === 'unsub') peer.send(ev(77, 78)); // Still of the old subscription: must be skipped.
        if (message.t !== 'sub') return;
        if (++subs === 1) peer.send(snap(3), live(3), ...frames);
        else
          peer.send(
            ev(message.from as number, ...[4, 5, 6].filter((v) => v > (message.from as number))),
            { t: 'me', hunt: testHunt, version: 6, full: true, me: me() },
            live(6),
          );
      };
      const session = client().session(testHunt);
      const versions: number[] = [];
      let faults = 0;
      session.on('event', (event) => versions.push(event.version));
      session.on('fault', () => faults++);
      await until(() => session.cursor === 6 && session.isLive, 'the cursor at 6');
      assert.deepEqual(versions, [4, 5, 6], 'each event once, in order');
      assert.equal(faults, 1);
      assert.deepEqual(server.peers[0]?.of('unsub').length, 1);
    });
  }

  it('takes it for no fault when a resume brings its own events only, because that is what is granted now', async () => {
    server.script = (peer, message) => {
      if (message.t !== 'sub') return;
      if (message.from === undefined) peer.send(snap(3), live(3));
      else peer.send({ ...ev(3, 4), upto: 9 } as ServerMessage, { ...live(9), mode: 'own' } as ServerMessage);
    };
    const session = client().session(testHunt);
    await session.whenLive();
    server.peers[0]?.socket.terminate();
    await until(() => session.mode === 'own', 'the resume to be live');
    assert.equal(session.cursor, 9);
    assert.equal(server.peers[1]?.of('unsub').length, 0);
  });

  it('starts over from the snapshot behind a reset', async () => {
    server.script = subscribed(3);
    const session = client().session(testHunt);
    await session.whenLive();
    const reset = session.once('reset');
    server.peers[0]?.send(
      { t: 'reset', hunt: testHunt, reason: 'definition', version: 8 },
      snap(8, { total: 5 }),
      live(8),
      ev(8, 9),
    );
    assert.deepEqual(await reset, [{ reason: 'definition', version: 8 }]);
    await until(() => session.cursor === 9, 'the cursor at 9');
    assert.equal(session.me?.total, 5);
  });

  it('applies merge patches to the private view and keeps its own rank when a board brings none', async () => {
    server.script = subscribed(3);
    const session = client().session(testHunt);
    await session.whenLive();
    server.peers[0]?.send(
      {
        t: 'me',
        hunt: testHunt,
        version: 4,
        full: false,
        me: { total: 9, stages: { gate: { state: 'open', title: 'Gate' } } },
      },
      { t: 'me', hunt: testHunt, version: 5, full: false, me: { stages: { gate: { title: null, state: 'done' } } } },
      { t: 'board', hunt: testHunt, version: 5, top: [], entrants: 1, me: { rank: 1, points: 9 } },
      { t: 'board', hunt: testHunt, version: 6, top: [], entrants: 2 },
    );
    await until(() => session.board?.entrants === 2, 'the second board');
    assert.deepEqual(session.me?.stages, { gate: { state: 'done' } });
    assert.deepEqual(session.board?.me, { rank: 1, points: 9 });
  });

  it('waits as long as bye says before it returns', async () => {
    server.script = subscribed(1);
    const one = client();
    await one.session(testHunt).whenLive();
    const waiting = one.once('waiting');
    server.peers[0]?.send({ t: 'bye', code: 4000, retry_ms: 30, reason: 'draining' });
    server.peers[0]?.socket.close(4000);
    assert.equal((await waiting)[0].retryMs, 30);
    await until(() => server.peers.length === 2, 'the second connection');
  });

  for (const code of [4200, 4202, 4203, 4204, 1009]) {
    it(`is closed for good by ${code}: what is unanswered is rejected, and it does not return`, async () => {
      server.script = subscribed(1);
      const one = client();
      const session = one.session(testHunt);
      await session.whenLive();
      const reply = session.act({ type: 'join' });
      await until(() => server.peers[0]?.of('act').length === 1, 'the act');
      server.peers[0]?.socket.close(code);
      await assert.rejects(reply, (error: HuntError) => error.closeCode === code);
      assert.equal(one.state, 'closed');
      assert.equal(server.peers.length, 1);
    });
  }

  for (const code of [4000, 4001, 4002, 4003, 4100, 4101, 4102, 4103, 1006]) {
    it(`returns after ${code}`, async () => {
      server.script = subscribed(1);
      const session = client().session(testHunt);
      await session.whenLive();
      if (code === 1006) server.peers[0]?.socket.terminate();
      else server.peers[0]?.socket.close(code);
      await until(() => server.peers[1]?.of('sub').length === 1, 'a second subscription');
    });
  }

  it('asks for a fresh token when the old one has expired, and is closed when there is none', async () => {
    server.refuseToken = (token) => (token === 'old' ? 4201 : undefined);
    server.script = subscribed(1);
    const asked: boolean[] = [];
    const token = (expired: boolean): string => {
      asked.push(expired);
      return expired ? 'new' : 'old';
    };
    await client({ token }).session(testHunt).whenLive();
    assert.deepEqual(asked, [false, true]);
    await assert.rejects(client({ token: 'old' }).connect(), { code: 'UNAUTHENTICATED', closeCode: 4201 });
  });

  it('notices a line that answers no pings, and returns on another', async () => {
    server.heartbeatS = 0; // Taken as one second.
    server.script = subscribed(1);
    const session = client().session(testHunt);
    await session.whenLive();
    server.silent = (peer) => peer.number === 0;
    await until(() => server.peers.length >= 2 && session.isLive, 'a second connection', 8_000);
    assert.ok((server.peers[0]?.of('ping').length ?? 0) >= 2);
  });

  it('ends a session that the server refuses, and tries again when the refusal passes', async () => {
    let tries = 0;
    server.script = (peer, message) => {
      if (message.t !== 'sub') return;
      if (message.hunt !== testHunt)
        peer.send({ t: 'err', code: 'HUNT_NOT_FOUND', message: 'no such hunt', re: 'sub', hunt: message.hunt });
      else if (++tries === 1)
        peer.send({ t: 'err', code: 'UNAVAILABLE', message: 'later', re: 'sub', hunt: testHunt, retry_ms: 10 });
      else peer.send(snap(1), live(1));
    };
    const one = client();
    await assert.rejects(one.session(999).whenLive(), { code: 'HUNT_NOT_FOUND' });
    await one.session(testHunt).whenLive();
  });

  it('gives up after firstTriesMax tries when nobody listens', async () => {
    const url = server.url;
    await server.close();
    await assert.rejects(client({ url, firstTriesMax: 2 }).connect(), { code: 'UNREACHABLE' });
  });

  it('refuses more waiting commands than it may hold, by name (I5)', async () => {
    const session = client().session(testHunt);
    const held = Array.from({ length: 256 }, () => session.act({ type: 'finish' }).catch(() => undefined));
    await assert.rejects(session.act({ type: 'finish' }), { code: 'BUSY', retryable: true });
    session.close();
    await Promise.all(held);
  });
});
