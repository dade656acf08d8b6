import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { refuseEvictingAlarms } from './alarm-redis.ts';
import { type Config, ConfigError, loadConfig } from './config.ts';
import type { PrivateServer } from './servers/private-server.ts';
import { redisServer } from './servers/redis-server.ts';
import { requireServer } from './servers/require-server.ts';

describe("the alarms' Redis", () => {
  let redis: PrivateServer;
  const config = (): Config =>
    loadConfig('node', { env: { HUNT_ALARM_REDIS_URL: redis.url }, flags: { nodeId: 'n1' } }).config;
  const setPolicy = async (policy: string): Promise<void> => {
    const client = new Redis(redis.url);
    await client.config('SET', 'maxmemory-policy', policy);
    client.disconnect();
  };
  before(async function () {
    requireServer(this, 'redis');
    redis = await redisServer();
  });
  after(() => redis?.close());

  it('is refused in a sentence while it evicts', async () => {
    await setPolicy('allkeys-lru');
    await assert.rejects(refuseEvictingAlarms(config()), (error: Error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /maxmemory-policy allkeys-lru .* set it to noeviction/);
      return true;
    });
  });

  it('is taken once it does not', async () => {
    await setPolicy('noeviction');
    await refuseEvictingAlarms(config());
  });

  it('keeps nobody from starting while it is down or silent', async () => {
    redis.pause();
    await refuseEvictingAlarms(config());
    redis.resume();
    await redis.kill();
    await refuseEvictingAlarms(config());
  });
});
