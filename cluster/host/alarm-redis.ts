import { Redis } from 'ioredis';
import { type Config, ConfigError } from './config.ts';

/** A Redis that does not answer so soon is down: alarms then ring by the process's own timer (I10). */
const askMs = 1_500;

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
