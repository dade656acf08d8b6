import assert from 'node:assert/strict';
import type { Version } from '../../proto/ids.ts';
import { LogDamagedError } from '../log/event-log.ts';
import {
  counterId,
  counterSlot,
  counterStream,
  eventsIn,
  newNode,
  newOwner,
  newWorld,
  settle,
  until,
} from '../runtime.fixture.ts';
import { encodeRecord } from './record.ts';

describe('an activation whose append is refused', () => {
  it('drops its speculation on a conflict, answers NOT_OWNER, and starts again from the log', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.hold('requests');
    node.send('ada', 1, { type: 'add', n: 1 });
    await until('the append', () => world.log.heldAppends === 1);
    node.send('bob', 1, { type: 'refuse' });
    await settle();
    // Another writer of the same epoch: only the conditional append stands between the two.
    const rival = await world.log.take(counterSlot, 1);
    const foreign = eventsIn(world)[0];
    assert.ok(foreign);
    const record = encodeRecord([Buffer.from(JSON.stringify({ ...foreign, version: 2, n: 50 }))], 1, 'n9@9');
    const held = rival.append(counterStream, 1 as Version, 1, record);
    assert.equal(world.log.heldAppends, 2);
    world.log.reorder((appends) => [appends[1], appends[0]]);
    world.log.release();
    assert.equal((await held).kind, 'appended');
    await until('the answers', () => node.replies.length === 2);
    assert.deepEqual(
      node.replies.map((reply) => reply.nack?.code),
      ['NOT_OWNER', 'NOT_OWNER'],
    );
    const reply = await node.act('ada', 1, { type: 'add', n: 1 });
    assert.deepEqual([reply.ack?.version, reply.ack?.duplicate, reply.ack?.result.total], [3, false, 51]);
    node.host.abandon();
  });

  it('answers BUSY when the log is full, and serves again when it is not', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.faults.append = () => 'refuse_full';
    const refused = await node.act('ada', 1, { type: 'add', n: 1 });
    assert.equal(refused.nack?.code, 'BUSY');
    assert.match(refused.nack?.message ?? '', /no space is left/);
    world.log.faults = {};
    assert.equal((await node.act('ada', 1, { type: 'add', n: 1 })).ack?.result.total, 1);
    node.host.abandon();
  });

  it('answers reads while the log is full, however many commands it refuses meanwhile', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.act('ada', 1, { type: 'add', n: 1 });
    world.log.faults.append = () => 'refuse_full';
    world.log.hold('replies');
    node.send('ada', 2, { type: 'add', n: 1 });
    await until('the append', () => world.log.heldAppends === 1);
    const behind = node.host.ask(counterStream, 'total', {});
    node.send('bob', 1, { type: 'add', n: 1 });
    await settle();
    world.log.release();
    assert.deepEqual(await behind, { ok: true, version: 2, body: { total: 1, version: 2 } });
    for (let seq = 3; seq < 6; seq++) {
      const read = node.host.ask(counterStream, 'total', {});
      node.send('ada', seq, { type: 'add', n: 1 });
      assert.deepEqual(await read, { ok: true, version: 2, body: { total: 1, version: 2 } });
    }
    await until('the refusals', () => node.replies.length === 5);
    assert.deepEqual([...new Set(node.replies.map((reply) => reply.nack?.code))], ['BUSY']);
    node.host.abandon();
  });

  it('answers TOO_LARGE to the commands of a record that the log refuses for its size, and to no others', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.faults.append = () => 'refuse_too_large';
    node.send('ada', 1, { type: 'add', n: 1 });
    node.send('bob', 1, { type: 'refuse' });
    await until('the answers', () => node.replies.length === 2);
    assert.deepEqual(Object.fromEntries(node.replies.map((reply) => [reply.player, reply.nack?.code])), {
      ada: 'TOO_LARGE',
      bob: 'BUSY',
    });
    node.host.abandon();
  });

  it('answers NOT_OWNER to all whose appends were fenced in one go, whichever actor of the slot hears of it first', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    const other = { kind: 'counter', id: counterId + 256 };
    await node.host.ask(other, 'create', {});
    world.log.hold('requests');
    node.send('ada', 1, { type: 'add', n: 1 }, other.id);
    node.send('bob', 1, { type: 'add', n: 1 });
    await until('the appends', () => world.log.heldAppends === 2);
    await world.log.take(counterSlot, 2);
    world.log.release();
    await until('the answers', () => node.replies.length === 2);
    assert.deepEqual(
      node.replies.map((reply) => reply.nack?.code),
      ['NOT_OWNER', 'NOT_OWNER'],
    );
    await until('the loss of the slot', () => !node.host.owns(counterSlot));
    node.host.abandon();
  });
});

