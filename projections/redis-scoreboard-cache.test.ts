import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { parseAction } from '../actors/hunt/action.ts';
import { huntActor } from '../actors/hunt/actor.ts';
import { checkDefinition } from '../actors/hunt/definition.ts';
import type { Scoreboard } from '../actors/hunt/interface.ts';
import { everyWay } from '../actors/hunt/sample-hunts.ts';
import type { GuardedServer, PrivateServer } from '../cluster/host/servers/private-server.ts';
import { redisServer } from '../cluster/host/servers/redis-server.ts';
import { requireServer } from '../cluster/host/servers/require-server.ts';
import { sharedServer } from '../cluster/host/servers/shared-server.ts';
import type { Route } from '../gateway/act/route.ts';
import { Scoreboards } from '../gateway/admin/scoreboards.ts';
import { SubmitReply, SubmitRequest } from '../proto/generated/hunt/v1/ingest.ts';
import { slotOf } from '../proto/ids.ts';
import { systemClock } from '../runtime/kernel/clock.ts';
import { systemRandom } from '../runtime/kernel/random.ts';
import { systemTimers } from '../runtime/kernel/timer.ts';
import { eventually } from '../runtime/log/contract-fixture.ts';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { MemoryPageStore } from '../runtime/log/memory/memory-page-store.ts';
import { ActorHost } from '../runtime/slot/actor-host.ts';
import { RedisScoreboardCache } from './redis-scoreboard-cache.ts';
import { boardOf, scoreboardCacheContract } from './scoreboard-cache.contract.ts';

let clusters = 0;
const freshCluster = (): string => `test-${process.pid}-${++clusters}`;
const all = { limit: 1_000, offset: 0 };

async function connected(redisUrl: string, cluster: string): Promise<RedisScoreboardCache> {
  const cache = new RedisScoreboardCache({ redisUrl, cluster, clock: systemClock, timers: systemTimers });
  await eventually('Redis to be connected', () => cache.isUp);
  return cache;
}

describe('in Redis', () => {
  let shared: PrivateServer;
  before(async function () {
    requireServer(this, 'redis');
    shared = await sharedServer('redis');
  });
  scoreboardCacheContract('in Redis', async () => {
    const cluster = freshCluster();
    return { writer: await connected(shared.url, cluster), reader: await connected(shared.url, cluster) };
  });

  it('a slower gateway with an older board does not replace the newer one of another', async () => {
    const cluster = freshCluster();
    const [fast, slow] = [await connected(shared.url, cluster), await connected(shared.url, cluster)];
    fast.keep(256, boardOf(12, 5));
    await eventually('the board to be shared', async () => (await slow.read(256, 12, all)) !== undefined);
    slow.keep(256, boardOf(11, 4));
    slow.keep(512, boardOf(1, 1));
    await eventually('the slow one to have written', async () => (await fast.read(512, 1, all)) !== undefined);
    assert.deepEqual(await slow.read(256, 12, all), boardOf(12, 5));
    fast.close();
    slow.close();
  });
});

