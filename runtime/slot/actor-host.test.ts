import assert from 'node:assert/strict';
import type { Slot } from '../../proto/ids.ts';
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

describe('an actor host', () => {
  it('decides a command, appends its events and answers', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    const reply = await node.act('ada', 1, { type: 'add', n: 3 });
    assert.deepEqual(reply.ack, { version: 2, events: 1, duplicate: false, result: { type: 'added', n: 3, total: 3 } });
    const [, added] = eventsIn(world);
    assert.deepEqual(
      [added?.version, added?.playerId, added?.seq, added?.vector],
      [2, 'ada', 1, [{ node: 'n1@1', count: 2 }]],
    );
    node.host.abandon();
  });

  it('answers NOT_OWNER, retryable, for a slot that it does not serve', async () => {
    const node = newNode(newWorld());
    const reply = await node.act('ada', 1, { type: 'add', n: 3 });
    assert.equal(reply.nack?.code, 'NOT_OWNER');
    node.host.abandon();
  });

  it('lets commands wait while a slot is being taken, and no longer than two seconds', async () => {
    const world = newWorld();
    const node = newNode(world);
    const taking = node.host.takeSlot(counterSlot, 1);
    const created = node.host.ask(counterStream, 'create', {});
    await taking;
    assert.equal((await created).ok, true);
    node.host.abandon();
  });

  it('refuses what is not there with HUNT_NOT_FOUND, commands and reads alike', async () => {
    const node = newNode(newWorld());
    await node.host.takeSlot(counterSlot, 1);
    assert.equal((await node.act('ada', 1, { type: 'add', n: 1 })).nack?.code, 'HUNT_NOT_FOUND');
    const read = await node.host.ask(counterStream, 'total', {});
    assert.equal(!read.ok && read.code, 'HUNT_NOT_FOUND');
    node.host.abandon();
  });

  it('answers bad input with a catalogued error and goes on', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    const codes: unknown[] = [];
    node.host.submit(Buffer.from('{'), (bytes) => codes.push(JSON.parse(Buffer.from(bytes).toString()).nack.code));
    for (const [kind, method, body] of [
      ['nothing', 'total', '{}'],
      ['counter', 'nothing', '{}'],
      ['counter', 'constructor', '{}'],
      ['counter', 'total', '{'],
      ['counter', 'wrong', '{}'],
    ] as const) {
      node.host.call(kind, counterId, method, Buffer.from(body), (answer) => codes.push(!answer.ok && answer.code));
    }
    await settle();
    assert.deepEqual(codes, ['INVALID', 'INVALID', 'INVALID', 'INVALID', 'INVALID', 'INVALID']);
    assert.equal((await node.act('ada', 0, { type: 'add', n: 1 })).nack?.code, 'INVALID');
    assert.ok((await node.act('ada', 1, { type: 'add', n: 1 })).ack);
    node.host.abandon();
  });

  it('is fenced by the owner with the higher epoch, gives the slot up and says so', async () => {
    const world = newWorld();
    const first = await newOwner(world);
    const second = newNode(world, { nodeKey: 'n2@5' });
    await second.host.takeSlot(counterSlot, 2);
    const reply = await first.act('ada', 1, { type: 'add', n: 1 });
    assert.equal(reply.nack?.code, 'NOT_OWNER');
    await until('the loss of the slot', () => !first.host.owns(counterSlot));
    assert.deepEqual(first.fenced, [{ slot: counterSlot, epoch: 2 }]);
    assert.equal((await second.act('ada', 1, { type: 'add', n: 1 })).ack?.version, 2);
    await assert.rejects(first.host.takeSlot(counterSlot, 1), { name: 'FencedError' });
    first.host.abandon();
    second.host.abandon();
  });

  it('hands a slot over: what waits is finished, pages are written, and then it answers NOT_OWNER', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.hold('replies');
    node.send('ada', 1, { type: 'add', n: 1 });
    await until('the append', () => world.log.heldAppends === 1);
    const released = node.host.releaseSlot(counterSlot);
    assert.equal((await node.act('bob', 1, { type: 'add', n: 1 })).nack?.code, 'NOT_OWNER');
    world.log.release();
    await released;
    assert.equal(node.replies[0]?.ack?.version, 2);
    assert.equal(world.pages.stored(counterStream, 0)?.foldedTo, 2);
    assert.equal(node.host.owns(counterSlot), false);
    node.host.abandon();
  });

  it('takes a slot again under a newer epoch', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.host.takeSlot(counterSlot, 9);
    assert.deepEqual(node.host.ownedSlots(), [{ slot: counterSlot as Slot, epoch: 9 }]);
    assert.ok((await node.act('ada', 1, { type: 'add', n: 1 })).ack);
    node.host.abandon();
  });
});