describe('an append of unknown outcome', () => {
  it('is acknowledged when the log turns out to hold it, and the activation goes on', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    const before = node.host.find(counterStream);
    world.log.faults.append = () => 'lose_reply';
    const reply = await node.act('ada', 1, { type: 'add', n: 1 });
    assert.equal(reply.ack?.version, 2);
    assert.equal(node.host.find(counterStream), before);
    node.host.abandon();
  });

  it('is UNAVAILABLE when the log does not hold it, and decided once when sent again', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.faults.append = () => 'lose_request';
    node.send('ada', 1, { type: 'add', n: 1 });
    node.send('bob', 1, { type: 'refuse' });
    await until('the answers', () => node.replies.length === 2);
    assert.deepEqual(Object.fromEntries(node.replies.map((reply) => [reply.player, reply.nack?.code])), {
      ada: 'UNAVAILABLE',
      bob: 'NOT_OWNER',
    });
    world.log.faults = {};
    assert.deepEqual((await node.act('ada', 1, { type: 'add', n: 1 })).ack?.duplicate, false);
    assert.equal(eventsIn(world).length, 2);
    node.host.abandon();
  });

  it('answers nothing, and decides nothing, until the log was read', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.faults = { append: () => 'lose_reply', read: () => true };
    node.send('ada', 1, { type: 'add', n: 1 });
    await settle();
    node.send('bob', 1, { type: 'add', n: 1 });
    await world.time.advance(2_000);
    assert.deepEqual([node.replies.length, eventsIn(world).length], [0, 2]);
    world.log.faults = {};
    await world.time.advance(2_000);
    assert.deepEqual(
      node.replies.map((reply) => reply.ack?.version),
      [2, 3],
    );
    node.host.abandon();
  });

  it('acknowledges what is there of several, and no more', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.hold('requests');
    for (let seq = 1; seq <= 3; seq++) {
      node.send('ada', seq, { type: 'add', n: 1 });
      await until(`append ${seq}`, () => world.log.heldAppends === seq);
    }
    world.log.faults.append = ({ expected }) => (expected === 1 ? 'lose_reply' : 'lose_request');
    world.log.release();
    await until('the answers', () => node.replies.length === 3);
    assert.deepEqual(
      node.replies.map((reply) => reply.ack?.version ?? reply.nack?.code),
      [2, 'UNAVAILABLE', 'UNAVAILABLE'],
    );
    node.host.abandon();
  });

  it('is told as unknown when the log stays away', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.faults = { append: () => 'lose_reply', read: () => true };
    node.send('ada', 1, { type: 'add', n: 1 });
    await world.time.advance(13_000);
    assert.equal(node.replies[0]?.nack?.code, 'UNAVAILABLE');
    world.log.faults = {};
    node.send('ada', 1, { type: 'add', n: 1 });
    await world.time.advance(1_500);
    assert.equal(node.replies[1]?.ack?.duplicate, true);
    node.host.abandon();
  });

  it('is surely not done when another’s record stands in its place', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    const rival = await world.log.take(counterSlot, 1);
    world.log.faults = { append: () => 'lose_request', read: () => true };
    node.send('ada', 1, { type: 'add', n: 1 });
    await settle();
    world.log.faults = {};
    const [created] = eventsIn(world);
    const foreign = encodeRecord([Buffer.from(JSON.stringify({ ...created, version: 2, n: 50 }))], 1, 'n9@9');
    assert.equal((await rival.append(counterStream, 1 as Version, 1, foreign)).kind, 'appended');
    await world.time.advance(200);
    assert.deepEqual(
      node.replies.map((reply) => reply.nack?.code),
      ['NOT_OWNER'],
    );
    node.host.abandon();
  });

  it('is told as unknown when the log is found to have gone on before the outcome comes', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await world.time.advance(2_000);
    world.log.faults.read = () => true;
    // Nothing was heard for long, so that this answer waits for a proof, and the log does not answer.
    node.send('bob', 1, { type: 'refuse' });
    await settle();
    world.log.hold('replies');
    node.send('ada', 1, { type: 'add', n: 1 });
    await until('the append', () => world.log.heldAppends === 1);
    world.log.faults = {};
    const rival = await world.log.take(counterSlot, 2);
    const foreign = encodeRecord([Buffer.from(JSON.stringify({ ...eventsIn(world)[1], version: 3 }))], 2, 'n9@9');
    void rival.append(counterStream, 2 as Version, 1, foreign);
    await world.time.advance(200);
    assert.deepEqual(Object.fromEntries(node.replies.map((reply) => [reply.player, reply.nack?.code])), {
      ada: 'UNAVAILABLE',
      bob: 'NOT_OWNER',
    });
    node.host.abandon();
  });

  it('is told as unknown when another actor of the slot is fenced before the outcome comes', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    const other = { kind: 'counter', id: counterId + 256 };
    await node.host.ask(other, 'create', {});
    world.log.hold('replies');
    node.send('ada', 1, { type: 'add', n: 1 }, other.id);
    await until('the append', () => world.log.heldAppends === 1);
    world.log.hold('requests');
    node.send('bob', 1, { type: 'add', n: 1 });
    await until('the append behind it', () => world.log.heldAppends === 2);
    await world.log.take(counterSlot, 2);
    world.log.step();
    await until('the answers', () => node.replies.length === 2);
    assert.deepEqual(Object.fromEntries(node.replies.map((reply) => [reply.player, reply.nack?.code])), {
      ada: 'UNAVAILABLE',
      bob: 'NOT_OWNER',
    });
    assert.deepEqual([eventsIn(world, other).length, eventsIn(world).length], [2, 1]);
    node.host.abandon();
  });
});

