import type { Config } from './config.ts';

/** Where projections and lists are kept; undefined: nowhere, and there are no lists. Play needs none of it (I10). */
export async function storeUrl(config: Config): Promise<string | undefined> {
  if (config.pgUrl !== undefined) return config.pgUrl;
  if (config.profile !== 'embedded' || config.pgPort === 0) return undefined;
  const { embeddedPostgresUrl } = await import('./embedded-postgres.ts');
  return embeddedPostgresUrl({ dataDir: config.dataDir, host: loopback, port: config.pgPort });
}

/** The embedded PostgreSQL is this machine's alone, whatever the rest listens on. */
export const loopback = '127.0.0.1';
