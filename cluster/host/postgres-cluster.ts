/** Makes a PostgreSQL data folder; whole or not at all. */
import { execFile } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Account, giveTo, runAs } from './postgres-account.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';

export interface ClusterPlan {
  /** Where it will be; its parent exists. */
  readonly data: string;
  readonly account: Account | undefined;
  readonly user: string;
  /** Without one everybody on this machine is let in: for tests. */
  readonly password?: string;
  /** False: whoever pulls the plug now makes it again. */
  readonly sync: boolean;
}

/** PostgreSQL's processes see nothing of our environment: variables such as PGDATA or LC_ALL would change what they do. */
export const postgresEnv = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' } as const;

const initMaxMs = 120_000;
/** From this version on PostgreSQL brings a locale of its own that knows more letters than ASCII's. */
const builtinLocaleSince = 17;

export async function makeCluster(binaries: PostgresBinaries, plan: ClusterPlan): Promise<void> {
  const { data, account, user, password, sync } = plan;
  // Under another name until it is whole: a start that was killed leaves nothing that looks like a cluster.
  const making = `${data}.making`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making);
  giveTo(account, making);
  const passwordFile = join(dirname(data), 'initdb-password');
  if (password !== undefined) {
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    giveTo(account, passwordFile, 0o600);
  }
  const locale =
    binaries.major >= builtinLocaleSince
      ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C']
      : ['--locale=C.UTF-8'];
  const run = runAs(
    account,
    [
      binaries.initdb,
      `--pgdata=${making}`,
      `--username=${user}`,
      '--encoding=UTF8',
      ...locale,
      ...(password === undefined ? ['--auth=trust'] : ['--auth=scram-sha-256', `--pwfile=${passwordFile}`]),
      ...(sync ? [] : ['--no-sync']),
    ],
    [binaries.initdb, making],
  );
  const [program, ...args] = run.argv;
  try {
    await promisify(execFile)(program as string, args, { env: postgresEnv, timeout: initMaxMs, ...run.account });
  } catch (error) {
    throw new Error(`initdb failed: ${String((error as { stderr?: unknown }).stderr ?? '').trim() || String(error)}`);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(making, data);
}
