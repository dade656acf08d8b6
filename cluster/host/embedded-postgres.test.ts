import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { systemRandom } from '../../runtime/kernel/random.ts';
import { type EmbeddedPostgres, embeddedPostgresUrl, startEmbeddedPostgres } from './embedded-postgres.ts';
import { Ports } from './ports.ts';
import { eventually } from './servers/private-server.ts';
import { runs, signalTree } from './servers/process-tree.ts';
import { requireServer } from './servers/require-server.ts';

const host = '127.0.0.1';

describe('the PostgreSQL of one machine', () => {
  let outer: string;
  let dataDir: string;
  let port: number;
  let running: EmbeddedPostgres | undefined;

  before(async function () {
    requireServer(this, 'postgres');
    outer = mkdtempSync(join(tmpdir(), 'hunt-embedded-postgres-'));
    // As below /root: started by root, PostgreSQL's own account may not enter here.
    chmodSync(outer, 0o700);
    dataDir = join(outer, 'data');
    mkdirSync(dataDir, { mode: 0o700 });
    port = await new Ports(host, systemRandom).any();
  });
  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });
  after(() => outer !== undefined && rmSync(outer, { recursive: true, force: true }));

  const start = async (): Promise<EmbeddedPostgres> => {
    running = await startEmbeddedPostgres({ dataDir, port, host, logFile: join(dataDir, 'postgres.log') });
    return running;
  };
  const rows = async (url: string, text: string): Promise<unknown[]> => {
    const client = new pg.Client(url);
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  };

  it('serves at the address that was known before, keeps its rows over a stop, and asks for its password', async () => {
    const url = embeddedPostgresUrl({ dataDir, port, host });
    const first = await start();
    assert.equal(first.url, url);
    await rows(url, 'CREATE TABLE kept (id int)');
    await rows(url, 'INSERT INTO kept VALUES (1)');
    await first.stop();
    assert.equal(await first.exited, 0);
    assert.equal(runs(first.pid), false);
    await start();
    assert.deepEqual(await rows(url, 'SELECT id FROM kept'), [{ id: 1 }]);
    const guess = new URL(url);
    guess.password = 'hunt';
    await assert.rejects(rows(guess.href, 'SELECT 1'), /password authentication failed/);
    assert.equal(statSync(join(dataDir, 'postgres', 'password')).mode & 0o777, 0o600);
    assert.deepEqual(await rows(url, 'SHOW listen_addresses'), [{ listen_addresses: host }]);
  });

  it('knows letters beyond ASCII', async () => {
    const { url } = await start();
    assert.deepEqual(await rows(url, "SELECT 'Überraschung' ILIKE '%übeR%' AS found"), [{ found: true }]);
  });

  it('starts after everything was killed at once, whoever has the pid in its lock file by now', async () => {
    const first = await start();
    await rows(first.url, 'CREATE TABLE killed (id int)');
    await rows(first.url, 'INSERT INTO killed VALUES (7)');
    signalTree(first.pid, 'SIGKILL');
    assert.equal(await first.exited, null);
    const lock = join(
      dataDir,
      'postgres',
      readdirSync(join(dataDir, 'postgres')).find(Number) as string,
      'postmaster.pid',
    );
    writeFileSync(lock, readFileSync(lock, 'utf8').replace(/^\d+/, String(process.pid)));
    const second = await start();
    assert.deepEqual(await rows(second.url, 'SELECT id FROM killed'), [{ id: 7 }]);
  });

  it('ends with the process that started it, also when that one is killed', async () => {
    const { child, pid } = await inAnotherProcess();
    child.kill('SIGKILL');
    await eventually('PostgreSQL to be gone', async () => assert.equal(runs(pid), false));
  });

  it('takes over from one that was left behind stopped', async () => {
    const { child, pid } = await inAnotherProcess();
    signalTree(pid, 'SIGSTOP');
    child.kill('SIGKILL');
    const { url } = await start();
    assert.equal(runs(pid), false);
    assert.deepEqual(await rows(url, 'SELECT 1 AS one'), [{ one: 1 }]);
  });

  it('begins anew when the making of its folder was cut short', async () => {
    const folder = join(dataDir, 'postgres');
    const major = readdirSync(folder).find(Number) as string;
    rmSync(join(folder, major), { recursive: true });
    mkdirSync(join(folder, `${major}.making`));
    writeFileSync(join(folder, `${major}.making`, 'PG_VERSION'), 'half');
    const { url } = await start();
    assert.deepEqual(await rows(url, 'SELECT 1 AS one'), [{ one: 1 }]);
    assert.equal(existsSync(join(folder, `${major}.making`)), false);
  });

  it('says that the port is taken', async () => {
    const first = await start();
    const other = join(outer, 'other');
    mkdirSync(other);
    const logFile = join(other, 'postgres.log');
    await assert.rejects(
      startEmbeddedPostgres({ dataDir: other, port, host, logFile }),
      /ended with 1 .*its log says why/,
    );
    assert.match(readFileSync(logFile, 'utf8'), /Address already in use/);
    assert.deepEqual(await rows(first.url, 'SELECT 1 AS one'), [{ one: 1 }]);
  });

  async function inAnotherProcess() {
    const script = fileURLToPath(new URL('./embedded-postgres-child.fixture.js', import.meta.url));
    const child = fork(script, [dataDir, String(port)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const { pid } = await new Promise<{ pid: number }>((resolve, reject) => {
      child.once('message', (message) => resolve(message as { pid: number }));
      child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)));
    });
    return { child, pid };
  }
});
