import type { Archiver } from '../../projections/archive.ts';
import { projectionMetrics } from '../../projections/metrics.ts';
import { Projector } from '../../projections/projector.ts';
import { type Slot, slotCount } from '../../proto/ids.ts';
import { ViewLog } from '../view-log.ts';
import { startArchiver } from './archiver.ts';
import { connectBackend } from './backend.ts';
import type { Config } from './config.ts';
import { logCheck } from './log-check.ts';
import { logNameOf } from './log-name.ts';
import { registerMetrics } from './metrics.ts';
import type { Check } from './probe-http.ts';
import { type RoleContext, type RunningRole, runRole } from './role-process.ts';
import { storeUrls } from './store-url.ts';

const allSlots: readonly Slot[] = Array.from({ length: slotCount }, (_, slot) => slot as Slot);

/**
 * `hunt projector`: brings hunts into PostgreSQL, and history into the archive. Without a PostgreSQL it only archives. Returns the
 * exit code.
 */
export const runProjector = (config: Config, warnings: readonly string[] = []): Promise<number> =>
  runRole(config, config.nodeId ?? 'projector', warnings, startProjector);

async function startProjector(context: RoleContext): Promise<RunningRole> {
  const { config, clock, random, timers, logger, registry } = context;
  const pgUrls = await storeUrls(config);
  const backend = await connectBackend(config, logger);
  const viewLog = await ViewLog.open({ ...backend, clock, random, timers });
  const lineage = await lineageOf(viewLog);
  if (pgUrls === undefined) logger.warn('HUNT_PG_URL is not given: there are no lists, this process only archives');
  const projector =
    pgUrls &&
    new Projector({
      log: backend.log,
      pgUrls,
      logName: logNameOf(config, lineage),
      clock,
      timers,
      random,
      metrics: registerMetrics(registry, projectionMetrics),
      journal: logger,
    });
  // Which slots are whose, PostgreSQL tells. While it is away several may archive the same, which changes nothing: a full log would.
  const archiver = await startArchiver(context, backend, () =>
    projector?.state().isConnected === true ? projector.ownedSlots() : allSlots,
  );
  return {
    checks: () => [logCheck(config, backend, clock), ...projectorChecks(projector), archiveCheck(archiver)],
    probes: { title: 'Treasure Hunt Engine: projector' },
    stop: async () => {
      await Promise.all([projector?.stop(), archiver.close()]);
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

function projectorChecks(projector: Projector | undefined): Check[] {
  if (projector === undefined) return [];
  const { isAnswered, faults, schemaFault, refusal } = projector.state();
  return [
    { name: 'store', ok: isAnswered, ...(isAnswered ? {} : { detail: 'PostgreSQL does not answer' }) },
    { name: 'schema', ok: schemaFault === undefined, ...(schemaFault === undefined ? {} : { detail: schemaFault }) },
    {
      name: 'rows',
      ok: refusal === undefined,
      ...(refusal === undefined ? {} : { detail: `not written: ${refusal}` }),
    },
    slotsCheck('slots', faults, 'projected'),
  ];
}

const archiveCheck = ({ faults, away }: Archiver): Check =>
  away === undefined
    ? slotsCheck('archive', faults, 'archived')
    : { name: 'archive', ok: false, detail: `${away}: history stays in the log, whose disk fills up` };

function slotsCheck(name: string, faults: Archiver['faults'], what: string): Check {
  const [first] = faults;
  if (first === undefined) return { name, ok: true };
  return { name, ok: false, detail: `${faults.length} slots are not ${what}; slot ${first.slot}: ${first.message}` };
}