describe('the scoreboards of a hunt while their Redis fails', () => {
  const hunt = 3 * 256 + 9;
  const stream = { kind: 'hunt', id: hunt };
  let redis: GuardedServer;
  let admin: Redis;
  let host: ActorHost;
  let cache: RedisScoreboardCache;
  /** Another gateway's. */
  let other: RedisScoreboardCache;
  let scoreboards: Scoreboards;
  let questions: number;
  let entrants: number;
  let cluster: string;

  /** The owner, without a network between. */
  const route: Pick<Route, 'call'> = {
    call: async ({ kind, id }, method, body) => {
      if (method === 'scoreboard') questions++;
      return await host.ask({ kind, id }, method, body);
    },
  };
  const ask = async (method: string, body: object): Promise<unknown> => {
    const answer = await host.ask(stream, method, body);
    assert.ok(answer.ok, JSON.stringify(answer));
    return answer.body;
  };
  /** As HTTP does it: the version of now, then the places. */
  const read = async (page = all): Promise<Scoreboard> => {
    const { version } = (await ask('access', {})) as { version: number };
    const board = await scoreboards.page(hunt, version, page);
    assert.ok(board.version >= version, 'it shows less than was acknowledged');
    return board;
  };
  /** What the owner says, past every cache. */
  const truth = async (): Promise<Scoreboard> => (await ask('scoreboard', all)) as Scoreboard;
  const isRight = async (): Promise<void> => {
    const seen = await read();
    const right = await truth();
    assert.deepEqual(seen, right);
    assert.equal(seen.entrants, entrants);
  };
  const join = async (player: string): Promise<void> => {
    const parsed = parseAction({ type: 'join', name: player.toUpperCase() });
    assert.ok(parsed.ok);
    const request = SubmitRequest.encode({ huntId: hunt, playerId: player, seq: 1, action: parsed.action }).finish();
    const reply = await new Promise<Uint8Array>((resolve) => host.submit(request, (bytes) => resolve(bytes.slice())));
    assert.equal(SubmitReply.decode(reply).outcome?.$case, 'ack');
    entrants++;
  };
  const adjust = async (player: string, points: number): Promise<void> => {
    await ask('adjust', { by: 'dora', player, points, reason: 'for the test' });
  };
  /** In Redis, for every gateway, and given to our readers without a question. */
  const cached = async (): Promise<void> => {
    await read();
    const { version } = (await ask('access', {})) as { version: number };
    await eventually('the board to be in Redis', async () => (await other.read(hunt, version, all)) !== undefined);
    const before = questions;
    await isRight();
    assert.equal(questions, before);
  };

  before(async function () {
    requireServer(this, 'redis');
    redis = await redisServer({ maxMemory: '64mb', maxMemoryPolicy: 'allkeys-lru' });
    admin = new Redis(redis.url, { retryStrategy: () => 20 });
    admin.on('error', () => undefined);
  });
  after(async () => {
    admin?.disconnect();
    await redis?.close();
  });
  beforeEach(async () => {
    questions = 0;
    cluster = freshCluster();
    host = new ActorHost({
      nodeKey: 'n1@1',
      kinds: [huntActor],
      log: new MemoryLog(),
      pages: new MemoryPageStore(),
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
    });
    await host.takeSlot(slotOf(hunt), 1);
    const parsed = checkDefinition({ ...everyWay, limits: { players: 5_000 } });
    assert.ok(parsed.ok);
    await ask('create', { definition: parsed.definition, owner: 'dora', join_code: 'K7Q4MX', lineage: 'l' });
    entrants = 0;
    for (const player of ['ann', 'bob', 'cy', 'dee']) await join(player);
    cache = await connected(redis.url, cluster);
    other = await connected(redis.url, cluster);
    scoreboards = new Scoreboards(route, cache);
  });
  afterEach(() => {
    cache?.close();
    other?.close();
    host?.abandon();
  });

  it('come from the cache when nothing has changed, and from the owner when something has', async () => {
    await isRight();
    await cached();
    await isRight();
    await adjust('cy', 7);
    const before = questions;
    const board = await read();
    assert.equal(questions, before + 1);
    assert.deepEqual([board.entries[0]?.player, board.entries[0]?.points], ['cy', 7]);
    await cached();
    await isRight();
  });

  it('show what was acknowledged before, whoever asks while questions are under way', async () => {
    for (let round = 1; round <= 30; round++) {
      const early = [read(), read(), read()];
      await adjust('bob', 1);
      const late = [read(), read()];
      for (const asking of early) await asking;
      for (const asking of late) {
        const { entries } = await asking;
        assert.equal(entries.find(({ player }) => player === 'bob')?.points, round);
      }
    }
    await isRight();
  });

  it('are asked of the owner by few questions, however many ask', async () => {
    await Promise.all(Array.from({ length: 500 }, () => read()));
    assert.ok(questions <= 10, `${questions} questions by 500 readers`);
  });

  it('of many entrants are right on every page, and cached', async () => {
    for (let i = 0; i < 1_100; i++) await join(`p${i}`);
    await adjust('p900', 40);
    await cached();
    const before = questions;
    const pages = [await read({ limit: 1_000, offset: 0 }), await read({ limit: 1_000, offset: 1_000 })];
    assert.equal(questions, before);
    const entries = pages.flatMap((page) => page.entries);
    assert.equal(entries.length, entrants);
    assert.equal(new Set(entries.map(({ player }) => player)).size, entrants);
    assert.deepEqual(
      entries.map(({ rank }) => rank),
      entries.map((_, i) => i + 1),
    );
    assert.equal(entries[0]?.player, 'p900');
    assert.deepEqual(pages[0], await truth());
  });

  it('are right after FLUSHALL in the middle of the hunt, and cached again', async () => {
    await cached();
    await admin.flushall();
    await isRight();
    await adjust('dee', 3);
    await isRight();
    await cached();
    await isRight();
  });

  it('are right when their key is evicted, lacks a place, or is something else', async () => {
    const key = `hunt:${cluster}:board:${hunt}`;
    await cached();
    await admin.del(key);
    await isRight();
    await cached();
    await admin.zremrangebyrank(key, 2, 2);
    await isRight();
    await cached();
    await admin.set(key, 'something else');
    await isRight();
    await adjust('ann', 1);
    await isRight();
    await admin.del(key);
    await cached();
  });

  it('are right when Redis has no room for them', async () => {
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    await admin.config('SET', 'maxmemory', '1');
    await adjust('ann', 1);
    await isRight();
    await admin.config('SET', 'maxmemory', '67108864');
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await cached();
    await isRight();
  });

  it('are right and soon there while Redis is dead, and cached again when it is back', async () => {
    await cached();
    await redis.kill();
    await eventually('it to be noticed', () => !cache.isUp);
    const began = performance.now();
    for (let i = 0; i < 20; i++) {
      await adjust('ann', 1);
      await isRight();
    }
    assert.ok(performance.now() - began < 2_000, 'a dead Redis holds readers up');
    await redis.start();
    await eventually('the connection', () => cache.isUp);
    await cached();
    await isRight();
  });

  it('are right while Redis is stopped: one reader in a while waits a moment for it', async () => {
    await cached();
    redis.pause();
    const began = performance.now();
    for (let i = 0; i < 50; i++) {
      if (i % 5 === 0) await adjust('bob', 1);
      await isRight();
    }
    const ms = performance.now() - began;
    assert.ok(ms < 2_000, `50 reads took ${ms} ms`);
    redis.resume();
    await cached();
    await isRight();
  });

  it('are right without any Redis from the start', async () => {
    cache.close();
    const nowhere = new RedisScoreboardCache({
      redisUrl: 'redis://127.0.0.1:1',
      cluster,
      clock: systemClock,
      timers: systemTimers,
    });
    scoreboards = new Scoreboards(route, nowhere);
    await isRight();
    await adjust('ann', 2);
    await isRight();
    nowhere.close();
  });
});
