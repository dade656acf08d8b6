import { mkdirSync } from 'node:fs';
import { type Config, ConfigError } from './config.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';
import { type RoleContext, type RunningRole, runRole } from './role-process.ts';
import { loopback, notePort } from './store-url.ts';

/** `hunt postgres`: the store of profile embedded, as one more process of the cluster. Returns the exit code. */
export const runPostgres = (config: Config, warnings: readonly string[] = []): Promise<number> =>
  runRole(config, config.nodeId ?? 'postgres', warnings, startPostgres);

async function startPostgres({ config, logger }: RoleContext): Promise<RunningRole> {
  if (config.profile !== 'embedded')
    throw new ConfigError([`profile ${config.profile} brings no PostgreSQL: HUNT_PG_URL names yours`]);
  if (config.pgPort === 0) throw new ConfigError(['HUNT_PG_PORT is 0, which means no PostgreSQL: give a port']);
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, host: loopback, port: config.pgPort });
  notePort(config);
  logger.info({ pid: postgres.pid, port: config.pgPort }, 'PostgreSQL serves');
  let serves = true;
  return {
    checks: () => [{ name: 'postgres', ok: serves }],
    ended: postgres.exited.then((code) => {
      serves = false;
      return { code: 1, reason: `PostgreSQL ended with ${code ?? 'a signal'}` };
    }),
    probes: { title: 'Treasure Hunt Engine: PostgreSQL' },
    stop: () => postgres.stop(),
  };
}
