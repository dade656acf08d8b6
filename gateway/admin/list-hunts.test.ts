import assert from 'node:assert/strict';
import { Client, credentials, Metadata, type Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import type { FastifyInstance } from 'fastify';
import { ListHuntsReply, ListHuntsRequest } from '../../proto/generated/hunt/v1/admin.ts';
import { buildIngest } from '../ingest/ingest.ts';
import { buildAdmin } from './admin.ts';
import { type Operations, operationsOf } from './operations/operations.ts';
import type { HuntCatalog, HuntListOutcome, HuntListQuery, HuntListRow } from './ports.ts';
import { ScriptedWorld } from './scripted-world.ts';

const row: HuntListRow = {
  hunt_id: 1_234_567,
  title: 'Old Town',
  status: 'open',
  join_code: 'K7Q4MX',
  opens_at: 1_780_000_000_000,
  players: 70,
  version: 812,
  owner: 'dora',
};

/** Remembers what it was asked, and answers what it was told. */
class ScriptedCatalog implements HuntCatalog {
  readonly asked: HuntListQuery[] = [];
  outcome: HuntListOutcome = { kind: 'page', hunts: [row], next: 'more' };
  async listHunts(query: HuntListQuery): Promise<HuntListOutcome> {
    this.asked.push(query);
    return this.outcome;
  }
}

describe('the list of hunts', () => {
  let world: ScriptedWorld;
  let catalog: ScriptedCatalog;
  let ops: Operations;
  let app: FastifyInstance;
  let server: Server;
  let client: Client;

  async function serve(given: HuntCatalog | undefined): Promise<void> {
    world = new ScriptedWorld();
    world.catalog = given;
    ops = operationsOf(world.ports());
    app = await buildAdmin(ops);
    server = buildIngest(ops);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  }
  beforeEach(() => {
    catalog = new ScriptedCatalog();
    return serve(catalog);
  });
  afterEach(async () => {
    client.close();
    server.forceShutdown();
    await app.close();
    assert.deepEqual(world.faults, [], 'a request failed inside');
  });

  const http = async (query: string, role: 'designer' | 'operator' | 'player' = 'designer') => {
    const sub = { designer: 'dora', operator: 'otto', player: 'anna' }[role];
    const token = await world.token(role, sub, role === 'player' ? '*' : undefined);
    const answer = await app.inject({ url: `/v1/hunts${query}`, headers: { authorization: `Bearer ${token}` } });
    return { status: answer.statusCode, headers: answer.headers, body: answer.json() as Record<string, unknown> };
  };
  const grpc = async (request: Partial<ListHuntsRequest>, role: 'designer' | 'operator' = 'designer') => {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${await world.token(role, role === 'designer' ? 'dora' : 'otto')}`);
    return await new Promise<ListHuntsReply>((resolve, reject) =>
      client.makeUnaryRequest(
        '/hunt.v1.Admin/ListHunts',
        (asked: ListHuntsRequest) => Buffer.from(ListHuntsRequest.encode(asked).finish()),
        ListHuntsReply.decode,
        { status: '', q: '', limit: 0, cursor: '', ...request },
        metadata,
        (error, reply) => (error !== null || reply === undefined ? reject(error) : resolve(reply)),
      ),
    );
  };

  it("shows designers their own hunts, and operators everybody's", async () => {
    assert.deepEqual((await http('')).body, { hunts: [row], next: 'more' });
    await http('', 'operator');
    await grpc({});
    await grpc({}, 'operator');
    assert.deepEqual(catalog.asked, [
      { limit: 100, owner: 'dora' },
      { limit: 100 },
      { limit: 100, owner: 'dora' },
      { limit: 100 },
    ]);
  });

  it('is for nobody else', async () => {
    assert.equal((await http('', 'player')).body.code, 'FORBIDDEN');
    assert.equal((await app.inject({ url: '/v1/hunts' })).statusCode, 401);
    assert.deepEqual(catalog.asked, []);
  });

  it('is asked by status, text and cursor, over HTTP and gRPC alike', async () => {
    await http('?status=open&q=old%20t&limit=7&cursor=more');
    const reply = await grpc({ status: 'open', q: 'old t', limit: 7, cursor: 'more' });
    const query = { limit: 7, owner: 'dora', status: 'open', q: 'old t', cursor: 'more' };
    assert.deepEqual(catalog.asked, [query, query]);
    assert.equal(reply.next, 'more');
    assert.deepEqual(reply.hunts, [
      {
        huntId: row.hunt_id,
        title: row.title,
        status: row.status,
        joinCode: row.join_code,
        opensAt: row.opens_at,
        closesAt: 0,
        players: row.players,
        version: row.version,
        owner: row.owner,
      },
    ]);
  });

  it('takes what a form left empty for absent', async () => {
    await http('?status=&q=&cursor=');
    assert.deepEqual(catalog.asked, [{ limit: 100, owner: 'dora' }]);
  });

  it('ends with the page that has no next', async () => {
    catalog.outcome = { kind: 'page', hunts: [], next: undefined };
    assert.deepEqual((await http('')).body, { hunts: [], next: null });
    assert.equal((await grpc({})).next, '');
  });

  it('refuses what it does not understand, and names it', async () => {
    for (const [query, field] of [
      ['?status=lost', 'status'],
      ['?limit=0', 'limit'],
      ['?limit=1001', 'limit'],
      ['?limit=ten', 'limit'],
      [`?q=${'x'.repeat(121)}`, 'q'],
      ['?q=a%00b', 'q'],
      [`?cursor=${'x'.repeat(65)}`, 'cursor'],
    ] as const) {
      const { status, body } = await http(query);
      assert.equal(status, 400, query);
      assert.equal(body.code, 'INVALID');
      assert.deepEqual(
        (body.errors as { path: string }[]).map(({ path }) => path),
        [`/${field}`],
      );
    }
    await assert.rejects(grpc({ status: 'lost' }), /status must be one of draft, scheduled, open, paused, closed/);
    await assert.rejects(grpc({ limit: 1_001 }), /limit must be a whole number from 1 to 1000/);
    assert.deepEqual(catalog.asked, []);
  });

  it('refuses a cursor that the catalog never gave', async () => {
    catalog.outcome = { kind: 'bad_cursor' };
    const { body } = await http('?cursor=mine');
    assert.equal(body.code, 'INVALID');
    assert.deepEqual((body.errors as object[]).length, 1);
    await assert.rejects(grpc({ cursor: 'mine' }), /cursor must be the next of an earlier page/);
  });

  it('says that it is not to be had while PostgreSQL does not answer, or was never given', async () => {
    catalog.outcome = { kind: 'unavailable', message: 'PostgreSQL does not answer' };
    const down = await http('');
    assert.equal(down.status, 503);
    assert.equal(down.body.code, 'UNAVAILABLE');
    assert.equal(down.body.retryable, true);
    assert.equal(down.headers['retry-after'], '2');
    assert.match(String(down.body.detail), /PostgreSQL does not answer: ask again in a moment/);
    await app.close();
    server.forceShutdown();
    client.close();

    await serve(undefined);
    const none = await http('', 'operator');
    assert.equal(none.status, 503);
    assert.match(String(none.body.detail), /was given none: set HUNT_PG_URL/);
    const refused = await grpc({}).catch((error: ServiceError) => error);
    assert.equal((refused as ServiceError).metadata.get('hunt-code')[0], 'UNAVAILABLE');
  });

  it('is in the OpenAPI document', async () => {
    const document = (await app.inject({ url: '/openapi.json' })).json() as {
      paths: Record<string, { get: { parameters: { name: string; schema: Record<string, unknown> }[] } }>;
    };
    const parameters = document.paths['/v1/hunts']?.get.parameters ?? [];
    assert.deepEqual(parameters.map(({ name }) => name).sort(), ['cursor', 'limit', 'q', 'status']);
    assert.deepEqual(parameters.find(({ name }) => name === 'status')?.schema.enum, [
      'draft',
      'scheduled',
      'open',
      'paused',
      'closed',
    ]);
  });
});
