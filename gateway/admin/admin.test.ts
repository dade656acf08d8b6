import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { errorCatalogue, isErrorCode } from '../../proto/error-code.ts';
import { joinCodeNumber } from '../../proto/ids.ts';
import { LogDamagedError, LogUnavailableError } from '../../runtime/log/event-log.ts';
import { nackReply } from '../act/reply.ts';
import { buildAdmin } from './admin.ts';
import { operationsOf } from './operations/operations.ts';
import { ScriptedWorld } from './scripted-world.ts';

const hunt = 1_234_567;
const definition = { title: 'T', stages: [] };

describe('the HTTP interface', () => {
  let world: ScriptedWorld;
  let app: FastifyInstance;
  let base: string;
  let designer: string;
  let stranger: string;
  let operator: string;
  let player: string;

  beforeEach(async () => {
    world = new ScriptedWorld();
    world.addHunt(hunt);
    app = await buildAdmin(operationsOf(world.ports()), { origins: ['https://play.example'] });
    base = await app.listen({ host: '127.0.0.1', port: 0 });
    designer = await world.token('designer', 'dora');
    stranger = await world.token('designer', 'sven');
    operator = await world.token('operator', 'otto');
    player = await world.token('player', 'anna', hunt);
  });
  afterEach(async () => {
    await app.close();
    assert.deepEqual(world.faults, [], 'a request failed inside');
  });

  interface Call {
    token?: string;
    body?: unknown;
    type?: string | undefined;
    headers?: Record<string, string>;
  }
  async function call(
    method: string,
    path: string,
    { token, body, type = 'application/json', headers = {} }: Call = {},
  ) {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(base + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(text === undefined ? {} : { 'content-type': type }),
        ...headers,
      },
      ...(text === undefined ? {} : { body: text }),
    });
    const answer = await response.text();
    let json: Record<string, unknown> = {};
    try {
      json = JSON.parse(answer) as Record<string, unknown>;
    } catch {
      // not JSON
    }
    return { status: response.status, json, text: answer, headers: response.headers };
  }

  async function refused(code: string, method: string, path: string, options: Call = {}) {
    const answer = await call(method, path, options);
    assert.ok(isErrorCode(code));
    assert.equal(answer.json.code, code, `${method} ${path}: ${answer.status} ${answer.text}`);
    const row = errorCatalogue[code];
    assert.equal(answer.status, row.http);
    assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
    assert.equal(answer.json.status, row.http);
    assert.equal(answer.json.retryable, row.retryable);
    assert.equal(answer.json.type, `urn:hunt:error:${code}`);
    for (const member of ['title', 'detail', 'instance'])
      assert.ok(String(answer.json[member]).length >= 8 || member === 'title', `${member}: ${answer.text}`);
    return answer;
  }

  describe('the order of checks', () => {
    const routes: [string, string, object | undefined][] = [
      ['GET', '', undefined],
      ['GET', '/events', undefined],
      ['GET', '/scoreboard', undefined],
      ['GET', '/export.csv', undefined],
      ['POST', '/open', {}],
      ['POST', '/pause', {}],
      ['POST', '/resume', {}],
      ['POST', '/close', {}],
      ['POST', '/extend', { minutes: 5 }],
      ['POST', '/adjust', { player: 'anna', points: 5, reason: 'r' }],
      ['POST', '/void', { version: 2, reason: 'r' }],
      ['POST', '/disqualify', { player: 'anna', reason: 'r' }],
      ['POST', '/announce', { text: 'Hello' }],
      ['POST', '/players', { player: 'anna' }],
      ['POST', '/actions', { player: 'anna', seq: 1, action: { type: 'join' } }],
    ];
    const forPlayers = ['', '/scoreboard', '/actions'];
    for (const [method, path, body] of routes) {
      it(`is kept by ${method} /v1/hunts/{id}${path}`, async () => {
        const at = (id: string | number) => `/v1/hunts/${id}${path}`;
        const broken = method === 'POST' ? { body: '{' } : {};
        const unauthenticated = await refused('UNAUTHENTICATED', method, at('abc'), broken);
        assert.equal(unauthenticated.headers.get('www-authenticate'), 'Bearer');
        await refused('UNAUTHENTICATED', method, at(hunt), { ...broken, token: 'x.y.z' });
        await refused('FORBIDDEN', method, at(hunt + 1), { ...broken, token: player });
        if (!forPlayers.includes(path)) await refused('FORBIDDEN', method, at(hunt), { ...broken, token: player });
        for (const id of ['abc', '0', '01', '1.5', '12345678901234567', '%00', '1%2F2'])
          await refused('INVALID', method, at(id), { ...broken, token: designer });
        await refused('HUNT_NOT_FOUND', method, at(257), { ...broken, token: stranger });
        await refused('HUNT_NOT_FOUND', method, at('9999999999999999'), { ...broken, token: operator });
        await refused('FORBIDDEN', method, at(hunt), { ...broken, token: stranger });
        if (method === 'POST') {
          await refused('INVALID', method, at(hunt), { ...broken, token: designer });
          await refused('INVALID', method, at(hunt), { body: '[1]', token: designer });
          await refused('UNSUPPORTED_MEDIA', method, at(hunt), {
            body: 'a: b',
            type: 'application/yaml',
            token: designer,
          });
          await refused('TOO_LARGE', method, at(hunt), { body: { reason: 'x'.repeat(65 * 1024) }, token: designer });
        }
        for (const token of [designer, operator]) {
          const answer = await call(method, at(hunt), { token, ...(body === undefined ? {} : { body }) });
          assert.ok(answer.status < 300, `${answer.status} ${answer.text}`);
        }
      });
    }
  });

  it('creates a hunt, and says where', async () => {
    const answer = await call('POST', '/v1/hunts', { token: designer, body: definition });
    assert.equal(answer.status, 201, answer.text);
    const { hunt_id: id, join_code: code, slot, status, version } = answer.json as Record<string, number>;
    assert.deepEqual([slot, status, version], [(id as number) % 256, 'draft', 1]);
    assert.match(String(code), /^[A-HJ-NP-Z2-9]{6}$/);
    assert.equal(answer.headers.get('location'), `/v1/hunts/${id}`);
    assert.equal(world.codes.get(joinCodeNumber(String(code))), id);
    assert.equal(world.hunts.get(id as number)?.owner, 'dora');
    const yaml = await call('POST', '/v1/hunts', { token: designer, body: definition, type: 'application/yaml' });
    assert.equal(yaml.status, 201);
  });

  it('takes another join code when the first is taken', async () => {
    world.instead.set('claim', [{ ok: false, code: 'ALREADY_DONE', message: 'taken' }]);
    const answer = await call('POST', '/v1/hunts', { token: designer, body: definition });
    assert.equal(answer.status, 201, answer.text);
    assert.equal(world.calls.filter(({ method }) => method === 'claim').length, 2);
  });

  it('tries a definition without creating anything', async () => {
    const dry = await call('POST', '/v1/hunts?dry_run=true', { token: designer, body: definition });
    assert.deepEqual([dry.status, dry.json], [200, { valid: true, warnings: [] }]);
    assert.equal(world.hunts.size, 1);
    const bad = await refused('INVALID', 'POST', '/v1/hunts?dry_run=true', { token: designer, body: {} });
    assert.deepEqual(bad.json.errors, [{ path: '/title', message: 'is missing' }]);
    await refused('INVALID', 'POST', '/v1/hunts?dry_run=maybe', { token: designer, body: definition });
    await refused('INVALID', 'POST', '/v1/hunts', { token: designer });
    await refused('INVALID', 'POST', '/v1/hunts', { token: designer, body: '' });
    await refused('UNSUPPORTED_MEDIA', 'POST', '/v1/hunts', { token: designer, body: '<x/>', type: 'application/xml' });
    await refused('TOO_LARGE', 'POST', '/v1/hunts', { token: designer, body: { title: 'x'.repeat(1024 * 1024) } });
    assert.equal(
      (await call('POST', '/v1/hunts?dry_run=true', { token: designer, body: { title: 'x'.repeat(1000 * 1024) } }))
        .status,
      200,
    );
    await refused('FORBIDDEN', 'POST', '/v1/hunts', { token: player, body: '{' });
  });

  it('publishes the next definition, or tells what would differ', async () => {
    const at = `/v1/hunts/${hunt}/definition`;
    const published = await call('PUT', at, {
      token: designer,
      body: definition,
      headers: { 'idempotency-key': 'no matter what!' },
    });
    assert.deepEqual(
      [published.status, published.json],
      [200, { hunt_id: hunt, version: 4, definition_version: 2 }],
      published.text,
    );
    assert.deepEqual(world.calls.at(-1)?.body, { definition, by: 'dora' });
    const dry = await call('PUT', `${at}?dry_run=true`, { token: operator, body: definition });
    assert.deepEqual(
      [dry.status, dry.json],
      [
        200,
        {
          hunt_id: hunt,
          events: 4,
          differences: [{ version: 2, player: 'anna', was: 'StageCompleted', would_be: 'NOT_FOUND' }],
          more: 0,
        },
      ],
    );
    for (const token of [undefined, player, stranger])
      await refused(token === undefined ? 'UNAUTHENTICATED' : 'FORBIDDEN', 'PUT', at, {
        body: definition,
        ...(token === undefined ? {} : { token }),
      });
    await refused('HUNT_NOT_FOUND', 'PUT', '/v1/hunts/257/definition', { token: designer, body: definition });
    await refused('INVALID', 'PUT', '/v1/hunts/0/definition', { token: designer, body: definition });
    for (const body of ['', ' ', '{}', '{"title": ""}', 'x', undefined])
      await refused('INVALID', 'PUT', at, { token: designer, body });
    await refused('INVALID', 'PUT', `${at}?dry_run=maybe`, { token: designer, body: definition });
    await refused('UNSUPPORTED_MEDIA', 'PUT', at, { token: designer, body: 'title: T', type: 'text/plain' });
    await refused('TOO_LARGE', 'PUT', at, { token: designer, body: `{"title":"${'x'.repeat(1024 * 1024)}"}` });
    await refused('METHOD_NOT_ALLOWED', 'POST', at, { token: designer, body: definition });
    world.instead.set('publish', [{ ok: false, code: 'WRONG_STATE', message: 'the hunt is closed' }]);
    await refused('WRONG_STATE', 'PUT', at, { token: designer, body: definition });
  });

  it('answers a repetition under an Idempotency-Key with the first answer', async () => {
    const headers = { 'idempotency-key': 'k-1' };
    const first = await call('POST', '/v1/hunts', { token: designer, body: definition, headers });
    const again = await call('POST', '/v1/hunts', { token: designer, body: definition, headers });
    assert.equal(first.headers.get('idempotency-replayed'), null);
    assert.deepEqual(
      [again.status, again.text, again.headers.get('idempotency-replayed'), again.headers.get('location')],
      [201, first.text, 'true', first.headers.get('location')],
    );
    await refused('SEQ_CONFLICT', 'POST', '/v1/hunts', { token: designer, body: { title: 'U' }, headers });
    assert.equal(
      (await call('POST', '/v1/hunts', { token: operator, body: definition, headers })).headers.get(
        'idempotency-replayed',
      ),
      null,
    );
    assert.equal(
      (await call('POST', `/v1/hunts/${hunt}/players`, { token: designer, body: {}, headers })).headers.get(
        'idempotency-replayed',
      ),
      null,
    );
    await refused('INVALID', 'POST', '/v1/hunts', {
      token: designer,
      body: definition,
      headers: { 'idempotency-key': 'a b' },
    });
    assert.equal(world.hunts.size, 3);
  });

  it('keeps a final refusal under the key, not one that may be tried again', async () => {
    world.instead.set('open', [
      { ok: false, code: 'BUSY', message: 'the slot is moving', retryMs: 200 },
      { ok: false, code: 'WRONG_STATE', message: 'the hunt is open already' },
    ]);
    const options = { token: designer, body: {}, headers: { 'idempotency-key': 'k-2' } };
    const busy = await refused('BUSY', 'POST', `/v1/hunts/${hunt}/open`, options);
    assert.equal(busy.json.retry_ms, 200);
    assert.equal(busy.headers.get('retry-after'), '1');
    await refused('WRONG_STATE', 'POST', `/v1/hunts/${hunt}/open`, options);
    const again = await refused('WRONG_STATE', 'POST', `/v1/hunts/${hunt}/open`, options);
    assert.equal(again.headers.get('idempotency-replayed'), 'true');
    assert.equal(world.calls.filter(({ method }) => method === 'open').length, 2);
    const keys = world.calls.filter(({ method }) => method === 'open').map(({ body }) => body.key);
    assert.ok(typeof keys[0] === 'string' && keys[0] === keys[1], 'the key goes down to the hunt');
  });

  it('says BUSY while the first is under way, and takes an abandoned claim over with the same ids', async () => {
    const options = { token: designer, body: definition, headers: { 'idempotency-key': 'k-3' } };
    world.instead.set('create', [
      { ok: false, code: 'UNAVAILABLE', message: 'no answer came in time' },
      { ok: false, code: 'UNAVAILABLE', message: 'no answer came in time' },
    ]);
    await refused('UNAVAILABLE', 'POST', '/v1/hunts', options);
    const other = await buildAdmin(operationsOf(world.ports()));
    try {
      const inject = () =>
        other.inject({
          method: 'POST',
          url: '/v1/hunts',
          payload: definition,
          headers: { authorization: `Bearer ${designer}`, 'idempotency-key': 'k-3' },
        });
      assert.equal((await inject()).json().code, 'BUSY');
      world.now += 31_000;
      const answer = await inject();
      assert.equal(answer.statusCode, 201, answer.body);
      const ids = world.calls.filter(({ method }) => method === 'create').map(({ stream }) => stream.id);
      assert.equal(new Set(ids).size, 1, 'every try used the same id');
      const codes = world.calls.filter(({ method }) => method === 'create').map(({ body }) => body.join_code);
      assert.equal(new Set(codes).size, 1, 'and the same join code');
    } finally {
      await other.close();
    }
  });

  it('shows a hunt whole to designers and by their own view to players', async () => {
    const whole = await call('GET', `/v1/hunts/${hunt}?at_version=2`, { token: designer });
    assert.equal(whole.json.slot, hunt % 256);
    assert.deepEqual(world.calls.at(-1)?.body, { at_version: 2 });
    for (const query of ['at_version=0', 'at_version=x', 'at_version=99', 'at_version=9007199254740993'])
      await refused('INVALID', 'GET', `/v1/hunts/${hunt}?${query}`, { token: designer });
    const own = await call('GET', `/v1/hunts/${hunt}`, { token: player });
    assert.deepEqual(own.json, {
      hunt_id: hunt,
      version: 3,
      mode: 'all',
      lineage: 'l',
      state: { hunt: { hunt_id: hunt }, me: { player: 'anna' } },
    });
    await refused('INVALID', 'GET', `/v1/hunts/${hunt}?at_version=1`, { token: player });
  });

  it('pages through the events', async () => {
    world.addHunt(hunt, { version: 5 });
    const page = await call('GET', `/v1/hunts/${hunt}/events?from=1&limit=3`, { token: designer });
    assert.deepEqual([page.json.from, page.json.head, page.json.oldest, page.json.next], [1, 5, 1, 4]);
    assert.deepEqual(
      (page.json.events as { version: number }[]).map(({ version }) => version),
      [2, 3, 4],
    );
    const last = await call('GET', `/v1/hunts/${hunt}/events?from=4`, { token: designer });
    assert.equal(last.json.next, null);
    assert.equal((await call('GET', `/v1/hunts/${hunt}/events?from=77`, { token: designer })).json.next, null);
    for (const query of [
      'from=-1',
      'from=abc',
      'from=1e3',
      'limit=0',
      'limit=5001',
      'from=9007199254740993',
      'from=1&from=2',
    ])
      await refused('INVALID', 'GET', `/v1/hunts/${hunt}/events?${query}`, { token: designer });
    world.oldest = 4;
    const trimmed = await refused('TRIMMED', 'GET', `/v1/hunts/${hunt}/events?from=2`, { token: designer });
    assert.equal(trimmed.json.oldest, 4);
    assert.equal((await call('GET', `/v1/hunts/${hunt}/events?from=3`, { token: designer })).status, 200);
  });

  it('gives the scoreboard, to players only when its time has come', async () => {
    const board = await call('GET', `/v1/hunts/${hunt}/scoreboard?limit=10&offset=0`, { token: player });
    assert.deepEqual([board.json.hunt_id, board.json.entrants, (board.json.entries as object[]).length], [hunt, 1, 1]);
    await refused('INVALID', 'GET', `/v1/hunts/${hunt}/scoreboard?limit=1001`, { token: player });
    world.addHunt(hunt, { board_show: 'closed' });
    await refused('FORBIDDEN', 'GET', `/v1/hunts/${hunt}/scoreboard`, { token: player });
    assert.equal((await call('GET', `/v1/hunts/${hunt}/scoreboard`, { token: designer })).status, 200);
    world.addHunt(hunt, { board_show: 'closed', status: 'closed' });
    assert.equal((await call('GET', `/v1/hunts/${hunt}/scoreboard`, { token: player })).status, 200);
  });

  it('says when the log cannot be read, and why', async () => {
    const ports = world.ports();
    for (const [error, code] of [
      [new LogUnavailableError('no connection'), 'BUSY'],
      [new LogDamagedError('segment 7'), 'HUNT_UNREADABLE'],
    ] as const) {
      const events = { ...ports.events, read: () => Promise.reject(error) };
      const other = await buildAdmin(operationsOf({ ...ports, events }));
      const answer = await other.inject({
        method: 'GET',
        url: `/v1/hunts/${hunt}/events`,
        headers: { authorization: `Bearer ${designer}` },
      });
      assert.equal(answer.json().code, code);
      assert.doesNotMatch(answer.body, /segment|connection/);
      await other.close();
    }
  });

  it('exports CSV', async () => {
    const answer = await call('GET', `/v1/hunts/${hunt}/export.csv`, { token: designer });
    assert.match(answer.headers.get('content-type') ?? '', /^text\/csv/);
    assert.equal(answer.text, 'rank,id\n1,anna\n');
  });

  it('steers, with bodies checked', async () => {
    const verb = (name: string, body?: unknown) =>
      call('POST', `/v1/hunts/${hunt}/${name}`, { token: designer, ...(body === undefined ? {} : { body }) });
    assert.deepEqual((await verb('open')).json, { hunt_id: hunt, version: 4, status: 'open' });
    assert.deepEqual((await verb('extend', { closes: '2026-06-06T20:00:00+02:00' })).json, {
      hunt_id: hunt,
      version: 5,
      status: 'open',
      closes_at: 99,
    });
    assert.deepEqual(world.calls.at(-1)?.body, { by: 'dora', closes: Date.UTC(2026, 5, 6, 18) });
    assert.deepEqual((await verb('adjust', { player: 'anna', points: -3, reason: 'late' })).json, {
      hunt_id: hunt,
      version: 6,
      status: 'open',
      total: 7,
    });
    assert.deepEqual((await verb('announce', { text: 'Rain\nis coming' })).json, { hunt_id: hunt, version: 7 });
    const sentenceOf = async (name: string, body: unknown) =>
      (await refused('INVALID', 'POST', `/v1/hunts/${hunt}/${name}`, { token: designer, body })).json.detail;
    assert.equal(await sentenceOf('announce', {}), 'text: is required: add it as a text');
    assert.equal(await sentenceOf('announce', { text: 5 }), 'text: must be a text: correct it');
    assert.equal(await sentenceOf('announce', '[]'), 'body: must be an object: correct it');
    assert.equal(await sentenceOf('extend', { minutes: 0 }), 'minutes: must be at least 1: raise it');
    assert.equal(
      (await refused('INVALID', 'GET', `/v1/hunts/${hunt}/events?from=1&from=2`, { token: designer })).json.detail,
      'from: must be a text, and given once: correct it',
    );
    await refused('UNSUPPORTED_MEDIA', 'POST', `/v1/hunts/${hunt}/announce`, {
      token: designer,
      body: { text: 'x' },
      headers: { 'content-encoding': 'gzip' },
    });
    const bad: [string, unknown][] = [
      ['adjust', {}],
      ['adjust', { player: 'a', points: 5 }],
      ['adjust', { player: 'a', team: 'b', points: 5, reason: 'both' }],
      ['adjust', { points: 5, reason: 'nobody' }],
      ['adjust', { player: 'a', points: 1e12, reason: 'much' }],
      ['adjust', { player: 'a', points: 0.5, reason: 'half' }],
      ['adjust', { player: 'a', points: '5', reason: 'text' }],
      ['void', { version: 0, reason: 'none' }],
      ['void', { version: 2 }],
      ['disqualify', { player: '@admin', reason: 'no id' }],
      ['announce', { text: '' }],
      ['announce', { text: 'x'.repeat(501) }],
      ['announce', { text: 'bell\u0007' }],
      ['extend', {}],
      ['extend', { minutes: -5 }],
      ['extend', { minutes: 5, closes: '2026-06-06T20:00:00Z' }],
      ['extend', { closes: 'tomorrow' }],
      ['extend', { closes: '2026-06-06T20:00:00' }],
      ['open', { reason: 7 }],
      ['pause', null],
    ];
    for (const [name, body] of bad) {
      const answer = await refused('INVALID', 'POST', `/v1/hunts/${hunt}/${name}`, { token: designer, body });
      assert.ok((answer.json.errors as object[]).length > 0);
    }
    world.instead.set('void', [{ ok: false, code: 'NOT_FOUND', message: 'there is no such event' }]);
    await refused('NOT_FOUND', 'POST', `/v1/hunts/${hunt}/void`, {
      token: designer,
      body: { version: 99, reason: 'r' },
    });
  });

  it('mints tokens for players', async () => {
    const made = await call('POST', `/v1/hunts/${hunt}/players`, {
      token: designer,
      body: { player: 'ben', name: 'Ben' },
    });
    assert.equal(made.status, 201, made.text);
    assert.equal(made.json.player_id, 'ben');
    const claims = await world.tokens.verifyToken(String(made.json.token));
    assert.deepEqual(claims, { sub: 'ben', role: 'player', hunt, name: 'Ben', exp: made.json.expires_at });
    assert.equal(made.json.expires_at, world.now + 30 * 24 * 3_600_000);
    world.addHunt(hunt, { closes_at: world.now + 1000 });
    const anyone = await call('POST', `/v1/hunts/${hunt}/players`, { token: designer });
    assert.match(String(anyone.json.player_id), /^p-[0-9a-f]{20}$/);
    assert.equal(anyone.json.expires_at, world.now + 1000 + 24 * 3_600_000);
    for (const body of [{ player: '@system' }, { player: 'a b' }, { name: 'x'.repeat(41) }, { name: '' }])
      await refused('INVALID', 'POST', `/v1/hunts/${hunt}/players`, { token: designer, body });
  });

  it('lets players in by code, whatever its case', async () => {
    world.codes.set(joinCodeNumber('K7Q4MX'), hunt);
    const joined = await call('POST', '/v1/join', { body: { code: 'k7q4-mx', name: 'Anna' } });
    assert.equal(joined.status, 201, joined.text);
    assert.deepEqual([joined.json.hunt_id, joined.json.title, joined.json.status], [hunt, 'Old Town', 'open']);
    assert.equal(joined.json.socket_url, `${base.replace('http', 'ws')}/v1/socket`);
    assert.equal((await world.tokens.verifyToken(String(joined.json.token)))?.hunt, hunt);
    for (const body of [{ code: 'K7Q4MX' }, { name: 'Gil' }, { code: 7, name: 'Gil' }])
      await refused('INVALID', 'POST', '/v1/join', { body });
    world.addHunt(hunt, { admission: 'invite' });
    await refused('FORBIDDEN', 'POST', '/v1/join', { body: { code: 'K7Q4MX', name: 'Anna' } });
  });

  it('refuses codes, and only codes, after ten wrong ones in a minute', async () => {
    world.codes.set(joinCodeNumber('K7Q4MX'), hunt);
    for (let i = 0; i < 10; i++)
      await refused('HUNT_NOT_FOUND', 'POST', '/v1/join', { body: { code: i % 2 ? 'AAAAA2' : '0', name: 'A' } });
    const limited = await refused('RATE_LIMITED', 'POST', '/v1/join', { body: { code: 'K7Q4MX', name: 'A' } });
    assert.equal(limited.json.retry_ms, 60_000);
    assert.equal((await call('GET', `/v1/hunts/${hunt}`, { token: player })).status, 200);
    world.now += 60_001;
    assert.equal((await call('POST', '/v1/join', { body: { code: 'K7Q4MX', name: 'A' } })).status, 201);
  });

  it('takes actions and answers as on the socket', async () => {
    const at = `/v1/hunts/${hunt}/actions`;
    const ack = await call('POST', at, { token: player, body: { seq: 1, action: { type: 'join', name: 'Anna' } } });
    assert.deepEqual(
      [ack.status, ack.json],
      [
        200,
        {
          ack: {
            seq: 1,
            hunt,
            version: 9,
            events: 1,
            result: { total: 0, points: 0, player: 'anna', name: 'Anna', rejoined: false },
          },
        },
      ],
    );
    assert.equal(world.submitted[0]?.playerId, 'anna');
    const nack = await refused('WRONG_CODE', 'POST', at, {
      token: designer,
      body: { player: 'ben', seq: 2, action: { type: 'scan', code: 'X' } },
    });
    assert.deepEqual(nack.json.nack, {
      seq: 2,
      hunt,
      code: 'WRONG_CODE',
      message: 'that code fits nothing',
      retryable: false,
    });
    await refused('FORBIDDEN', 'POST', at, {
      token: player,
      body: { player: 'ben', seq: 2, action: { type: 'join' } },
    });
    for (const body of [
      { seq: 1, action: { type: 'join' } },
      { player: 'a b', seq: 1, action: { type: 'join' } },
      { player: 'a', action: { type: 'join' } },
      { player: 'a', seq: 0, action: { type: 'join' } },
    ])
      await refused('INVALID', 'POST', at, { token: designer, body });
    for (const action of [
      undefined,
      null,
      {},
      'join',
      [{ type: 'join' }],
      { type: 'fly' },
      { type: 'toString' },
      { type: 'check_in', lat: '1', lon: 2, accuracy: 3 },
      { type: 'check_in', lat: 1 },
      { type: 'answer', clue: 'c', text: 7 },
      { type: 'answer', clue: 'c', text: 'x'.repeat(501) },
      { type: 'hint', clue: 'a b' },
    ]) {
      const answer = await refused('INVALID', 'POST', at, { token: designer, body: { player: 'a', seq: 3, action } });
      assert.equal((answer.json.nack as { seq: number }).seq, 3);
      assert.match((answer.json.errors as { path: string }[])[0]?.path ?? '', /^\/action\/[a-z]+$/);
    }
  });

  it('keeps an action under an Idempotency-Key only once it is answered for good', async () => {
    const submit = world.submit.bind(world);
    const at = `/v1/hunts/${hunt}/actions`;
    const options = {
      token: player,
      body: { seq: 1, action: { type: 'join' } },
      headers: { 'idempotency-key': 'k-a' },
    };
    world.submit = (huntId, playerId, seq, _request, done) =>
      done(nackReply({ huntId, playerId, seq }, 'BUSY', 'the slot is moving', 40));
    const busy = await refused('BUSY', 'POST', at, options);
    assert.deepEqual([busy.json.retry_ms, busy.headers.get('retry-after')], [40, '1']);
    world.submit = submit;
    const done = await call('POST', at, options);
    assert.deepEqual([done.status, done.headers.get('idempotency-replayed')], [200, null]);
    const again = await call('POST', at, options);
    assert.deepEqual([again.text, again.headers.get('idempotency-replayed')], [done.text, 'true']);
    assert.equal(world.submitted.length, 1);
  });

  it('bounds the acts of a player, not those of a designer', async () => {
    const at = `/v1/hunts/${hunt}/actions`;
    const acts = (token: string, count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, i) =>
          call('POST', at, { token, body: { player: 'anna', seq: i + 1, action: { type: 'join' } } }),
        ),
      );
    const codes = (await acts(player, 32)).map(({ json }) => json.code ?? 'ack');
    assert.deepEqual(
      [codes.filter((code) => code === 'ack').length, codes.filter((code) => code === 'RATE_LIMITED').length],
      [30, 2],
    );
    const limited = await refused('RATE_LIMITED', 'POST', at, {
      token: player,
      body: { seq: 40, action: { type: 'join' } },
    });
    // The time until the whole burst is back.
    assert.equal((limited.json.nack as { retry_ms: number }).retry_ms, 3_000);
    world.now += 100;
    assert.deepEqual(
      (await acts(player, 2)).map(({ status }) => status),
      [200, 429],
    );
    assert.equal(world.ports().admitAct('anna'), 3_000, 'not the bucket that the sockets share');
    assert.ok((await acts(designer, 40)).every(({ status }) => status === 200));
  });

  it('closes connections that send too slowly', () => {
    const { headersTimeout, requestTimeout } = app.server;
    assert.ok(headersTimeout > 0 && headersTimeout <= 10_000 && requestTimeout > 0 && requestTimeout <= 30_000);
  });

  it('tells unknown paths from unknown methods', async () => {
    for (const path of ['/v1', '/v1/nothing', '/v2/hunts', '/.env', `/v1/${'x'.repeat(4000)}`, '/v1/cluster/nothing'])
      await refused('NOT_FOUND', 'GET', path);
    assert.equal(
      (await refused('METHOD_NOT_ALLOWED', 'DELETE', `/v1/hunts/${hunt}`)).headers.get('allow'),
      'GET, HEAD',
    );
    assert.equal((await refused('METHOD_NOT_ALLOWED', 'GET', `/v1/hunts/${hunt}/pause`)).headers.get('allow'), 'POST');
    await refused('METHOD_NOT_ALLOWED', 'PUT', '/v1/hunts', { body: {} });
    await refused('METHOD_NOT_ALLOWED', 'OPTIONS', '/v1/hunts');
    await refused('INVALID', 'GET', '/v1/hunts/%zz');
    await refused('INVALID', 'GET', '/v1/socket');
    await refused('UNSUPPORTED_MEDIA', 'POST', `/v1/hunts/${hunt}/pause`, {
      token: designer,
      body: '{}',
      type: 'text/plain',
    });
    await refused('UNSUPPORTED_MEDIA', 'POST', `/v1/hunts/${hunt}/pause`, { token: designer, body: '{}', type: '' });
  });

  it('answers CORS for the listed origins alone', async () => {
    const preflight = (origin: string) =>
      call('OPTIONS', '/v1/hunts', {
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
      });
    const allowed = await preflight('https://play.example');
    assert.deepEqual(
      [allowed.status, allowed.headers.get('access-control-allow-origin')],
      [204, 'https://play.example'],
    );
    assert.equal((await preflight('https://evil.example')).headers.get('access-control-allow-origin'), null);
    const refusedToo = await call('GET', `/v1/hunts/${hunt}`, { headers: { origin: 'https://play.example' } });
    assert.equal(refusedToo.headers.get('access-control-allow-origin'), 'https://play.example', 'also on errors');
  });

  it('serves cluster, health, readiness, metrics and the OpenAPI document', async () => {
    await refused('UNAUTHENTICATED', 'GET', '/v1/cluster');
    await refused('FORBIDDEN', 'GET', '/v1/cluster', { token: designer });
    assert.equal(((await call('GET', '/v1/cluster', { token: operator })).json.owners as string[]).length, 256);
    assert.deepEqual((await call('GET', '/healthz')).json, { status: 'ok' });
    assert.deepEqual((await call('GET', '/readyz')).json, { status: 'ok', checks: [{ name: 'log', ok: true }] });
    world.checks = [{ name: 'log', ok: false, detail: 'no answer' }];
    const unready = await call('GET', '/readyz');
    assert.deepEqual([unready.status, unready.json.checks], [503, world.checks]);
    assert.match((await call('GET', '/metrics')).headers.get('content-type') ?? '', /^text\/plain/);
    const { json } = await call('GET', '/openapi.json');
    assert.equal(json.openapi, '3.1.0');
    const paths = json.paths as Record<
      string,
      Record<string, { requestBody?: object; responses: Record<string, unknown> }>
    >;
    assert.ok(paths['/v1/hunts/{id}/adjust']?.post?.requestBody);
    assert.ok(paths['/v1/hunts']?.post?.requestBody);
    assert.ok(paths['/v1/join']?.post?.responses.default);
  });

  it('hides what failed inside behind INTERNAL, and writes it down', async () => {
    const call0 = world.call.bind(world);
    world.call = async () => {
      throw new TypeError('secret thing at /home/x.ts:1:2');
    };
    const answer = await refused('INTERNAL', 'GET', `/v1/hunts/777`, { token: designer });
    assert.doesNotMatch(answer.text, /secret|TypeError/);
    assert.equal(world.faults.length, 1);
    assert.match(String(answer.json.instance), new RegExp((world.faults[0] as { instance: string }).instance));
    world.faults.length = 0;
    world.call = call0;
  });

  it('answers noise with a problem and closes', async () => {
    const { port } = app.server.address() as { port: number };
    for (const noise of [
      'hello\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(100_000)}\r\n\r\n`,
    ]) {
      const received = await new Promise<string>((resolve) => {
        let text = '';
        const socket = connect(port, '127.0.0.1', () => socket.write(noise));
        socket.on('data', (chunk) => {
          text += chunk.toString();
        });
        socket.on('error', () => undefined);
        socket.on('close', () => resolve(text));
      });
      assert.match(received, /^HTTP\/1\.1 4\d\d .*application\/problem\+json/s, noise.slice(0, 40));
    }
  });
});
