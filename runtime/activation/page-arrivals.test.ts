import assert from 'node:assert/strict';
import { counterSlot, counterStream, newNode, newOwner, newWorld, settle, until } from '../runtime.fixture.ts';

const players = Array.from({ length: 12 }, (_, i) => `player-${i}`);
const onePage = { kindLimits: { pageMembersMax: 1 } };

describe('a page that was fetched for a command', () => {
  it('is there for its turn, even when everything else in a full cache is dirty and cannot go', async () => {
    const world = newWorld();
    const first = await newOwner(world, onePage);
    for (const player of players) first.send(player, 1, { type: 'add', n: 1 });
    await until('the answers', () => first.replies.length === players.length);
    await first.host.close();

    const node = newNode(world, { ...onePage, nodeKey: 'n2@2', pageCacheBytesMax: 1, residentPagesMin: 1 });
    await node.host.takeSlot(counterSlot, 2);
    await node.host.ask(counterStream, 'total', {});
    const loaded = world.pages.calls.pagesLoaded;
    for (const player of players) {
      node.send(player, 2, { type: 'add', n: 1 });
      await settle();
    }
    assert.equal(node.replies.length, players.length, 'nobody waits until the others were saved');
    assert.equal(world.pages.calls.pagesLoaded - loaded, players.length, 'each page was fetched once');
    node.host.abandon();
  });
});

describe('a page that was split when it came', () => {
  it('is not fetched once more by who waited for it longer: the store has it as it was', async () => {
    const world = newWorld();
    const first = await newOwner(world, onePage);
    for (const player of players) first.send(player, 1, { type: 'add', n: 1 });
    await until('the answers', () => first.replies.length === players.length);
    await first.host.find(counterStream)?.save();
    for (let i = 0; i < players.length; i++) await first.act(`later-${i}`, 1, { type: 'add', n: 1 });
    first.host.abandon();

    const node = newNode(world, { ...onePage, nodeKey: 'n2@2' });
    await node.host.takeSlot(counterSlot, 2);
    await node.host.ask(counterStream, 'total', {});
    const activation = node.host.find(counterStream);
    const { members } = activation?.state ?? {};
    const full = members?.pages().filter((page) => page.pending.length > 0) ?? [];
    await activation?.pages.bring(full);
    const split = full.filter((page) => members?.holds(page) === false);
    assert.ok(split.length > 0, 'events of new members waited for pages that were full');
    const loaded = world.pages.calls.pagesLoaded;
    await activation?.pages.bring(split);
    assert.equal(world.pages.calls.pagesLoaded, loaded);
    assert.ok(split.every((page) => page.rows === undefined));
    node.host.abandon();
  });
});
