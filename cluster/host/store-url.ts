import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, ConfigError } from './config.ts';

/**
 * Where projections and lists are kept: the primary and its standbys; undefined: nowhere, and there are no lists. Play needs
 * none of it (I10).
 */
export async function storeUrls(config: Config): Promise<readonly string[] | undefined> {
  if (config.pgUrl !== undefined) return config.pgUrl.map((url) => withPassword(url, config.pgPasswordFile));
  if (config.profile !== 'embedded' || config.pgPort === 0) return undefined;
  const { embeddedPostgresUrl } = await import('./embedded-postgres.ts');
  const port = config.role === 'tool' ? notedPort(config) : config.pgPort;
  return port === undefined ? undefined : [embeddedPostgresUrl({ dataDir: config.dataDir, host: loopback, port })];
}

/** The embedded PostgreSQL is this machine's alone, whatever the rest listens on. */
export const loopback = '127.0.0.1';

/** Which port it got, for commands on this machine: the one that was asked for may have been taken. */
const portFile = (config: Config): string => join(config.dataDir, 'postgres', 'port');

export const notePort = (config: Config): void => writeFileSync(portFile(config), `${config.pgPort}\n`);

function notedPort(config: Config): number | undefined {
  try {
    return Number(readFileSync(portFile(config), 'utf8'));
  } catch {
    return undefined;
  }
}

function withPassword(url: string, file: string | undefined): string {
  const address = new URL(url);
  if (file === undefined || address.password !== '') return url;
  try {
    address.password = encodeURIComponent(readFileSync(file, 'utf8').trim());
  } catch (error) {
    throw new ConfigError([
      `HUNT_PG_PASSWORD_FILE ${file} cannot be read (${(error as NodeJS.ErrnoException).code}): name a file that this user may read`,
    ]);
  }
  return address.href;
}
