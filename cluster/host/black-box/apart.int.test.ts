import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env as inheritedEnv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { freePort } from '../servers/private-server.ts';
import { callHttp } from './bare-http.ts';
import { until } from './deadline.ts';
import { meadow } from './definitions.ts';
import { mint } from './token.ts';

const huntEntry = fileURLToPath(new URL('../../cli/hunt.js', import.meta.url));
const readyMs = 20_000;

interface Member {
  readonly id: string;
  readonly addr: string;
  readonly state: string;
}

/** As a compose file or systemd starts it: each process by itself, nodes reached over TCP, nobody who forms the cluster first. */
describe('processes that nobody supervises', function () {
  this.timeout(60_000);
  const dataDir = mkdtempSync(join(tmpdir(), 'hunt-apart-'));
  const key = randomBytes(32);
  const running = new Map<string, ChildProcess>();
  const ports = new Map<string, number>();
  let gateway: string;

  async function start(name: string, role: string, env: Record<string, string> = {}): Promise<string> {
    if (!ports.has(name)) ports.set(name, await freePort());
    const http = ports.get(name) as number;
    const args = [
      huntEntry,
      role,
      '--id',
      name,
      '--data-dir',
      dataDir,
      '--http-port',
      String(http),
      '--grpc-port',
      '0',
    ];
    const child = spawn(process.execPath, args, {
      stdio: 'ignore',
      env: { ...inheritedEnv, HUNT_TOKEN_KEY: key.toString('base64url'), ...env },
    });
    running.set(name, child);
    return `http://127.0.0.1:${http}`;
  }
  const links = new Map<string, string>();
  async function startNode(name: string): Promise<string> {
    if (!links.has(name)) links.set(name, String(await freePort()));
    return start(name, 'node', {
      HUNT_MEMBERS: 'n1,n2',
      HUNT_ADVERTISE: '127.0.0.1',
      HUNT_LINK_PORT: links.get(name) as string,
    });
  }
  const ready = (url: string) =>
    until(`${url} to be ready`, readyMs, async () => (await callHttp(url, 'GET', '/readyz')).status === 200);
  const call = (method: string, path: string, role: 'operator' | 'designer', body?: object) =>
    callHttp(gateway, method, path, { token: mint(key, { sub: role, role }), ...(body === undefined ? {} : { body }) });

  before(async () => {
    const urls = [await start('log', 'log'), await startNode('n1'), await startNode('n2')];
    gateway = await start('g1', 'gateway');
    for (const url of [...urls, gateway]) await ready(url);
  });
  after(async () => {
    for (const child of running.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(dataDir, { recursive: true });
  });

  it('form the cluster once, whichever node comes first', async () => {
    const view = (await call('GET', '/v1/cluster', 'operator')).json as {
      owners: string[];
      nodes: Member[];
    };
    assert.deepEqual(new Set(view.owners), new Set(['n1', 'n2']));
    assert.deepEqual(
      view.nodes.map(({ id, addr, state }) => `${id} ${addr} ${state}`).sort(),
      ['n1', 'n2'].map((id) => `${id} 127.0.0.1:${links.get(id)} active`),
    );
  });

  it('play over TCP, and say how many hunts each node holds', async () => {
    for (let i = 0; i < 8; i++) {
      const made = (await call('POST', '/v1/hunts', 'designer', meadow(1))).json as { hunt_id: number };
      const act = { player: 'ann', seq: 1, action: { type: 'join', name: 'Ann' } };
      assert.equal((await call('POST', `/v1/hunts/${made.hunt_id}/actions`, 'designer', act)).status, 200);
    }
    const { nodes } = (await call('GET', '/v1/cluster', 'operator')).json as { nodes: { hunts: number }[] };
    assert.ok(nodes.every(({ hunts }) => hunts > 0) && nodes.reduce((sum, { hunts }) => sum + hunts, 0) >= 8);
  });

  it('take a node back that was killed', async () => {
    const child = running.get('n1') as ChildProcess;
    child.kill('SIGKILL');
    await once(child, 'exit');
    await ready(await startNode('n1'));
    await until('n1 to be a member again, under its address', readyMs, async () => {
      const { nodes } = (await call('GET', '/v1/cluster', 'operator')).json as { nodes: Member[] };
      return nodes.some(
        ({ id, addr, state }) => id === 'n1' && state === 'active' && addr.endsWith(links.get(id) ?? '-'),
      );
    });
    const hunt = (await call('POST', '/v1/hunts', 'designer', meadow(1))).json as { hunt_id: number };
    assert.equal((await call('GET', `/v1/hunts/${hunt.hunt_id}`, 'designer')).status, 200);
  });
});