describe('an actor with a fault', () => {
  it('is INTERNAL for the command whose decision threw, under a reported instance; nobody else notices', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    node.send('ada', 1, { type: 'add', n: 1 });
    node.send('bob', 1, { type: 'boom' });
    node.send('cleo', 1, { type: 'add', n: 1 });
    await until('the answers', () => node.replies.length === 3);
    const of = Object.fromEntries(node.replies.map((reply) => [reply.player, reply]));
    assert.equal(of.ada?.ack?.version, 2);
    assert.equal(of.cleo?.ack?.version, 3);
    assert.equal(of.bob?.nack?.code, 'INTERNAL');
    assert.ok(of.bob?.nack?.message.includes(node.faults[0]?.instance ?? '?'));
    assert.equal((await node.act('dan', 1, { type: 'add', n: 1 })).ack?.result.total, 3);
    node.host.abandon();
  });

  it('never logs events that cannot be folded', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    node.send('ada', 1, { type: 'add', n: 1 });
    node.send('bob', 1, { type: 'poison' });
    await until('the answers', () => node.replies.length === 2);
    assert.deepEqual(
      eventsIn(world).map(({ type }) => type),
      ['added', 'added'],
    );
    assert.equal((await node.act('ada', 2, { type: 'add', n: 1 })).ack?.version, 3);
    node.host.abandon();
  });

  it('is parked as HUNT_UNREADABLE when its log holds an event of a newer release, and stays so', async () => {
    const world = newWorld();
    const writer = await world.log.take(counterSlot, 1);
    await writer.append(
      counterStream,
      0 as Version,
      1,
      encodeRecord([Buffer.from(JSON.stringify({ type: 'tomorrow', version: 1 }))], 1, 'n9@9'),
    );
    const node = newNode(world);
    await node.host.takeSlot(counterSlot, 1);
    assert.equal((await node.act('ada', 1, { type: 'add', n: 1 })).nack?.code, 'HUNT_UNREADABLE');
    const reads = world.log.calls.read;
    assert.equal((await node.act('ada', 1, { type: 'add', n: 1 })).nack?.code, 'HUNT_UNREADABLE');
    assert.equal(world.log.calls.read, reads);
    assert.deepEqual(
      node.host.state().parked.map(({ stream, code }) => [stream, code]),
      [['counter/263', 'HUNT_UNREADABLE']],
    );
    assert.ok((await node.host.ask({ kind: 'counter', id: counterId + 256 }, 'create', {})).ok, 'others are served');
    node.host.abandon();
  });

  it('says that the log is damaged, and not that the release is too old, where that is what it met', async () => {
    const world = newWorld();
    world.log.read = () => Promise.reject(new LogDamagedError('the body fails its checksum'));
    const node = newNode(world);
    await node.host.takeSlot(counterSlot, 1);
    const { nack } = await node.act('ada', 1, { type: 'add', n: 1 });
    assert.equal(nack?.code, 'HUNT_UNREADABLE');
    const [parked] = node.host.state().parked;
    assert.match(parked?.message ?? '', /^the log of this counter is damaged.*restore the log or its archive/);
    node.host.abandon();
  });

  it('is parked when it fails to load again and again', async () => {
    const world = newWorld();
    const writer = await world.log.take(counterSlot, 1);
    await writer.append(counterStream, 0 as Version, 1, encodeRecord([Buffer.from('not even JSON')], 1, 'n9@9'));
    const node = newNode(world);
    await node.host.takeSlot(counterSlot, 1);
    assert.equal((await node.act('ada', 1, { type: 'add', n: 1 })).nack?.code, 'HUNT_UNREADABLE');
    assert.equal(node.host.state().parked.length, 1);
    node.host.abandon();
  });
});

