import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { slotCount } from '../../proto/ids.ts';
import { ClusterProcess } from './black-box/cluster-process.ts';
import { until } from './black-box/deadline.ts';
import { meadow } from './black-box/definitions.ts';
import { identityOf, isAlive } from './process-identity.ts';

interface ClusterAnswer {
  view: number;
  owners: string[];
  epochs: number[];
  nodes: { id: string; state: string; incarnation: number; slots: number }[];
}

const viewOf = (cluster: ClusterProcess) =>
  cluster.expect<ClusterAnswer>('GET', '/v1/cluster', { token: cluster.tokens.operator });

/** Slots of a node that was away for long are served by others by now; which, the tests of the view tell. */
const everySlotIsServed = (cluster: ClusterProcess) =>
  until('every slot to be owned by a node that serves', 20_000, async () => {
    const { owners, nodes } = await viewOf(cluster);
    const active = new Set(nodes.filter((node) => node.state === 'active').map((node) => node.id));
    return owners.length === slotCount && owners.every((owner) => active.has(owner));
  });

/** Runs `hunt up` on a folder that it should refuse, and gives what it said. */
async function refusedUp(...flags: string[]): Promise<{ code: number | null; stderr: string }> {
  const hunt = fileURLToPath(new URL('../cli/hunt.js', import.meta.url));
  const child = spawn(process.execPath, [hunt, 'up', '--no-demo', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (part: Buffer) => {
    stderr += part.toString('utf8');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}

describe('hunt up in a folder with a long name', function () {
  this.timeout(60_000);

  it('finds a short place for its sockets, and ends well when the whole process group is told to', async () => {
    const folder = join(mkdtempSync(join(tmpdir(), 'hunt-long-')), 'a-folder-with-a-long-name-'.repeat(5));
    const hunt = fileURLToPath(new URL('../cli/hunt.js', import.meta.url));
    const args = ['up', '--data-dir', folder, '--port', '0', '--grpc-port', '0', '--nodes', '2', '--no-demo'];
    const child = spawn(process.execPath, [hunt, ...args], { stdio: 'ignore', detached: true });
    const ended = once(child, 'exit');
    try {
      const file = () =>
        JSON.parse(readFileSync(join(folder, 'cluster.json'), 'utf8')) as {
          state: string;
          processes: { pid: number }[];
        };
      await until('the cluster to be ready', 30_000, () => file().state === 'ready');
      const rows = file().processes.map((row) => identityOf(row.pid));
      process.kill(-(child.pid as number), 'SIGTERM');
      assert.deepEqual(await ended, [0, null]);
      assert.deepEqual(rows.filter(isAlive), []);
      assert.ok(!readFileSync(join(folder, 'logs', 'n1.log'), 'utf8').includes('left without saying so'));
    } finally {
      if (child.exitCode === null) process.kill(-(child.pid as number), 'SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });
});

describe('hunt up with a PostgreSQL that cannot start', function () {
  this.timeout(60_000);

  it('says so in a sentence, and everything else runs', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'hunt-no-pg-'));
    // Where PostgreSQL's folder should be lies a file.
    writeFileSync(join(dataDir, 'postgres'), '');
    const cluster = await ClusterProcess.start({ dataDir, nodes: 1, store: true });
    try {
      assert.ok(cluster.readyAfterMs < 10_000, `ready after ${cluster.readyAfterMs} ms`);
      assert.match(cluster.stderr, /postgres does not start \(.*postgres.*\): play goes on without it/);
      await cluster.createHunt(meadow(1));
      assert.equal(cluster.file().state, 'ready');
    } finally {
      assert.equal(await cluster.stop(), 0);
      rmSync(dataDir, { recursive: true });
    }
  });
});

describe('hunt up', function () {
  this.timeout(90_000);
  let cluster: ClusterProcess;
  before(async () => {
    cluster = await ClusterProcess.start({ nodes: 3, store: true });
  });
  after(() => cluster.stopAndRemove());

  it('writes cluster.json in the shape of the contract, for its user alone', () => {
    const path = join(cluster.dataDir, 'cluster.json');
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(cluster.file().token_key_file).mode & 0o777, 0o600);
    assert.equal(Buffer.from(readFileSync(cluster.file().token_key_file, 'utf8').trim(), 'base64url').length, 32);
    const file = cluster.file();
    assert.deepEqual(
      Object.keys(file),
      'schema cluster profile state generation data_dir cwd argv supervisor urls processes token_key_file tokens'.split(
        ' ',
      ),
    );
    assert.deepEqual(file.processes.map((row) => `${row.role} ${row.name} ${row.state} ${row.restarts}`).sort(), [
      'gateway g1 up 0',
      'log log up 0',
      'node n1 up 0',
      'node n2 up 0',
      'node n3 up 0',
      'projector p1 up 0',
      'service postgres up 0',
    ]);
    for (const row of file.processes.filter(({ role }) => role === 'node')) assert.match(row.grpc ?? '', /:\d+$/);
    assert.equal(file.urls.ws, `${file.urls.http.replace('http', 'ws')}/v1/socket`);
    const ready = cluster.lines.find((line) => line.event === 'ready');
    assert.equal(ready?.file, path);
    assert.equal(ready?.tokens, undefined);
  });

  it('answers probes on every process', async () => {
    for (const row of cluster.file().processes) {
      for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json']) {
        const answer = await fetch(`${row.http}${path}`);
        assert.equal(answer.status, 200, `${row.name}${path}`);
        await answer.arrayBuffer();
      }
      assert.equal((await fetch(`${row.http}/nothing`)).status, 404);
    }
  });

  it('gives every slot an owner, within the bounds', async () => {
    const view = await viewOf(cluster);
    assert.equal(view.owners.length, slotCount);
    for (const node of view.nodes) {
      assert.equal(node.state, 'active');
      assert.ok(node.slots >= 76 && node.slots <= 93, `${node.id} has ${node.slots}`);
      view.owners.forEach((owner, slot) => {
        if (owner === node.id) assert.equal(view.epochs[slot], node.incarnation);
      });
    }
  });

  it('refuses a data folder in use, naming the pid', async () => {
    const { code, stderr } = await refusedUp('--data-dir', cluster.dataDir, '--port', '0', '--grpc-port', '0');
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`in use by process ${cluster.file().supervisor.pid}`));
  });

  it('refuses a port that is taken', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hunt-up-'));
    const { code, stderr } = await refusedUp(
      '--data-dir',
      folder,
      '--port',
      new URL(cluster.http).port,
      '--grpc-port',
      '0',
    );
    rmSync(folder, { recursive: true });
    assert.equal(code, 2);
    assert.match(stderr, /--port: port \d+ on 127\.0\.0\.1 is taken/);
  });

  for (const name of ['n2', 'g1', 'log', 'postgres', 'p1']) {
    it(`starts ${name} again after SIGKILL, under the same name and ports`, async () => {
      const view = await viewOf(cluster);
      const before = cluster.kill(name);
      const after = await cluster.respawned(before);
      assert.deepEqual([after.http, after.grpc, after.restarts], [before.http, before.grpc, before.restarts + 1]);
      await until('the cluster to be ready again', 20_000, () => cluster.file().state === 'ready');
      await everySlotIsServed(cluster);
      const incarnation = ({ nodes }: ClusterAnswer) => nodes.find((node) => node.id === name)?.incarnation ?? 0;
      if (name === 'n2') assert.ok(incarnation(await viewOf(cluster)) > incarnation(view), 'n2 joined again');
    });
  }

  it('does not start a node again that ended by itself with 0', async () => {
    cluster.kill('n3', 'SIGTERM');
    await until('n3 to be gone', 15_000, () => cluster.process('n3').state === 'exited');
    await until(
      'the view to say that n3 left',
      5_000,
      async () => (await viewOf(cluster)).nodes.find((node) => node.id === 'n3')?.state === 'left',
    );
    assert.equal(cluster.process('n3').restarts, 0);
  });

  it('lets a node go whose name another process took, and that process serve', async () => {
    const before = cluster.process('n1');
    const hunt = fileURLToPath(new URL('../cli/hunt.js', import.meta.url));
    const other = spawn(
      process.execPath,
      [hunt, 'node', '--id', 'n1', '--data-dir', cluster.dataDir, '--http-port', '0', '--grpc-port', '0'],
      { stdio: 'ignore' },
    );
    try {
      await until('the first n1 to end by itself', 15_000, () => cluster.process('n1').state === 'exited');
      assert.equal(cluster.process('n1').restarts, before.restarts);
      assert.equal((await viewOf(cluster)).nodes.find((node) => node.id === 'n1')?.state, 'active');
    } finally {
      other.kill('SIGKILL');
      await once(other, 'exit');
    }
  });

  it('works again after SIGKILL of everything, with the same key, view and ports', async () => {
    const before = cluster.file();
    const view = await viewOf(cluster);
    const key = cluster.tokenKey;
    await cluster.killEverything();
    await cluster.restart();
    const after = cluster.file();
    assert.equal(after.generation, before.generation + 1);
    assert.deepEqual(cluster.tokenKey, key);
    assert.deepEqual(after.urls, before.urls);
    const next = await viewOf(cluster);
    assert.ok(next.view > view.view);
    await everySlotIsServed(cluster);
  });

  it('takes its children with it when it is killed, and starts again while they may still be dying', async () => {
    const { supervisor, processes } = cluster.file();
    const children = processes.map((row) => identityOf(row.pid));
    process.kill(supervisor.pid, 'SIGKILL');
    await cluster.restart();
    assert.deepEqual(children.filter(isAlive), []);
  });

  it('drains and exits 0 on SIGTERM', async () => {
    const rows = cluster.file().processes.map((row) => identityOf(row.pid));
    assert.equal(await cluster.stop(), 0);
    assert.deepEqual(rows.filter(isAlive), []);
    assert.equal(cluster.file().state, 'stopping');
    assert.equal(cluster.lines.at(-1)?.event, 'stopped');
  });
});
