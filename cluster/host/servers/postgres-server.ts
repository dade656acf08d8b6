import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { type Account, giveTo, postgresAccount, runAs } from '../postgres-account.ts';
import { findPostgres, type PostgresBinaries } from '../postgres-binaries.ts';
import { makeCluster, postgresEnv } from '../postgres-cluster.ts';
import { freePort, GuardedServer, type ServerPlan, serverFolder } from './private-server.ts';

export interface PostgresOptions {
  /** Settings of postgresql.conf, over the ones for tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Survives SIGKILL without syncing: what was written is in the kernel's hands. Only a power cut would show the difference. */
const settingsForTests = {
  fsync: 'off',
  full_page_writes: 'off',
  shared_buffers: '32MB',
  max_connections: '50',
  max_wal_senders: '4',
  wal_keep_size: '256MB',
  // A standby whose primary was restarted looks for it again at once, not after 5 s.
  wal_retrieve_retry_interval: '100ms',
  jit: 'off',
  max_parallel_workers_per_gather: '0',
};

const user = 'hunt';

export async function postgresServer(options: PostgresOptions = {}): Promise<PostgresServer> {
  const binaries = findPostgres();
  if ('missing' in binaries) throw new Error(binaries.missing);
  const folder = serverFolder('postgres');
  const data = join(folder, 'data');
  rmSync(data, { recursive: true });
  const account = postgresAccount(data);
  giveTo(account, folder);
  await makeCluster(binaries, { data, account, user, sync: false });
  return PostgresServer.begin({ binaries, account, folder, port: await freePort(), settings: options.settings ?? {} });
}

interface Setup {
  readonly binaries: PostgresBinaries;
  readonly account: Account | undefined;
  readonly folder: string;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
}

export class PostgresServer extends GuardedServer {
  readonly #setup: Setup;

  private constructor(setup: Setup, plan: ServerPlan) {
    super(plan);
    this.#setup = setup;
  }

  static async begin(setup: Setup): Promise<PostgresServer> {
    const { binaries, account, folder, port } = setup;
    const url = `postgres://${user}@127.0.0.1:${port}/postgres`;
    const settings = {
      ...settingsForTests,
      ...setup.settings,
      port: String(port),
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
    };
    const data = join(folder, 'data');
    const argv = [
      binaries.postgres,
      '-D',
      data,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ];
    const server = new PostgresServer(setup, {
      name: 'postgres',
      url,
      folder,
      ...runAs(account, argv, [binaries.postgres, data]),
      env: postgresEnv,
      endSignal: 'SIGINT',
      serves: () => query(url, 'SELECT 1').then(() => undefined),
    });
    await server.start();
    return server;
  }

  /** Makes an empty database and names it: tests that share a server have one each. */
  async database(name: string): Promise<string> {
    await query(this.url, `CREATE DATABASE ${pg.escapeIdentifier(name)}`);
    return this.url.replace(/\/postgres$/, `/${name}`);
  }

  /**
   * A hot standby that streams from this one, which goes on serving meanwhile. The base backup is taken as PostgreSQL's
   * manual has it for whoever lacks pg_basebackup (the npm package does): start, copy, stop, write the label.
   */
  async replica(): Promise<PostgresServer> {
    const { binaries, account } = this.#setup;
    const folder = serverFolder('postgres-standby');
    const data = join(folder, 'data');
    const client = new pg.Client(this.url);
    await client.connect();
    try {
      await client.query("SELECT pg_backup_start('standby', fast => true)");
      copyCluster(join(this.folder, 'data'), data);
      const { rows } = await client.query(
        'SELECT labelfile, spcmapfile FROM pg_backup_stop(wait_for_archive => false)',
      );
      writeFileSync(join(data, 'backup_label'), rows[0].labelfile);
    } finally {
      await client.end();
    }
    writeFileSync(join(data, 'standby.signal'), '');
    giveTo(account, folder);
    give(account, data);
    const port = await freePort();
    const primary = `host=127.0.0.1 port=${this.#setup.port} user=${user} application_name=standby`;
    return PostgresServer.begin({
      binaries,
      account,
      folder,
      port,
      settings: { ...this.#setup.settings, primary_conninfo: primary, hot_standby: 'on' },
    });
  }

  /** Makes a standby the primary; resolves when it takes writes. */
  async promote(): Promise<void> {
    const { rows } = await query(this.url, 'SELECT pg_promote(wait => true, wait_seconds => 60) AS done');
    if (rows[0]?.done !== true) throw new Error('the standby was not promoted in 60 s');
  }
}

async function query(url: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await client.query(text);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Files that are the running server's own, and contents that a standby gets from it or makes anew. */
const notCopied = new Set(['postmaster.pid', 'postmaster.opts', 'backup_label', 'standby.signal']);
const emptied = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);

function copyCluster(from: string, to: string): void {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (notCopied.has(entry.name)) continue;
    if (!emptied.has(entry.name)) cpSync(join(from, entry.name), join(to, entry.name), { recursive: true });
    else mkdirSync(join(to, entry.name));
  }
  mkdirSync(join(to, 'pg_wal', 'archive_status'));
  mkdirSync(join(to, 'pg_wal', 'summaries'));
}

function give(account: Account | undefined, path: string): void {
  giveTo(account, path);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) give(account, child);
    else giveTo(account, child, 0o600);
  }
}