describe('a mailbox', () => {
  it('is bounded: beyond, BUSY', async () => {
    const world = newWorld();
    const node = await newOwner(world, { kindLimits: { mailboxCommandsMax: 3 } });
    for (let i = 0; i < 5; i++) node.send(`p${i}`, 1, { type: 'add', n: 1 });
    await until('the answers', () => node.replies.length === 5);
    assert.deepEqual(
      node.replies.map((reply) => reply.nack?.code ?? 'ack'),
      ['BUSY', 'BUSY', 'ack', 'ack', 'ack'],
    );
    node.host.abandon();
  });

  it('counts against what may wait on the node, and gives back', async () => {
    const world = newWorld();
    const node = await newOwner(world, { limits: { waitingRequestsMax: 2 } });
    for (let i = 0; i < 3; i++) node.send(`p${i}`, 1, { type: 'add', n: 1 });
    await until('the answers', () => node.replies.length === 3);
    assert.equal(node.replies[0]?.nack?.code, 'BUSY');
    assert.equal(node.host.state().waiting, 0);
    assert.ok((await node.act('p2', 1, { type: 'add', n: 1 })).ack);
    node.host.abandon();
  });

  it('is served in turns of a bounded number of commands', async () => {
    const world = newWorld();
    const node = await newOwner(world, { kindLimits: { turnCommandsMax: 2 } });
    for (let i = 0; i < 5; i++) node.send(`p${i}`, 1, { type: 'add', n: 1 });
    await until('the answers', () => node.replies.length === 5);
    assert.deepEqual(
      world.log.records(counterStream).map(({ count }) => count),
      [1, 2, 2, 1],
    );
    node.host.abandon();
  });

  it('is told to come again when the log cannot be reached to load the actor', async () => {
    const world = newWorld();
    const node = newNode(world);
    await node.host.takeSlot(counterSlot, 1);
    world.log.faults.read = () => true;
    node.send('ada', 1, { type: 'add', n: 1 });
    await world.time.advance(13_000);
    assert.equal(node.replies[0]?.nack?.code, 'BUSY');
    node.host.abandon();
  });
});

describe('time', () => {
  it('never falls along one actor, whatever the clock does', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.act('ada', 1, { type: 'add', n: 1 });
    world.time.wall -= 60_000;
    await node.act('ada', 2, { type: 'add', n: 1 });
    const times = eventsIn(world).map(({ occurredAt }) => occurredAt);
    assert.equal(times[2], times[1]);
    node.host.abandon();
  });

  it('can be travelled: reads as of an earlier version', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    for (let seq = 1; seq <= 5; seq++) await node.act('ada', seq, { type: 'add', n: seq });
    assert.deepEqual(await node.host.ask(counterStream, 'total', { at: 3 }), {
      ok: true,
      version: 3,
      body: { total: 3, version: 3 },
    });
    assert.deepEqual(await node.host.ask(counterStream, 'points', { of: ['ada', 'bob'], at: 4 }), {
      ok: true,
      version: 4,
      body: { ada: 6, bob: 0 },
    });
    for (const at of [0, 7, 1.5]) {
      const answer = await node.host.ask(counterStream, 'total', { at });
      assert.equal(!answer.ok && answer.code, 'NOT_FOUND');
    }
    node.host.abandon();
  });
});
