import assert from 'node:assert/strict';
import type { HttpCall } from './bare-http.ts';
import { brokenDefinitions, hunt, yaml } from './broken-definitions.ts';
import { Bystander } from './bystander.ts';
import { problemFaults } from './catalogue.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { delay } from './deadline.ts';
import { meadow, oldTown } from './definitions.ts';
import { RawLine } from './raw-line.ts';
import { freshPlayer, sharedCluster } from './shared-cluster.ts';
import { badTokens } from './token.ts';

describe('bad input over HTTP', function () {
  this.timeout(60_000);
  let cluster: ClusterProcess;
  let made: number;
  let bystander: Bystander;
  let restarts = 0;

  before(async () => {
    cluster = await sharedCluster();
    made = (await cluster.createHunt(oldTown())).hunt_id;
    restarts = cluster.restarts();
    bystander = await Bystander.start(cluster);
  });
  after(async () => {
    await bystander?.unharmed();
    assert.equal(cluster.restarts(), restarts, 'bad input ended a process');
  });

  async function refused(
    what: string,
    code: string,
    method: string,
    path: string,
    options: HttpCall = {},
  ): Promise<{ errors?: { path: string; message: string }[] }> {
    const answer = await cluster.call(method, path, options);
    assert.ok(answer.status >= 400, `${what} was answered ${answer.status}: ${answer.text.slice(0, 200)}`);
    assert.deepEqual(problemFaults(answer), [], `${what}: ${answer.text.slice(0, 300)}`);
    assert.equal((answer.json as { code: string }).code, code, `${what}: ${answer.text.slice(0, 300)}`);
    return answer.json as { errors?: { path: string; message: string }[] };
  }

  it('refuses every broken definition with INVALID and the place of the fault', async () => {
    for (const [what, [body, path, headers = {}]] of Object.entries(brokenDefinitions)) {
      const { errors } = await refused(what, 'INVALID', 'POST', '/v1/hunts?dry_run=true', {
        body,
        headers: headers as Record<string, string>,
      });
      if (path === undefined) continue;
      assert.ok(Array.isArray(errors) && errors.length > 0, `${what}: no list of errors`);
      assert.ok(
        errors.some(
          (error) => error.path.startsWith(path) || error.path.includes(path) || error.message.includes(path),
        ),
        `${what}: no error at ${path}, but ${JSON.stringify(errors).slice(0, 300)}`,
      );
    }
  });

  it('tells every fault of a definition at once', async () => {
    const body = { title: '', colour: 'red', stages: [{ id: 'a b', title: 'A', points: 0.5, complete: {} }] };
    const { errors } = await refused('many faults', 'INVALID', 'POST', '/v1/hunts', { body });
    assert.ok((errors?.length ?? 0) >= 4, JSON.stringify(errors));
    for (const error of errors ?? [])
      assert.ok(error.message.length > 8 && (error.path === '' || error.path.startsWith('/')), JSON.stringify(error));
  });

  it('refuses ids, paths, methods, media types and sizes that are none', async () => {
    for (const id of ['0', 'abc', '-1', '1e3', '01', '1.5', '12345678901234567', '%00', '1%2F2', "1'--"])
      await refused(`id ${id}`, 'INVALID', 'GET', `/v1/hunts/${id}`);
    await refused('no such hunt', 'HUNT_NOT_FOUND', 'GET', '/v1/hunts/257');
    for (const path of [
      '/v1',
      '/v1/nothing',
      '/v2/hunts',
      '/v1/hunts/../../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/.env',
      `/v1/${'x'.repeat(4_000)}`,
    ])
      await refused(`path ${path.slice(0, 40)}`, 'NOT_FOUND', 'GET', path);
    await refused('DELETE', 'METHOD_NOT_ALLOWED', 'DELETE', `/v1/hunts/${made}`);
    await refused('PUT', 'METHOD_NOT_ALLOWED', 'PUT', '/v1/hunts', { body: {} });
    await refused('GET of a verb', 'METHOD_NOT_ALLOWED', 'GET', `/v1/hunts/${made}/pause`);
    await refused('XML', 'UNSUPPORTED_MEDIA', 'POST', '/v1/hunts', {
      body: '<hunt/>',
      headers: { 'content-type': 'application/xml' },
    });
    await refused('no media type', 'UNSUPPORTED_MEDIA', 'POST', `/v1/hunts/${made}/pause`, {
      body: '{}',
      headers: { 'content-type': '' },
    });
    await refused('YAML for a verb', 'UNSUPPORTED_MEDIA', 'POST', `/v1/hunts/${made}/pause`, {
      body: 'reason: x',
      headers: yaml,
    });
    await refused('a body of 65 KiB', 'TOO_LARGE', 'POST', `/v1/hunts/${made}/announce`, {
      body: { text: 'x'.repeat(65 * 1024) },
    });
    await refused('a definition above 1 MiB', 'TOO_LARGE', 'POST', '/v1/hunts', {
      body: hunt({ description: 'x'.repeat(1024 * 1024) }),
    });
  });

  it('refuses queries and bodies that are none', async () => {
    for (const query of ['from=-1', 'from=abc', 'from=1e3', 'limit=5001', 'from=9007199254740993'])
      await refused(query, 'INVALID', 'GET', `/v1/hunts/${made}/events?${query}`);
    for (const query of ['at_version=0', 'at_version=99999999', 'at_version=x'])
      await refused(query, 'INVALID', 'GET', `/v1/hunts/${made}?${query}`);
    for (const query of ['limit=0', 'offset=-1', 'limit=x'])
      await refused(query, 'INVALID', 'GET', `/v1/hunts/${made}/scoreboard?${query}`);
    const verb = (name: string, body: unknown, code = 'INVALID') =>
      refused(`${name} ${JSON.stringify(body)}`, code, 'POST', `/v1/hunts/${made}/${name}`, { body });
    await verb('adjust', {});
    await verb('adjust', { player: 'a', points: 5 });
    await verb('adjust', { player: 'a', team: 'b', points: 5, reason: 'both' });
    await verb('adjust', { player: 'a', points: 1e12, reason: 'much' });
    await verb('adjust', { player: 'a', points: '5', reason: 'text' });
    await verb('adjust', { player: 'nobody', points: 5, reason: 'nobody' }, 'NOT_FOUND');
    await verb('void', { version: 0, reason: 'none' });
    await verb('void', { version: 99_999, reason: 'none' }, 'NOT_FOUND');
    await verb('void', { version: 1, reason: 'the creation' }, 'WRONG_STATE');
    await verb('disqualify', { player: '@admin', reason: 'no id' });
    await verb('announce', { text: '' });
    await verb('announce', { text: 'x'.repeat(501) });
    await verb('extend', {});
    await verb('extend', { minutes: -5 });
    await verb('extend', { closes: 'tomorrow' });
    await verb('extend', { closes: '2001-01-01T00:00:00Z' });
    await verb('actions', { seq: 1, action: { type: 'join' } });
    await verb('actions', { player: 'a b', seq: 1, action: { type: 'join' } });
    await verb('players', { player: '@system' });
    await verb('players', { name: 'x'.repeat(41) });
    await verb('pause', '{"reason":');
    await verb('pause', '[1]');
    const join = (body: unknown, code: string) =>
      refused(`join ${JSON.stringify(body)}`, code, 'POST', '/v1/join', { token: '', body });
    await join({ code: 'K7Q4MX' }, 'INVALID');
    await join({ name: 'Gil' }, 'INVALID');
  });

  it('checks token, role and owner before it looks at anything else', async () => {
    for (const [what, token] of Object.entries(badTokens(cluster.tokenKey, { sub: 'mal', role: 'designer' }))) {
      if (token.length > 8_000) continue; // A huge header is refused before anybody looks for a token in it.
      const answer = await cluster.call('POST', '/v1/hunts', { token, body: '{' });
      assert.equal(answer.status, 401, `${what}: ${answer.text}`);
      assert.ok(String(answer.headers['www-authenticate']).startsWith('Bearer'), what);
      assert.deepEqual(problemFaults(answer), [], what);
    }
    const player = cluster.playerToken(made, freshPlayer('p'));
    const stranger = cluster.mint({ sub: 'stranger', role: 'designer' });
    await refused('a player creates', 'FORBIDDEN', 'POST', '/v1/hunts', { token: player, body: '{' });
    await refused('a player reads the log', 'FORBIDDEN', 'GET', `/v1/hunts/${made}/events`, { token: player });
    await refused('a player looks back', 'INVALID', 'GET', `/v1/hunts/${made}?at_version=1`, { token: player });
    await refused('a player of another hunt', 'FORBIDDEN', 'GET', `/v1/hunts/${made}`, {
      token: cluster.playerToken(257, 'p'),
    });
    await refused('another designer', 'FORBIDDEN', 'GET', `/v1/hunts/${made}`, { token: stranger });
    await refused('another designer pauses', 'FORBIDDEN', 'POST', `/v1/hunts/${made}/pause`, {
      token: stranger,
      body: '{',
    });
    await refused('a designer sees the cluster', 'FORBIDDEN', 'GET', '/v1/cluster', {});
    await refused('a player for somebody else', 'FORBIDDEN', 'POST', `/v1/hunts/${made}/actions`, {
      token: player,
      body: { player: 'somebody', seq: 1, action: { type: 'join' } },
    });
    await refused('existence before ownership', 'HUNT_NOT_FOUND', 'GET', '/v1/hunts/257', { token: stranger });
  });

  it('keeps an Idempotency-Key to its first body', async () => {
    const key = freshPlayer('key');
    const create = (body: object) => cluster.call('POST', '/v1/hunts', { body, headers: { 'idempotency-key': key } });
    const first = await create(meadow(1));
    assert.equal(first.status, 201, first.text);
    const again = await create(meadow(1));
    assert.deepEqual([again.status, again.headers['idempotency-replayed'], again.text], [201, 'true', first.text]);
    await refused('another body', 'SEQ_CONFLICT', 'POST', '/v1/hunts', {
      body: meadow(2),
      headers: { 'idempotency-key': key },
    });
    await refused('a key that is no id', 'INVALID', 'POST', '/v1/hunts', {
      body: meadow(1),
      headers: { 'idempotency-key': 'a b' },
    });
    const announce = (text: string) =>
      cluster.expect<{ version: number }>('POST', `/v1/hunts/${made}/announce`, {
        body: { text },
        headers: { 'idempotency-key': key },
      });
    assert.equal((await announce('once')).version, (await announce('once')).version, 'announced twice under one key');
  });

  it('lives through half requests, noise and slow headers', async () => {
    const lines: RawLine[] = [];
    const send = async (bytes: string | Buffer): Promise<RawLine> => {
      const line = await RawLine.open(cluster.http);
      line.write(bytes);
      lines.push(line);
      return line;
    };
    for (const noise of [
      '\x16\x03\x01\x02\x00\x01\x00',
      'hello\r\n\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ]) {
      const line = await send(noise);
      await line.until('an answer or the end', (text) => text.includes('HTTP/1.1 4'));
      assert.ok(line.closed || / 4\d\d /.test(line.received.toString('latin1').slice(0, 40)), noise);
    }
    const headers = await send(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(100_000)}\r\n\r\n`);
    await headers.until('an answer or the end', (text) => text.includes('HTTP/1.1'));
    assert.ok(headers.closed || /HTTP\/1.1 4\d\d/.test(headers.received.toString('latin1')));
    for (let i = 0; i < 40; i++)
      await send(
        i % 2 === 0
          ? 'GET /v1/hunts HTTP/1.1\r\nHost: x\r\nX-Slow: '
          : 'POST /v1/join HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
      );
    for (let i = 0; i < 10; i++) {
      for (const line of lines) line.write('a');
      await delay(50);
    }
    assert.equal((await cluster.call('GET', '/healthz', { token: '' })).status, 200);
    for (const line of lines) line.destroy();
  });

  it('shows health, metrics and OpenAPI to everyone on this machine', async () => {
    assert.deepEqual((await cluster.call('GET', '/healthz', { token: '' })).json, { status: 'ok' });
    const ready = await cluster.call('GET', '/readyz', { token: '' });
    assert.equal(ready.status, 200, ready.text);
    const openapi = await cluster.call('GET', '/openapi.json', { token: '' });
    assert.ok(String((openapi.json as { openapi?: string })?.openapi).startsWith('3.1'));
    for (const row of cluster.file().processes) {
      if (row.role !== 'node' && row.role !== 'gateway') continue;
      assert.match(await cluster.metrics(row.name), /process_cpu_seconds_total/, row.name);
    }
  });
});
