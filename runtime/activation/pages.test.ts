import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { CounterAction, CounterHeader, CounterMember } from '../counter.fixture.ts';
import { counterKind } from '../counter.fixture.ts';
import type { Row } from '../decider.ts';
import {
  counterId,
  counterSlot,
  counterStream,
  eventsIn,
  newNode,
  newOwner,
  newWorld,
  settle,
  type TestNode,
  until,
  type World,
} from '../runtime.fixture.ts';
import { stateAt } from './long-reads.ts';
import { depthOf, headerPage, memberHash, pageId, suffixOf } from './page.ts';
import { decodeRecord } from './record.ts';
import { expandVectors } from './vector.ts';

const players = Array.from({ length: 60 }, (_, i) => `player-${i}`);

/** What the actor is, by its live self: header, version, and every player's points. */
async function live(node: TestNode): Promise<unknown> {
  const points = await node.host.ask(counterStream, 'points', { of: players });
  const total = await node.host.ask(counterStream, 'total', {});
  const everyone = await node.host.ask(counterStream, 'everyone', {});
  return [points, total, everyone];
}

/** The same, by the log alone. */
async function replayed(world: World): Promise<unknown> {
  const version = eventsIn(world).length;
  const state = await stateAt(world.log, counterKind(), counterStream, version, 'all', () => Promise.resolve());
  const rows = new Set(
    eventsIn(world).flatMap((event) => [
      ...counterKind().decider.membersOf(event),
      ...(event.seq > 0 ? [event.playerId] : []),
    ]),
  );
  const points = Object.fromEntries(players.map((id) => [id, (state.row(id) as Row<CounterMember>).member.points]));
  const { total } = state.header as CounterHeader;
  const sum = [...rows].reduce((all, id) => all + (state.row(id)?.member.points ?? 0), 0);
  return [
    { ok: true, version, body: points },
    { ok: true, version, body: { total, version } },
    { ok: true, version, body: { members: rows.size, sum, total, version } },
  ];
}

const smallPages = { kindLimits: { pageMembersMax: 4 } };

async function play(node: TestNode): Promise<void> {
  for (const [i, player] of players.entries())
    node.send(
      player,
      1,
      i % 3 === 0 ? { type: 'give', to: players[(i * 7) % 60] as string, n: i } : { type: 'add', n: i },
    );
  await until('the answers', () => node.replies.length >= players.length);
  node.replies.length = 0;
}

