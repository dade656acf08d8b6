/**
 * PostgreSQL for one machine, below the data folder: the store of profile `embedded`.
 *
 * Owns: `<data-dir>/postgres` (one cluster a major version, and the password), one postmaster. Keeps: it listens on the given
 * address alone and asks for a password; it ends with the process that started it, SIGKILL included; whatever an earlier
 * one left (processes, postmaster.pid, half a cluster) is out of the way before it starts. All of it is disposable (I8): a new
 * major version begins empty and is filled from the log.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { systemClock } from '../../runtime/kernel/clock.ts';
import { systemRandom } from '../../runtime/kernel/random.ts';
import { systemTimers } from '../../runtime/kernel/timer.ts';
import { postgresAccount, runAs } from './postgres-account.ts';
import { findPostgres } from './postgres-binaries.ts';
import { makeCluster, postgresEnv } from './postgres-cluster.ts';

export interface EmbeddedPostgresOptions {
  /** The data folder of the cluster (`.hunt`), not PostgreSQL's own. */
  readonly dataDir: string;
  readonly port: number;
  readonly host: string;
  /** Where it logs to; absent: to our stderr. */
  readonly logFile?: string;
}

export interface EmbeddedPostgres {
  readonly url: string;
  readonly pid: number;
  /** Fast shutdown; by force when that takes too long. */
  stop(): Promise<void>;
  /** Its exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
}

const user = 'hunt';
const passwordBytes = 24;
const startMaxMs = 60_000;
const stopMaxMs = 10_000;
const killMaxMs = 5_000;
const pollMs = 25;

const lockFileLines = { pid: 0, status: 7 } as const;

const wait = (ms: number): Promise<void> => new Promise((resolve) => systemTimers.after(ms, resolve));

/** What clients connect to. May be asked before it runs: the password is made by whoever comes first. */
export function embeddedPostgresUrl({ dataDir, host, port }: EmbeddedPostgresOptions): string {
  const address = host.includes(':') ? `[${host}]` : host;
  return `postgres://${user}:${passwordOf(home(dataDir))}@${address}:${port}/postgres`;
}

export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const binaries = findPostgres();
  if ('missing' in binaries) throw new Error(binaries.missing);
  const url = embeddedPostgresUrl(options);
  const data = join(home(options.dataDir), String(binaries.major));
  const account = postgresAccount(data);
  if (!existsSync(data)) {
    await makeCluster(binaries, { data, account, user, password: passwordOf(home(options.dataDir)), sync: true });
  }
  await endLeftovers(data);
  const settings = {
    listen_addresses: options.host,
    port: String(options.port),
    unix_socket_directories: '',
    // One machine shared with nine nodes and the log: small, and no processes of its own for one query.
    shared_buffers: '64MB',
    max_connections: '60',
    max_parallel_workers_per_gather: '0',
    jit: 'off',
    logging_collector: 'off',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const run = runAs(account, [binaries.postgres, '-D', data, ...flags], [binaries.postgres, data]);
  const [program, ...args] = run.argv;
  const log = options.logFile === undefined ? undefined : openSync(options.logFile, 'a', 0o600);
  const child = spawn(program as string, args, {
    env: postgresEnv,
    stdio: ['ignore', log ?? process.stderr.fd, log ?? process.stderr.fd],
    ...run.account,
  });
  if (log !== undefined) closeSync(log);
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('exit', (code) => resolve(code));
    child.once('error', reject);
  });
  exited.catch(() => undefined);
  const watcher = child.pid === undefined ? undefined : endWithUs(child.pid);
  void exited.catch(() => undefined).finally(() => watcher?.kill('SIGKILL'));
  const stop = () => end(child, exited);
  try {
    await untilItServes(url, exited, () => isReady(data, child.pid));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, pid: child.pid as number, stop, exited };
}

const home = (dataDir: string): string => join(dataDir, 'postgres');

