/**
 * Which account PostgreSQL runs as. It refuses to be root; whoever else starts it, it runs as that user.
 *
 * Started by root it runs as the owner of its data, else as `postgres`, else as `nobody`. Such an account may be unable to
 * reach the files: a project or data folder below /root, say. Then it is given the right to walk through folders (and read),
 * by `setpriv`, which belongs to every Debian. Opening /root itself to everybody would be the alternative.
 */
import { chmodSync, chownSync, existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const candidates = ['postgres', 'nobody'];
const setprivPaths = ['/usr/bin/setpriv', '/bin/setpriv'];
/** CAP_DAC_READ_SEARCH: what containers do not always have. CAP_DAC_OVERRIDE, which they do, includes it. */
const searchRights = [
  { bit: 2n, name: 'dac_read_search' },
  { bit: 1n, name: 'dac_override' },
] as const;

/** Undefined: as whoever we are. */
export function postgresAccount(data: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const owner = existsSync(data) ? statSync(data) : undefined;
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const accounts = new Map(
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name, , uid, gid]) => [name, { uid: Number(uid), gid: Number(gid) }]),
  );
  for (const name of candidates) {
    const account = accounts.get(name);
    if (account !== undefined) return account;
  }
  throw new Error(
    'PostgreSQL refuses to run as root, and this system has neither an account "postgres" nor "nobody": add one, or start as another user',
  );
}

/** A folder (or file) that only the account may enter. */
export function giveTo(account: Account | undefined, path: string, mode = 0o700): void {
  if (account !== undefined) chownSync(path, account.uid, account.gid);
  chmodSync(path, mode);
}

export interface RunAs {
  readonly argv: readonly string[];
  /** For `spawn`; absent when argv changes the user by itself. */
  readonly account?: Account;
}

/** How to run a program as the account, so that it reaches these paths. */
export function runAs(account: Account | undefined, argv: readonly string[], paths: readonly string[]): RunAs {
  if (account === undefined) return { argv };
  const blocked = paths.map((path) => firstClosed(account, path)).find((folder) => folder !== undefined);
  if (blocked === undefined) return { argv, account };
  const setpriv = setprivPaths.find(existsSync);
  const right = searchRights.find(({ bit }) => (permitted() >> bit) & 1n);
  if (setpriv === undefined || right === undefined)
    throw new Error(
      `PostgreSQL runs as user ${account.uid} here, who may not enter ${blocked}: choose a --data-dir (and a place for this package) that others may pass through, or start as another user than root`,
    );
  const rights = `+${right.name}`;
  return {
    // no_setuid_fixup: access(2), by which PostgreSQL looks for itself, ignores such rights otherwise.
    argv: [
      setpriv,
      `--reuid=${account.uid}`,
      `--regid=${account.gid}`,
      '--clear-groups',
      '--securebits=+no_setuid_fixup',
      `--inh-caps=${rights}`,
      `--ambient-caps=${rights}`,
      '--',
      ...argv,
    ],
  };
}

/** The topmost folder above the path that the account may not pass through. */
function firstClosed({ uid, gid }: Account, path: string): string | undefined {
  const folders: string[] = [];
  for (let at = dirname(realpathSync(path)); ; at = dirname(at)) {
    folders.unshift(at);
    if (at === dirname(at)) break;
  }
  return folders.find((folder) => {
    const stat = statSync(folder);
    const bits = stat.uid === uid ? stat.mode >> 6 : stat.gid === gid ? stat.mode >> 3 : stat.mode;
    return (bits & 1) === 0;
  });
}

/** The capabilities that this process may hand on. */
function permitted(): bigint {
  const status = readFileSync('/proc/self/status', 'utf8');
  return BigInt(`0x${/CapPrm:\s*([0-9a-f]+)/.exec(status)?.[1] ?? '0'}`);
}