describe('pages of members', () => {
  it('have numbers that tell depth and suffix, and never the same one twice', () => {
    assert.deepEqual([pageId(0, 0), pageId(1, 1), pageId(3, 5)], [1, 3, 13]);
    assert.deepEqual([depthOf(13), suffixOf(13)], [3, 5]);
    const low = new Set(Array.from({ length: 1_000 }, (_, i) => memberHash(`p${i}`) & 255));
    assert.ok(low.size > 240, 'the low bits are spread');
  });

  it('split, are written behind, let go, loaded again, and are what the log says all the time', async () => {
    const world = newWorld();
    const node = await newOwner(world, { ...smallPages, pageCacheBytesMax: 1 });
    await play(node);
    assert.ok((node.host.find(counterStream)?.state.members.pageCount ?? 0) > 10);
    assert.deepEqual(await live(node), await replayed(world));
    await world.time.advance(70_000);
    assert.equal(node.host.find(counterStream), undefined, 'asleep');
    const reads = world.log.calls.read;
    assert.deepEqual(await live(node), await replayed(world));
    assert.ok(world.log.calls.read > reads);
    for (const player of players.slice(0, 20)) node.send(player, 2, { type: 'give', to: players[59] as string, n: 1 });
    await until('the answers', () => node.replies.length === 20);
    assert.deepEqual(await live(node), await replayed(world));
    node.host.abandon();
  });

  it('are loaded only when somebody needs them, and keep the order of one player while others pass', async () => {
    const world = newWorld();
    const node = await newOwner(world, smallPages);
    await play(node);
    await node.host.close();
    const next = newNode(world, { ...smallPages, nodeKey: 'n2@2' });
    await next.host.takeSlot(counterSlot, 2);
    await next.host.ask(counterStream, 'total', {});
    const loaded = world.pages.calls.pagesLoaded;
    next.send('player-1', 2, { type: 'add', n: 1 });
    next.send('player-1', 3, { type: 'refuse' });
    next.send('player-1', 4, { type: 'add', n: 1 });
    await until('the answers', () => next.replies.length === 3);
    assert.deepEqual(
      next.replies.map(({ seq }) => seq),
      [2, 3, 4],
    );
    assert.equal(world.pages.calls.pagesLoaded, loaded + 1);
    assert.deepEqual(await live(next), await replayed(world));
    next.host.abandon();
  });

  for (const [what, matches] of [
    ['all of them', () => true],
    ['the header', (key: string) => key === `counter/${counterId}/0`],
    ['the rows', (key: string) => !key.endsWith('/0')],
    ['one page', (key: string) => key === lostPage],
  ] as const) {
    it(`are rebuilt from the log when ${what} were lost (I8)`, async () => {
      const world = newWorld();
      const node = await newOwner(world, smallPages);
      await play(node);
      await node.host.close();
      lostPage = world.pages.keys().filter((key) => key.startsWith('counter/') && !key.endsWith('/0'))[3] ?? '';
      world.pages.lose(matches);
      const next = newNode(world, { ...smallPages, nodeKey: 'n2@2' });
      await next.host.takeSlot(counterSlot, 2);
      next.send('player-5', 1, { type: 'add', n: 5 });
      assert.deepEqual(await live(next), await replayed(world));
      await until('the duplicate', () => next.replies.length === 1);
      assert.equal(next.replies[0]?.ack?.duplicate, true);
      await next.host.close();
    });
  }
  let lostPage = '';

  it('of a store that is down cost a longer tail, and nothing else (I10)', async () => {
    const world = newWorld();
    const node = await newOwner(world, smallPages);
    world.pages.isDown = true;
    await play(node);
    node.host.abandon();
    const next = newNode(world, { ...smallPages, nodeKey: 'n2@2' });
    await next.host.takeSlot(counterSlot, 2);
    next.send('player-1', 2, { type: 'add', n: 1 });
    await world.time.advance(2_000);
    assert.equal(next.replies[0]?.ack?.duplicate, false);
    next.host.abandon();
  });

  it('give the same state after a crash at every point of a save, with work going on meanwhile', async () => {
    for (let crashAt = 0; ; crashAt++) {
      const world = newWorld();
      const node = await newOwner(world, smallPages);
      await play(node);
      await node.host.find(counterStream)?.save();
      for (const player of players) node.send(player, 2, { type: 'add', n: 1 });
      await until('the answers', () => node.replies.length === players.length);
      let stored = 0;
      let isCrashed = false;
      world.pages.crash = () => {
        isCrashed ||= stored++ === crashAt;
        return isCrashed;
      };
      const saving = node.host.find(counterStream)?.save();
      for (const player of players.slice(0, 10)) node.send(player, 3, { type: 'give', to: 'player-0', n: 1 });
      await saving;
      await settle();
      node.host.abandon();
      world.pages.crash = undefined;
      const next = newNode(world, { ...smallPages, nodeKey: 'n2@2' });
      await next.host.takeSlot(counterSlot, 2);
      assert.deepEqual(await live(next), await replayed(world), `after a crash at page ${crashAt}`);
      next.host.abandon();
      if (!isCrashed) {
        assert.ok(crashAt > 10);
        break;
      }
    }
  });

  it('give the same state after a crash between the only page and its header', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await play(node);
    await node.host.find(counterStream)?.save();
    for (const player of players) node.send(player, 2, { type: 'add', n: 1 });
    await until('the answers', () => node.replies.length === players.length);
    // The page is stored, and names a later version than the header that stays.
    world.pages.crash = (_stream, page) => page.page === headerPage;
    await node.host.find(counterStream)?.save();
    node.host.abandon();
    world.pages.crash = undefined;
    const next = newNode(world, { nodeKey: 'n2@2' });
    await next.host.takeSlot(counterSlot, 2);
    assert.deepEqual(await live(next), await replayed(world));
    next.host.abandon();
  });

  it('that wait to be written are bounded: beyond, BUSY', async () => {
    const world = newWorld();
    const node = await newOwner(world, { dirtyPageBytesMax: 1 });
    world.pages.isDown = true;
    const reply = await node.act('ada', 1, { type: 'add', n: 1 });
    assert.equal(reply.nack?.code, 'BUSY');
    assert.ok((await node.host.ask(counterStream, 'total', {})).ok, 'reads go on');
    world.pages.isDown = false;
    await world.time.advance(2_000);
    assert.ok((await node.act('ada', 1, { type: 'add', n: 1 })).ack);
    node.host.abandon();
  });

  it('that wait to be written are written as soon as somebody is refused for them', async () => {
    const world = newWorld();
    const node = await newOwner(world, { dirtyPageBytesMax: 1 });
    const began = world.time.mono;
    for (let seq = 1; seq <= 8; seq++) {
      while ((await node.act('ada', seq, { type: 'add', n: 1 })).ack === undefined) {
        await world.time.advance(100);
        assert.ok(world.time.mono - began < 1_000, `BUSY still after ${world.time.mono - began} ms, at seq ${seq}`);
      }
    }
    node.host.abandon();
  });

  it('are not written again and again to a store that refuses, whoever asks', async () => {
    const world = newWorld();
    const node = await newOwner(world, { dirtyPageBytesMax: 1 });
    world.pages.isDown = true;
    const before = world.pages.calls.save;
    for (let i = 0; i < 18; i++) {
      assert.equal((await node.act('ada', 1, { type: 'add', n: 1 })).nack?.code, 'BUSY');
      await world.time.advance(50);
    }
    assert.ok(world.pages.calls.save - before <= 1, `${world.pages.calls.save - before} tries to store in 900 ms`);
    node.host.abandon();
  });

  it('give a walk over all members one version, while members change under it', async () => {
    const world = newWorld();
    const node = await newOwner(world, { ...smallPages, pageCacheBytesMax: 1 });
    await play(node);
    await node.host.releaseSlot(counterSlot);
    await node.host.takeSlot(counterSlot, 2);
    const walk = node.host.ask(counterStream, 'everyone', {});
    for (const player of players) node.send(player, 2, { type: 'add', n: 3 });
    const answer = (await walk) as {
      ok: boolean;
      version: number;
      body: { sum: number; total: number; version: number };
    };
    assert.ok(answer.ok);
    assert.equal(answer.body.sum, answer.body.total, 'every row is of the version of the header');
    assert.equal(answer.version, answer.body.version);
    node.host.abandon();
  });
});

