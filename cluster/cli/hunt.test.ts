import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeJwt } from 'jose';

const program = fileURLToPath(new URL('./hunt.js', import.meta.url));

interface Ran {
  code: number | null;
  out: string;
  err: string;
}
/** Runs the built CLI as a user would, in an empty folder, without the environment's own settings. */
async function hunt(
  cwd: string,
  args: readonly string[],
  options: { env?: Record<string, string>; stdin?: string; interruptAt?: RegExp } = {},
): Promise<Ran> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? '', ...options.env },
  });
  child.stdin.end(options.stdin ?? '');
  let [out, err] = ['', ''];
  child.stdout.on('data', (part: Buffer) => {
    out += part.toString();
  });
  child.stderr.on('data', (part: Buffer) => {
    err += part.toString();
    if (options.interruptAt?.test(err)) child.kill('SIGINT');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

describe('hunt, the command line', function () {
  this.timeout(20_000);
  let folder: string;
  let server: Server;
  let url: string;
  let asked: { method: string; path: string; headers: IncomingMessage['headers']; body: string }[];
  let answer: (path: string) => { status: number; body: unknown };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hunt-cli-'));
    asked = [];
    answer = () => ({ status: 200, body: {} });
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => {
        body += part.toString();
      });
      request.on('end', () => {
        const path = request.url ?? '';
        asked.push({ method: request.method ?? '', path, headers: request.headers, body });
        const { status, body: given } = answer(path);
        response
          .writeHead(status, { 'content-type': 'application/json' })
          .end(typeof given === 'string' ? given : JSON.stringify(given));
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const target = (): string[] => ['--url', url, '--token', 'T'];

  const misuse: [what: string, args: string[], said: RegExp][] = [
    ['an unknown command', ['frobnicate'], /unknown command/],
    ['an unknown option', ['list', '--nope'], /unknown option/],
    ['a missing argument', ['show'], /missing required argument/],
    ['a hunt that is no number', ['show', 'abc'], /whole number/],
    [
      'a file that is not there',
      ['create', 'none.yaml', '--url', 'http://127.0.0.1:9', '--token', 'T'],
      /INVALID: none.yaml cannot be read \(ENOENT\)/,
    ],
    ['an address that is none', ['list', '--url', 'ftp://x', '--token', 'T'], /INVALID: --url must be an address/],
    ['a token with no hunt', ['token', '--role', 'player'], /--hunt is missing/],
    ['a setting that is out of range', ['up', '--nodes', '0'], /INVALID: --nodes must be a whole number/],
    ['a log that is not there', ['log', 'verify', '--data-dir', '.'], /holds no embedded log/],
  ];
  for (const [what, args, said] of misuse) {
    it(`exits 2 for ${what}, and says what is wrong`, async () => {
      const ran = await hunt(folder, args);
      assert.equal(ran.code, 2, ran.err);
      assert.match(ran.err, said);
      assert.equal(ran.out, '');
    });
  }

  it('exits 0 for --help, and tells every command of the contract', async () => {
    const ran = await hunt(folder, ['--help']);
    assert.equal(ran.code, 0);
    for (const name of [
      'up',
      'node',
      'gateway',
      'config',
      'create',
      'list',
      'show',
      'watch',
      'history',
      'play',
      'token',
      'announce',
      'export',
      'ring',
      'log',
      'bench',
    ])
      assert.match(ran.out, new RegExp(`^ {2}${name} `, 'm'));
  });

  it('exits 3 when nobody answers, and when no cluster is known', async () => {
    const port = (server.address() as AddressInfo).port;
    server.close();
    await once(server, 'close');
    const nobody = await hunt(folder, ['show', '5', '--url', `http://127.0.0.1:${port}`, '--token', 'T']);
    assert.deepEqual([nobody.code, nobody.err.startsWith('UNREACHABLE: ')], [3, true], nobody.err);
    const unknown = await hunt(folder, ['show', '5', '--token', 'T']);
    assert.deepEqual(
      [unknown.code, unknown.err.startsWith('UNREACHABLE: no cluster is known')],
      [3, true],
      unknown.err,
    );
  });

  it('exits 4 when the server refuses, with its code, every fault with its pointer, and the instance to quote', async () => {
    const errors = [
      { path: '/stages/0/id', message: 'must be an id' },
      { path: '', message: 'title is required' },
    ];
    answer = () => ({
      status: 400,
      body: { code: 'INVALID', detail: 'two faults', retryable: false, errors, instance: 'i-7' },
    });
    writeFileSync(join(folder, 'bad.yaml'), 'stages: [{id: "a b"}]\n');
    const ran = await hunt(folder, ['create', 'bad.yaml', ...target()]);
    assert.equal(ran.code, 4);
    assert.deepEqual(ran.err.trim().split('\n'), [
      'INVALID: two faults',
      '  /stages/0/id: must be an id',
      '  /: title is required',
      '  quote this when you report it: i-7',
    ]);
  });

  it('creates from YAML, JSON and stdin, with token and Idempotency-Key, and opens on demand', async () => {
    answer = (path) =>
      path.endsWith('/open')
        ? { status: 200, body: { hunt_id: 257, version: 2, status: 'open' } }
        : { status: 201, body: { hunt_id: 257, join_code: 'K7Q4MX', slot: 1, status: 'draft', version: 1 } };
    writeFileSync(join(folder, 'h.json'), '{"title": "T"}');
    const ran = await hunt(folder, ['create', 'h.json', '--open', '--json', ...target()]);
    assert.deepEqual(
      JSON.parse(ran.out),
      { hunt_id: 257, join_code: 'K7Q4MX', slot: 1, status: 'open', version: 2 },
      ran.err,
    );
    assert.deepEqual(
      asked.map(({ method, path }) => `${method} ${path}`),
      ['POST /v1/hunts', 'POST /v1/hunts/257/open'],
    );
    assert.equal(asked[0]?.headers['content-type'], 'application/json');
    assert.equal(asked[0]?.headers.authorization, 'Bearer T');
    assert.match(String(asked[0]?.headers['idempotency-key']), /^[0-9a-f]{32}$/);
    await hunt(folder, ['create', '-', ...target()], { stdin: 'title: T\n' });
    assert.deepEqual([asked[2]?.headers['content-type'], asked[2]?.body], ['application/yaml', 'title: T\n']);
  });

  it('tries again what the server says may be sent again, with the same Idempotency-Key', async () => {
    let tries = 0;
    answer = () =>
      ++tries === 1
        ? { status: 503, body: { code: 'BUSY', detail: 'moving', retryable: true, retry_ms: 5 } }
        : { status: 200, body: { hunt_id: 257, version: 9 } };
    const ran = await hunt(folder, ['announce', '257', 'Hello', '--json', ...target()]);
    assert.deepEqual([ran.code, JSON.parse(ran.out)], [0, { hunt_id: 257, version: 9 }], ran.err);
    assert.equal(asked[0]?.headers['idempotency-key'], asked[1]?.headers['idempotency-key']);
  });

  it('takes address and token from the environment, and from cluster.json of the data folder', async () => {
    answer = () => ({ status: 200, body: { hunts: [], next: null } });
    const byEnvironment = await hunt(folder, ['list', '--json'], { env: { HUNT_URL: url, HUNT_TOKEN: 'E' } });
    assert.deepEqual(JSON.parse(byEnvironment.out), { hunts: [], next: null }, byEnvironment.err);
    const file = {
      schema: 'hunt-cluster/1',
      urls: { http: url },
      processes: [],
      tokens: { operator: 'O', designer: 'D' },
    };
    writeFileSync(join(folder, 'cluster.json'), JSON.stringify(file));
    assert.equal((await hunt(folder, ['list', '--data-dir', '.'])).out, 'No hunts.\n');
    assert.deepEqual(
      asked.map(({ headers }) => headers.authorization),
      ['Bearer E', 'Bearer O'],
    );
  });

  it('prints a history as one event a line, over pages, up to the version asked for', async () => {
    const event = (version: number) => ({ version, player: 'ada', type: 'HintTaken', at: 1_000, stage: 's' });
    answer = (path) => ({
      status: 200,
      body: path.includes('from=1&') ? { events: [event(2), event(3)], next: 3 } : { events: [event(4)], next: null },
    });
    const ran = await hunt(folder, ['history', '257', '--from', '1', '--to', '4', '--json', ...target()]);
    assert.deepEqual(
      ran.out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { version: number }).version),
      [2, 3, 4],
      ran.err,
    );
    assert.deepEqual(
      asked.map(({ path }) => path),
      ['/v1/hunts/257/events?from=1&limit=3', '/v1/hunts/257/events?from=3&limit=1'],
    );
  });

  it('mints tokens from a key, for the role, the hunts and the time that are asked for', async () => {
    const env = { HUNT_TOKEN_KEY: Buffer.alloc(32, 7).toString('base64url') };
    const ran = await hunt(folder, ['token', '--role', 'player', '--sub', 'ada', '--hunt', '257', '--ttl', '2h'], {
      env,
    });
    assert.equal(ran.code, 0, ran.err);
    const claims = decodeJwt(ran.out.trim());
    assert.deepEqual(
      [claims.iss, claims.aud, claims.sub, claims.role, claims.hunt],
      ['hunt', 'hunt', 'ada', 'player', 257],
    );
    assert.equal((claims.exp ?? 0) - (claims.iat ?? 0), 7_200);
  });

  it('refuses a script with a broken line before it does anything', async () => {
    writeFileSync(join(folder, 's'), '{"type": "join"}\n{"type": \n');
    const ran = await hunt(folder, ['play', 'K7Q4MX', '--name', 'Ada', '--script', 's', ...target()]);
    assert.deepEqual([ran.code, asked.length], [2, 0]);
    assert.match(ran.err, /--script s, line 2: /);
  });

  it('exits 4 when a watched socket is refused for good', async () => {
    server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n'));
    const ran = await hunt(folder, ['watch', '257', ...target()]);
    assert.deepEqual([ran.code, ran.err.includes('UNAUTHENTICATED')], [4, true], ran.err);
  });

  it('exits 130 when it is interrupted', async () => {
    server.on('upgrade', (_, socket) => socket.destroy());
    const ran = await hunt(folder, ['watch', '257', ...target()], { interruptAt: /the line is down/ });
    assert.equal(ran.code, 130, ran.err);
  });

  it('prints the effective configuration with its secrets masked', async () => {
    const ran = await hunt(folder, ['config', '--json'], {
      env: { HUNT_TOKEN_KEY: Buffer.alloc(32, 7).toString('base64url'), HUNT_PORT: '1' },
    });
    assert.equal(ran.code, 0, ran.err);
    assert.equal((JSON.parse(ran.out) as Record<string, unknown>).token_key, '***');
    assert.match(ran.err, /HUNT_PORT/, 'an unknown name is warned of');
  });
});
