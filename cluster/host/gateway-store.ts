/**
 * What a gateway reads from PostgreSQL: the list of hunts, and how far projections are behind. Both are extras (I10): where
 * no PostgreSQL is given there is no list, and one that is away costs these answers and nothing else.
 *
 * Owns: a connection for each, made when first needed.
 */
import type { HuntCatalog } from '../../gateway/admin/ports.ts';
import type { LagSummary } from '../../projections/lag-reader.ts';
import type { EventLog } from '../../runtime/log/event-log.ts';
import { ConfigError } from './config.ts';
import { logNameOf } from './log-name.ts';
import type { RoleContext } from './role-process.ts';
import { storeUrls } from './store-url.ts';

export interface GatewayStore {
  readonly catalog?: HuntCatalog;
  /** Never rejects: what keeps it from being told as of now is its `fault`. */
  projectionLag(): Promise<ProjectionLag>;
  close(): Promise<void>;
}

export type ProjectionLag = Omit<LagSummary, 'worst_slot'> & { readonly worst_slot: number };

/** Longer than it waits for PostgreSQL, and counts: what is left is the log's. */
const lagMsMax = 1_000;
/** The rows are looked at so often in any case, so that a lag is not counted from long ago when PostgreSQL goes away. */
const lookMs = 30_000;
const none: ProjectionLag = { events: 0, seconds: 0, worst_slot: 0 };
const logAway = 'the log does not answer in time: this is what was known last';

/** `lineage`: of the view at present, empty if there is none yet. */
export async function openGatewayStore(
  context: RoleContext,
  log: EventLog,
  lineage: () => string,
): Promise<GatewayStore> {
  const { config, clock, timers, logger } = context;
  const pgUrls = await storeUrls(config).catch((error: unknown) => {
    if (error instanceof ConfigError) throw error;
    // Whatever is wrong with a folder of PostgreSQL's, people play on.
    logger.error({ err: error }, 'where PostgreSQL is cannot be told: there is no list of hunts');
    return undefined;
  });
  if (pgUrls === undefined) return { projectionLag: async () => none, close: async () => undefined };
  const [{ PgHuntCatalog }, { LagReader }] = await Promise.all([
    import('../../projections/catalog.ts'),
    import('../../projections/lag-reader.ts'),
  ]);
  const catalog = new PgHuntCatalog({ pgUrls, clock, journal: logger });
  const logName = () => (lineage() === '' ? undefined : logNameOf(config, lineage()));
  const reader = new LagReader({ log, pgUrls, clock, timers, logName });
  const look = () => void reader.readLag().catch(() => undefined);
  look();
  const stopLooking = timers.every(lookMs, look);
  let last = none;
  let lastAt = clock.monotonic();
  const untold = (): ProjectionLag => ({
    ...last,
    seconds: last.seconds + (clock.monotonic() - lastAt) / 1_000,
    fault: logAway,
  });
  return {
    catalog,
    projectionLag: () =>
      new Promise((resolve) => {
        const cancel = timers.after(lagMsMax, () => resolve(untold()));
        reader.readLag().then(
          (lag) => {
            cancel();
            last = lag;
            lastAt = clock.monotonic();
            resolve(lag);
          },
          () => {
            cancel();
            resolve(untold());
          },
        );
      }),
    close: async () => {
      stopLooking();
      reader.close();
      await catalog.close();
    },
  };
}
