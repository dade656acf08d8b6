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
import type { RoleContext } from './role-process.ts';
import { storeUrls } from './store-url.ts';

export interface GatewayStore {
  readonly catalog?: HuntCatalog;
  /** Never rejects: when it cannot be told in time, what was told last, older by the time since. */
  projectionLag(): Promise<ProjectionLag>;
  close(): Promise<void>;
}

export type ProjectionLag = Pick<LagSummary, 'events' | 'seconds'> & { readonly worst_slot: number };

const lagMsMax = 1_000;
const none: ProjectionLag = { events: 0, seconds: 0, worst_slot: 0 };

export async function openGatewayStore(context: RoleContext, log: EventLog): Promise<GatewayStore> {
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
  const reader = new LagReader({ log, pgUrls, clock });
  let last = none;
  let lastAt = clock.monotonic();
  const told = reader.readLag.bind(reader);
  const untold = (): ProjectionLag => ({ ...last, seconds: last.seconds + (clock.monotonic() - lastAt) / 1_000 });
  return {
    catalog,
    projectionLag: () =>
      new Promise((resolve) => {
        const cancel = timers.after(lagMsMax, () => resolve(untold()));
        told().then(
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
      reader.close();
      await catalog.close();
    },
  };
}
