import assert from 'node:assert/strict';
import { LogUnavailableError } from '../log/event-log.ts';
import { counterStream, eventsIn, newOwner, newWorld, settle, until } from '../runtime.fixture.ts';

describe('the output gate (I1)', () => {
  it('lets nothing out before the log has what it observed: acks, nacks, duplicates, reads', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.act('eve', 1, { type: 'add', n: 1 });
    world.log.hold('replies');
    node.send('ada', 1, { type: 'add', n: 1 });
    await until('the append', () => world.log.heldAppends === 1);
    node.send('bob', 1, { type: 'refuse' });
    node.send('eve', 1, { type: 'add', n: 1 });
    let read: unknown;
    void node.host.ask(counterStream, 'total', {}).then((answer) => (read = answer));
    let everyone: unknown;
    void node.host.ask(counterStream, 'everyone', {}).then((answer) => (everyone = answer));
    await settle();
    assert.deepEqual([node.replies, read, everyone], [[], undefined, undefined]);
    world.log.release();
    await settle();
    assert.deepEqual(
      node.replies.map((reply) => reply.ack?.version ?? reply.nack?.message),
      [3, 'total is 2', 2],
    );
    assert.deepEqual(read, { ok: true, version: 3, body: { total: 2, version: 3 } });
    assert.deepEqual(everyone, { ok: true, version: 3, body: { members: 3, sum: 2, total: 2, version: 3 } });
    node.host.abandon();
  });

  it('lets out at once what came before the first event of its turn: it observed nothing of it', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.hold('replies');
    const read = node.host.ask(counterStream, 'total', {});
    node.send('bob', 1, { type: 'refuse' });
    node.send('ada', 1, { type: 'add', n: 1 });
    node.send('eve', 1, { type: 'refuse' });
    await until('the append', () => world.log.heldAppends === 1);
    assert.deepEqual(await read, { ok: true, version: 1, body: { total: 0, version: 1 } });
    const words = () => node.replies.map((reply) => reply.ack?.version ?? reply.nack?.message);
    assert.deepEqual(words(), ['total is 0']);
    world.log.release();
    await settle();
    assert.deepEqual(words(), ['total is 0', 2, 'total is 1']);
    node.host.abandon();
  });

  it('lets a refusal out at once when nothing is in flight', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    const appends = world.log.calls.append;
    assert.equal((await node.act('bob', 1, { type: 'refuse' })).nack?.code, 'NOT_ALLOWED');
    assert.deepEqual([world.log.calls.append, world.log.calls.head], [appends, 0]);
    node.host.abandon();
  });

  it('lets turns go on while appends are in flight, and their answers out in the order of the log', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.hold('requests');
    for (let seq = 1; seq <= 5; seq++) {
      node.send('ada', seq, { type: 'add', n: 1 });
      await until(`append ${seq}`, () => world.log.heldAppends === seq);
    }
    assert.equal(eventsIn(world).length, 1);
    world.log.step();
    await settle();
    assert.deepEqual(
      node.replies.map((reply) => reply.ack?.version),
      [2],
    );
    world.log.release();
    await settle();
    assert.deepEqual(
      node.replies.map((reply) => reply.ack?.result.total),
      [1, 2, 3, 4, 5],
    );
    node.host.abandon();
  });

  it('lets at most eight appends fly; what comes then makes the next turn fatter', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.hold('replies');
    for (let seq = 1; seq <= 12; seq++) {
      node.send('ada', seq, { type: 'add', n: 1 });
      await settle(4);
    }
    assert.equal(world.log.heldAppends, 8);
    world.log.release();
    await until('all answers', () => node.replies.length === 12);
    assert.equal(world.log.records(counterStream).at(-1)?.count, 4);
    node.host.abandon();
  });
});

describe('a zombie', () => {
  it('asks the log for the head before it answers what appended nothing, when it has not heard from it for a second', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.time.mono += 900;
    await node.act('bob', 1, { type: 'refuse' });
    assert.equal(world.log.calls.head, 0);
    world.time.mono += 200;
    await node.act('bob', 1, { type: 'refuse' });
    assert.equal(world.log.calls.head, 1);
    await node.act('bob', 1, { type: 'refuse' });
    assert.equal(world.log.calls.head, 1, 'that was a proof for a second');
    node.host.abandon();
  });

  it('answers nothing from its old state once another has written', async () => {
    const world = newWorld();
    const old = await newOwner(world);
    const next = await newOwner(world, { nodeKey: 'n2@2' }, 2);
    await next.act('ada', 1, { type: 'add', n: 100 });
    world.time.mono += 1_100;
    const refused = await old.act('bob', 1, { type: 'refuse' });
    assert.equal(refused.nack?.code, 'NOT_OWNER');
    old.host.abandon();
    next.host.abandon();
  });

  it('waits with such answers while the log does not answer, and says so after a bounded time', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.time.mono += 1_100;
    world.log.faults.read = () => true;
    node.send('bob', 1, { type: 'refuse' });
    await world.time.advance(5_000);
    assert.equal(node.replies.length, 0);
    await world.time.advance(7_000);
    assert.equal(node.replies[0]?.nack?.code, 'BUSY');
    node.host.abandon();
  });

  it('serves nothing after its clock jumped, until the view was read again', async () => {
    const world = newWorld();
    let reread: () => void = () => {};
    const jumps: number[] = [];
    const node = await newOwner(world, {
      onClockJump: (ms) => {
        jumps.push(ms);
        return new Promise((resolve) => {
          reread = resolve;
        });
      },
    });
    world.time.mono += 5_000;
    node.send('ada', 1, { type: 'add', n: 1 });
    await settle();
    assert.deepEqual([jumps.length, node.replies.length, eventsIn(world).length], [1, 0, 1]);
    reread();
    await until('the answer', () => node.replies.length === 1);
    assert.ok(node.replies[0]?.ack);
    node.host.abandon();
  });

  it('asks until the view could be read, while the log does not answer', async () => {
    const world = newWorld();
    let asked = 0;
    const node = await newOwner(world, {
      onClockJump: async () => {
        if (++asked < 3) throw new LogUnavailableError('the log does not answer');
      },
    });
    world.time.mono += 5_000;
    node.send('ada', 1, { type: 'add', n: 1 });
    await settle();
    assert.deepEqual([asked, node.replies.length, eventsIn(world).length], [1, 0, 1]);
    await world.time.advance(1_000);
    assert.equal(asked, 3);
    await until('the answer', () => node.replies.length === 1);
    assert.deepEqual(node.faults, []);
    node.host.abandon();
  });
});