type Step =
  | { do: 'act'; player: number; seq: number; action: CounterAction }
  | { do: 'crash' | 'sleep' | 'save' | 'lose_reply' | 'lose_request' | 'lose_pages' };

describe('an actor under random commands, crashes and losses', () => {
  const action: fc.Arbitrary<CounterAction> = fc.oneof(
    fc.record({ type: fc.constant('add' as const), n: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ type: fc.constant('add_twice' as const), n: fc.integer({ min: 1, max: 9 }) }),
    fc.record({
      type: fc.constant('give' as const),
      to: fc.constantFrom(...players.slice(0, 12)),
      n: fc.integer({ min: 1, max: 9 }),
    }),
    fc.record({ type: fc.constantFrom('miss' as const, 'refuse' as const, 'poison' as const, 'boom' as const) }),
  );
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        do: fc.constant('act' as const),
        player: fc.nat({ max: 11 }),
        seq: fc.integer({ min: 1, max: 24 }),
        action,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom(
          'crash' as const,
          'sleep' as const,
          'save' as const,
          'lose_reply' as const,
          'lose_request' as const,
          'lose_pages' as const,
        ),
      }),
    },
  );

  it('is what the log says, answers every command once, has one effect a seq, and one chain of vectors', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const world = newWorld();
        let epoch = 1;
        let node = await newOwner(world, { kindLimits: { pageMembersMax: 2 }, pageCacheBytesMax: 1 });
        let sent = 0;
        let answered = 0;
        const acked: { player: string; seq: number; version: number }[] = [];
        const take = (): void => {
          answered += node.replies.length;
          for (const { player, seq, ack } of node.replies)
            if (ack !== undefined) acked.push({ player, seq, version: ack.version });
          node.replies.length = 0;
        };
        for (const [i, present] of steps.entries()) {
          switch (present.do) {
            case 'act':
              sent++;
              node.send(players[present.player] as string, present.seq, present.action);
              if (i % 3 === 0) await settle(3);
              break;
            case 'crash': {
              node.host.abandon();
              take();
              epoch++;
              node = newNode(world, {
                nodeKey: `n${epoch % 3}@${epoch}`,
                kindLimits: { pageMembersMax: 2 },
                pageCacheBytesMax: 1,
              });
              await node.host.takeSlot(counterSlot, epoch);
              break;
            }
            case 'sleep':
              await settle();
              await node.host.find(counterStream)?.sleep('idle', false);
              break;
            case 'save':
              void node.host.find(counterStream)?.save();
              break;
            case 'lose_pages':
              world.pages.lose((key) => key.length % 2 === 0);
              break;
            case 'lose_reply':
            case 'lose_request': {
              let isDone = false;
              world.log.faults.append = () => {
                if (isDone) return 'do';
                isDone = true;
                return present.do as 'lose_reply' | 'lose_request';
              };
              break;
            }
            default:
              present satisfies never;
          }
        }
        await until('every answer', () => answered + node.replies.length === sent);
        take();
        assert.deepEqual(await live(node), await replayed(world));
        check(world, acked);
        node.host.abandon();
      }),
      { numRuns: 60, seed: 7 },
    );
  });
});

function check(world: World, acked: readonly { player: string; seq: number; version: number }[]): void {
  const kind = counterKind();
  const ends = new Map<string, number>();
  const commands = new Set<string>();
  let before = new Map<string, number>();
  let last = '';
  for (const record of world.log.records(counterStream)) {
    const { events, owner } = decodeRecord(record.bytes, kind.events);
    for (const event of expandVectors(events, owner)) {
      const now = new Map(event.vector.map(({ node, count }) => [node, count]));
      const raised = [...now].filter(([node, count]) => count !== (before.get(node) ?? 0));
      assert.deepEqual(raised, [[owner, (before.get(owner) ?? 0) + 1]], 'one count is raised by one');
      assert.equal(
        event.vector.reduce((sum, { count }) => sum + count, 0),
        event.version,
      );
      before = now;
      const command = `${event.playerId}/${event.seq}`;
      if (event.seq > 0) {
        assert.ok(command === last || !commands.has(command), `${command} has one effect`);
        commands.add(command);
        ends.set(command, event.version);
      }
      last = command;
    }
  }
  for (const { player, seq, version } of acked)
    assert.equal(ends.get(`${player}/${seq}`), version, `${player}/${seq} was acknowledged`);
}
