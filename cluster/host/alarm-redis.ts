import type { ActorHostOptions } from '../../runtime/slot/actor-host.ts';
import { type Config, ConfigError } from './config.ts';
import type { RoleContext } from './role-process.ts';

/** A Redis that does not answer so soon is down: alarms then ring by the process's own timer (I10). */
const askMs = 1_500;

/** What wakes this node's alarms: BullMQ where a Redis is named for it; absent, the process's own timer. */
export async function alarmWakeOf(context: RoleContext): Promise<Pick<ActorHostOptions, 'alarmWake'>> {
  const { config, name, clock, timers, logger } = context;
  if (config.alarmRedisUrl === undefined) return {};
  await refuseEvictingAlarms(config);
  const { bullMqAlarms } = await import('../../runtime/slot/bullmq-alarm-wake.ts');
  return {
    alarmWake: bullMqAlarms({
      redisUrl: config.alarmRedisUrl,
      cluster: config.cluster,
      nodeId: name,
      clock,
      timers,
      changed: (up, reason) => {
        if (up) logger.info("the alarms' Redis answers");
        else
          logger.warn(
            { reason },
            "the alarms' Redis is away: alarms ring by this process's own timer, some seconds late",
          );
      },
    }),
  };
}

/** Throws {@link ConfigError} if the alarms' Redis evicts: it would drop wake-ups whenever its memory is full. */
export async function refuseEvictingAlarms(config: Config): Promise<void> {
  if (config.alarmRedisUrl === undefined) return;
  const policy = await maxmemoryPolicy(config.alarmRedisUrl);
  if (policy !== undefined && policy !== 'noeviction')
    throw new ConfigError([
      `HUNT_ALARM_REDIS_URL: that Redis has maxmemory-policy ${policy} and would drop alarms when its memory is full: set it to noeviction, or name another Redis than the scoreboards' cache`,
    ]);
}

/** Undefined when it cannot be asked at present. */
async function maxmemoryPolicy(url: string): Promise<string | undefined> {
  const { Redis } = await import('ioredis');
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: askMs,
    commandTimeout: askMs,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    // INFO and not CONFIG, which many hosters forbid.
    return /^maxmemory_policy:(\S+)/m.exec(await redis.info('memory'))?.[1];
  } catch {
    return undefined;
  } finally {
    redis.disconnect();
  }
}
