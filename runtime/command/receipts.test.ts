import assert from 'node:assert/strict';
import { counterSlot, counterStream, eventsIn, newNode, newOwner, newWorld, settle } from '../runtime.fixture.ts';
import { judge, type Receipts, receiptWindow, remember } from './receipts.ts';

const row = (): Receipts => ({ lastSeq: 0, receipts: [] });

describe('receipts', () => {
  it('remember every effect with a seq above lastSeq - 16, in whatever order they came', () => {
    const player = row();
    let version = 0;
    const effect = (seq: number): void => remember(player, { seq, version: ++version, fingerprint: seq });
    effect(190);
    for (let seq = 175; seq <= 189; seq++) {
      assert.equal(judge(player, seq, seq).kind, 'fresh', `${seq} has no effect yet`);
      effect(seq);
    }
    assert.equal(player.lastSeq, 190);
    assert.equal(judge(player, 174, 174).kind, 'stale');
    effect(191);
    assert.deepEqual(judge(player, 190, 190), { kind: 'duplicate', version: 1, events: 1 });
    assert.equal(judge(player, 174, 174).kind, 'stale');
    assert.equal(judge(player, 175, 175).kind, 'stale');
    assert.equal(judge(player, 176, 176).kind, 'duplicate');
    assert.equal(judge(player, 190, 1).kind, 'conflict');
    assert.equal(judge(player, 192, 1).kind, 'fresh');
    assert.equal(player.receipts.length / 4, receiptWindow);
  });

  it('count the events of one command as one effect', () => {
    const player = row();
    remember(player, { seq: 3, version: 10, fingerprint: 1 });
    remember(player, { seq: 3, version: 11, fingerprint: 1 });
    assert.deepEqual(judge(player, 3, 1), { kind: 'duplicate', version: 11, events: 2 });
  });

  it('never hold more than the window, whatever the seqs', () => {
    const player = row();
    for (let i = 0; i < 1_000; i++) remember(player, { seq: 1 + ((i * 7_919) % 500), version: i + 1, fingerprint: 0 });
    assert.ok(player.receipts.length / 4 <= receiptWindow);
  });
});

describe('a command sent again', () => {
  it('gets the first outcome, and has no second effect', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    const first = await node.act('ada', 1, { type: 'add_twice', n: 2 });
    await node.act('bob', 1, { type: 'add', n: 5 });
    const again = await node.act('ada', 1, { type: 'add_twice', n: 2 });
    assert.deepEqual(first.ack, { version: 3, events: 2, duplicate: false, result: { type: 'added', n: 2, total: 4 } });
    assert.deepEqual(again.ack, { version: 3, events: 2, duplicate: true, result: { type: 'added', n: 2, total: 9 } });
    assert.equal(eventsIn(world).length, 4);
    node.host.abandon();
  });

  it('is a conflict when it asks for something else, and stale when it is too old; both name last_seq', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.act('ada', 20, { type: 'add', n: 1 });
    const other = await node.act('ada', 20, { type: 'add', n: 2 });
    assert.deepEqual([other.nack?.code, other.nack?.detail], ['SEQ_CONFLICT', { last_seq: 20 }]);
    const old = await node.act('ada', 4, { type: 'add', n: 2 });
    assert.deepEqual([old.nack?.code, old.nack?.detail], ['SEQ_STALE', { last_seq: 20 }]);
    assert.ok((await node.act('ada', 5, { type: 'add', n: 2 })).ack, 'in the window and without effect: decided now');
    node.host.abandon();
  });

  it('is decided afresh when it was refused without effect, and answered alike when the refusal had one', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    assert.equal((await node.act('ada', 1, { type: 'refuse' })).nack?.message, 'total is 0');
    await node.act('bob', 1, { type: 'add', n: 3 });
    assert.equal((await node.act('ada', 1, { type: 'refuse' })).nack?.message, 'total is 3');
    const missed = await node.act('ada', 2, { type: 'miss' });
    assert.deepEqual([missed.nack?.code, missed.nack?.version], ['WRONG_ANSWER', 3]);
    const again = await node.act('ada', 2, { type: 'miss' });
    assert.deepEqual([again.nack?.code, again.nack?.version], ['WRONG_ANSWER', 3]);
    assert.equal(eventsIn(world).length, 3);
    node.host.abandon();
  });

  it('waits for the first to be durable while that is in flight', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    world.log.hold('replies');
    node.send('ada', 1, { type: 'add', n: 1 });
    await settle();
    node.send('ada', 1, { type: 'add', n: 1 });
    await settle();
    assert.equal(node.replies.length, 0);
    world.log.release();
    await settle();
    assert.deepEqual(
      node.replies.map((reply) => [reply.ack?.version, reply.ack?.duplicate]),
      [
        [2, false],
        [2, true],
      ],
    );
    node.host.abandon();
  });

  it('is known after sleep, after a failover without pages, and long after, when only the log has the event', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.act('ada', 1, { type: 'add', n: 7 });
    for (let seq = 1; seq <= 200; seq++) await node.act('bob', seq, { type: 'add', n: 1 });
    await world.time.advance(70_000);
    assert.equal(node.host.find(counterStream), undefined, 'asleep');
    const afterSleep = await node.act('ada', 1, { type: 'add', n: 7 });
    assert.deepEqual([afterSleep.ack?.version, afterSleep.ack?.duplicate], [2, true]);
    node.host.abandon();
    world.pages.lose(() => true);
    const next = newNode(world, { nodeKey: 'n2@2' });
    await next.host.takeSlot(counterSlot, 2);
    const afterFailover = await next.act('ada', 1, { type: 'add', n: 7 });
    assert.deepEqual([afterFailover.ack?.version, afterFailover.ack?.duplicate], [2, true]);
    assert.equal(eventsIn(world).length, 202);
    next.host.abandon();
  });

  it('under a request key is answered from the events of the first', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    const first = await node.host.ask(counterStream, 'once', { key: 'k', n: 4 });
    for (let seq = 1; seq <= 200; seq++) await node.act('bob', seq, { type: 'add', n: 1 });
    const again = await node.host.ask(counterStream, 'once', { key: 'k', n: 4 });
    assert.deepEqual(first, { ok: true, version: 2, body: { type: 'added', n: 4, total: 4 } });
    assert.deepEqual(again, { ok: true, version: 2, body: { type: 'added', n: 4, total: 204 } });
    node.host.abandon();
  });
});
