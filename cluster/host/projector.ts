import { projectionMetrics } from '../../projections/metrics.ts';
import { Projector } from '../../projections/projector.ts';
import { ViewLog } from '../view-log.ts';
import { connectBackend } from './backend.ts';
import { type Config, ConfigError } from './config.ts';
import { registerMetrics } from './metrics.ts';
import type { Check } from './probe-http.ts';
import { type RoleContext, type RunningRole, runRole } from './role-process.ts';
import { storeUrls } from './store-url.ts';

/** `hunt projector`: brings hunts into PostgreSQL. Returns the exit code. */
export const runProjector = (config: Config, warnings: readonly string[] = []): Promise<number> =>
  runRole(config, config.nodeId ?? 'projector', warnings, startProjector);

async function startProjector({ config, clock, random, timers, logger, registry }: RoleContext): Promise<RunningRole> {
  const pgUrls = await storeUrls(config);
  if (pgUrls === undefined)
    throw new ConfigError(['HUNT_PG_URL is missing: a projector needs a PostgreSQL to write to']);
  const backend = await connectBackend(config, logger);
  const viewLog = await ViewLog.open({ log: backend.log, feed: backend.feed, clock, random, timers });
  const lineage = await lineageOf(viewLog);
  const projector = new Projector({
    log: backend.log,
    pgUrls,
    // A cluster that begins anew is another log: positions in it mean something else.
    logName: `${config.profile} ${config.cluster} ${lineage}`,
    clock,
    timers,
    random,
    metrics: registerMetrics(registry, projectionMetrics),
    journal: logger,
  });
  return {
    checks: () => checksOf(backend.state().up, projector),
    probes: { title: 'Treasure Hunt Engine: projector' },
    stop: async () => {
      await projector.stop();
      viewLog.close();
      await backend.close();
    },
  };
}

/** The name of the log itself, which it gets when the cluster is formed. */
async function lineageOf(viewLog: ViewLog): Promise<string> {
  if (viewLog.view.lineage !== '') return viewLog.view.lineage;
  return await new Promise((resolve) => {
    const stop = viewLog.onChange(({ lineage }) => {
      if (lineage === '') return;
      stop();
      resolve(lineage);
    });
  });
}

function checksOf(logIsUp: boolean, projector: Projector): Check[] {
  const { isConnected, faults } = projector.state();
  const [fault] = faults;
  return [
    { name: 'log', ok: logIsUp },
    { name: 'store', ok: isConnected, ...(isConnected ? {} : { detail: 'PostgreSQL does not answer' }) },
    {
      name: 'slots',
      ok: fault === undefined,
      ...(fault === undefined
        ? {}
        : { detail: `${faults.length} are not projected; slot ${fault.slot}: ${fault.message}` }),
    },
  ];
}
