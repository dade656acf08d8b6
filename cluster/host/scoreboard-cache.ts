import { MemoryScoreboardCache } from '../../projections/memory-scoreboard-cache.ts';
import { RedisScoreboardCache } from '../../projections/redis-scoreboard-cache.ts';
import type { ScoreboardCache } from '../../projections/scoreboard-cache.ts';
import type { RoleContext } from './role-process.ts';

/** All gateways share the one in Redis; where none is given, each has its own. */
export function scoreboardCache({ config, clock, timers, logger }: RoleContext): ScoreboardCache {
  if (config.redisUrl === undefined) return new MemoryScoreboardCache();
  return new RedisScoreboardCache({
    redisUrl: config.redisUrl,
    cluster: config.cluster,
    clock,
    timers,
    changed(up, reason) {
      if (up) logger.info({ reason }, "the scoreboards' Redis is used");
      else logger.warn({ reason }, "the scoreboards' Redis does not serve: scoreboards are asked of their owners");
    },
  });
}
