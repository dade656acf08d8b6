/** The scoreboards' Redis, a cache that may go at any time, and the alarms' Redis, which only wakes what is state elsewhere. */
import { Redis } from 'ioredis';
import { systemClock } from '../../../../runtime/kernel/clock.ts';
import type { PrivateServer } from '../../servers/private-server.ts';
import { until } from '../deadline.ts';
import type { FaultBed } from './bed.ts';
import { killed, stopped } from './blow.ts';
import { type Away, onServers, type Strike } from './strike.ts';

const actsMeanwhile = 4;
const armedMsMax = 10_000;

async function withRedis<T>(server: PrivateServer, run: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(server.url);
  redis.on('error', () => undefined);
  try {
    return await run(redis);
  } finally {
    redis.disconnect();
  }
}

/** Boards are asked before, so that there is something in it to lose. */
async function boardsWithout(bed: FaultBed): Promise<void> {
  await bed.boardsAgree();
  await bed.allPlay(actsMeanwhile);
}

/** A bell that comes due while it is away, or soon after: it rings all the same. */
async function bellsWithout(bed: FaultBed): Promise<void> {
  await bed.allPlay(actsMeanwhile);
  await bed.bells.rungSince(systemClock.now());
}

const keysOf = (server: PrivateServer): Promise<number> => withRedis(server, (redis) => redis.dbsize());

/** A wake-up that is still to come. */
const pendingAlarms = (server: PrivateServer): Promise<number> =>
  withRedis(server, async (redis) => {
    const queues = await redis.keys('*:delayed');
    const sizes = await Promise.all(queues.map((queue) => redis.zcard(queue)));
    return sizes.reduce((sum, size) => sum + size, 0);
  });

/** Both at once, with boards in the one and an alarm that is pending in the other. */
async function bothFlushed(bed: FaultBed): Promise<Away> {
  const { cacheRedis, alarmRedis } = bed.servers;
  await bed.boardsAgree();
  const pending = await until('an alarm to be pending in Redis', armedMsMax, () => pendingAlarms(alarmRedis));
  // Written behind the answer.
  const boards = await until('a board to be in the cache', armedMsMax, () => keysOf(cacheRedis));
  const awayAt = performance.now();
  const since = systemClock.now();
  for (const server of [cacheRedis, alarmRedis]) {
    const left = await withRedis(server, async (redis) => {
      const answers = await redis.multi().flushall().dbsize().exec();
      return answers?.[1]?.[1];
    });
    if (left !== 0) throw new Error(`the fault did not happen: ${left} keys are left`);
  }
  const backAt = performance.now();
  await boardsWithout(bed);
  await bed.bells.rungSince(since);
  return { awayAt, awayUntil: backAt, backAt, proof: `${boards} keys of boards and ${pending} pending alarms gone` };
}

export const redisStrikes: readonly Strike[] = [
  { name: 'FLUSHALL on both Redis', profiles: onServers, brief: ['nats'], play: 'unnoticed', run: bothFlushed },
  {
    name: "scoreboards' Redis killed",
    profiles: onServers,
    play: 'unnoticed',
    run: async (bed) => {
      await bed.boardsAgree();
      return await killed(bed.servers.cacheRedis, () => boardsWithout(bed));
    },
    after: (bed) => bed.boardsAgree(),
  },
  {
    name: "scoreboards' Redis stopped for 10 s",
    profiles: onServers,
    play: 'unnoticed',
    run: async (bed) => {
      await bed.boardsAgree();
      return await stopped(bed.servers.cacheRedis, () => boardsWithout(bed));
    },
    after: (bed) => bed.boardsAgree(),
  },
  {
    name: "alarms' Redis killed",
    profiles: onServers,
    play: 'unnoticed',
    run: (bed) => killed(bed.servers.alarmRedis, () => bellsWithout(bed)),
    after: (bed) => bed.bells.rungSince(systemClock.now()),
  },
  {
    name: "alarms' Redis stopped for 10 s",
    profiles: onServers,
    play: 'unnoticed',
    run: (bed) => stopped(bed.servers.alarmRedis, () => bed.allPlay(actsMeanwhile)),
    after: (bed) => bed.bells.rungSince(systemClock.now()),
  },
];