function passwordOf(folder: string): string {
  const file = join(folder, 'password');
  if (!existsSync(file)) {
    // The account that PostgreSQL runs as passes through to its own folder, and reads nothing else.
    mkdirSync(folder, { recursive: true, mode: 0o711 });
    const mine = `${file}.${process.pid}`;
    writeFileSync(mine, systemRandom.token(passwordBytes), { mode: 0o600 });
    try {
      // Whole or not at all, and only for the first of several that make one.
      linkSync(mine, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(mine, { force: true });
    }
  }
  return readFileSync(file, 'utf8').trim();
}

/** A shell that waits for its standard input to close, which our death does, and ends the postmaster. */
function endWithUs(pid: number): ChildProcess {
  const watcher = spawn('/bin/sh', ['-c', 'read -r _; kill -s INT "$0"', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watcher.on('error', () => undefined);
  watcher.unref();
  return watcher;
}

async function end(child: ChildProcess, exited: Promise<number | null>): Promise<void> {
  const gone = exited.catch(() => undefined);
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.kill(signal);
    let cancel = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = systemTimers.after(signal === 'SIGINT' ? stopMaxMs : killMaxMs, resolve);
    });
    await Promise.race([gone, late]);
    cancel();
  }
}

/** What it writes into its lock file; a connection alone could be to somebody else's PostgreSQL on that port. */
function isReady(data: string, pid: number | undefined): boolean {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    return Number(lines[lockFileLines.pid]) === pid && lines[lockFileLines.status]?.trim() === 'ready';
  } catch {
    return false;
  }
}

async function untilItServes(url: string, exited: Promise<number | null>, isReady: () => boolean): Promise<void> {
  let ended: string | undefined;
  exited.then(
    (code) => {
      ended = `PostgreSQL ended with ${code ?? 'a signal'} before it served; its log says why`;
    },
    (error: Error) => {
      ended = `PostgreSQL could not be started: ${error.message}`;
    },
  );
  for (const deadline = systemClock.monotonic() + startMaxMs; ; await wait(pollMs)) {
    if (ended !== undefined) throw new Error(ended);
    if (!isReady()) {
      if (systemClock.monotonic() > deadline) throw new Error(`PostgreSQL was not ready in ${startMaxMs} ms`);
      continue;
    }
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: startMaxMs });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT 1');
      return;
    } catch (error) {
      if ((error as { code?: string }).code === '28P01')
        throw new Error(
          'PostgreSQL below the data folder has another password than the file beside it: remove the folder "postgres" there, it is filled from the log again',
        );
      if (systemClock.monotonic() > deadline)
        throw new Error(`PostgreSQL did not serve in ${startMaxMs} ms: ${(error as Error).message}`);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/**
 * PostgreSQL itself refuses to start when the pid in postmaster.pid is alive, whoever has it by now; and it must refuse as
 * long as a process of the old one lives. We can tell: its processes work in the data folder.
 */
async function endLeftovers(data: string): Promise<void> {
  const lockFile = join(data, 'postmaster.pid');
  if (process.platform !== 'linux' || !existsSync(lockFile)) return;
  const postmaster = Number(readFileSync(lockFile, 'utf8').split('\n')[lockFileLines.pid]);
  for (const [signal, maxMs] of [
    ['SIGINT', stopMaxMs],
    ['SIGKILL', killMaxMs],
  ] as const) {
    const left = processesIn(data);
    if (left.length === 0) break;
    // A fast shutdown is the postmaster's to carry out; stopped processes wake for it.
    for (const pid of left) {
      if (signal === 'SIGKILL' || pid === postmaster) send(pid, signal);
      send(pid, 'SIGCONT');
    }
    for (
      const deadline = systemClock.monotonic() + maxMs;
      processesIn(data).length > 0 && systemClock.monotonic() < deadline;
    )
      await wait(pollMs);
  }
  const left = processesIn(data);
  if (left.length > 0) throw new Error(`process ${left[0]} of an earlier PostgreSQL in ${data} does not end: end it`);
  rmSync(lockFile, { force: true });
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It went by itself in the meantime.
  }
}

function processesIn(data: string): number[] {
  const folder = realpathSync(data);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readlinkSync(`/proc/${name}/cwd`) === folder;
      } catch {
        return false;
      }
    })
    .map(Number);
}
