import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  Client,
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { errorCatalogue, isErrorCode } from '../../proto/error-code.ts';
import { joinCodeNumber } from '../../proto/ids.ts';
import { operationsOf } from '../admin/operations/operations.ts';
import { Problem } from '../admin/problem.ts';
import { ScriptedWorld } from '../admin/scripted-world.ts';
import { addressOf, buildIngest } from './ingest.ts';
import { streamRequestsMax } from './submit-stream.ts';

const hunt = 1_234_567;
let root = dirname(fileURLToPath(import.meta.url));
while (!existsSync(join(root, 'package.json'))) root = dirname(root);

/** A client that knows the contract's proto files and nothing of our code. */
const loaded = loadPackageDefinition(
  loadSync(['hunt/v1/ingest.proto', 'hunt/v1/admin.proto'], {
    includeDirs: [join(root, 'proto')],
    keepCase: true,
    longs: Number,
    enums: String,
    oneofs: true,
    defaults: false,
  }),
) as unknown as { hunt: { v1: Record<'HuntState' | 'Admin', new (address: string, credentials: object) => Client> } };

type Json = Record<string, unknown>;
type Method = (request: object, metadata: Metadata, done: (error: ServiceError | null, reply: Json) => void) => void;
interface Reply {
  hunt_id: number;
  player_id: string;
  seq: number;
  ack?: Json;
  nack?: { code: string; message: string };
}
type Stream = ClientDuplexStream<{ requests: object[] }, { replies: Reply[] }>;

describe('the gRPC interface', () => {
  let world: ScriptedWorld;
  let server: Server;
  let address: string;
  let clients: Client[];
  let designer: string;
  let player: string;

  beforeEach(async () => {
    world = new ScriptedWorld();
    world.addHunt(hunt);
    server = buildIngest(operationsOf(world.ports()));
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    address = `127.0.0.1:${port}`;
    clients = [];
    designer = await world.token('designer', 'dora');
    player = await world.token('player', 'anna', hunt);
  });
  afterEach(() => {
    for (const client of clients) client.close();
    server.forceShutdown();
    assert.deepEqual(world.faults, [], 'a call failed inside');
  });

  const metadata = (token?: string): Metadata => {
    const all = new Metadata();
    if (token !== undefined) all.set('authorization', `Bearer ${token}`);
    return all;
  };
  function client(service: 'HuntState' | 'Admin'): Client & Record<string, unknown> {
    const made = new loaded.hunt.v1[service](address, credentials.createInsecure());
    clients.push(made);
    return made as Client & Record<string, unknown>;
  }
  function call(service: 'HuntState' | 'Admin', method: string, request: object, token?: string): Promise<Json> {
    const one = client(service);
    return new Promise((resolve, reject) =>
      (one[method] as Method).call(one, request, metadata(token), (error, reply) =>
        error ? reject(error) : resolve(reply),
      ),
    );
  }
  async function refused(code: string, attempt: Promise<unknown>): Promise<ServiceError> {
    const error = await attempt.then(
      () => assert.fail(`done, where ${code} was due`),
      (one: ServiceError) => one,
    );
    assert.equal(error.metadata?.get('hunt-code')[0], code, `${error.code} ${error.details}`);
    assert.ok(isErrorCode(code));
    assert.equal(error.code, status[errorCatalogue[code].grpc]);
    assert.equal(error.metadata.get('hunt-retryable')[0], String(errorCatalogue[code].retryable));
    assert.ok(error.details.length >= 8);
    return error;
  }
  function raw(path: string, bytes: Buffer, token?: string): Promise<Buffer> {
    const one = new Client(address, credentials.createInsecure());
    clients.push(one);
    const same = (value: Buffer) => value;
    return new Promise((resolve, reject) =>
      one.makeUnaryRequest(path, same, same, bytes, metadata(token), (error, reply) =>
        error ? reject(error) : resolve(reply ?? Buffer.alloc(0)),
      ),
    );
  }
  const request = (seq: number, more: object = {}) => ({
    hunt_id: hunt,
    player_id: 'anna',
    seq,
    action: { join: { name: 'Anna' } },
    ...more,
  });

  function open(token?: string): Stream {
    const one = client('HuntState');
    return (one.SubmitStream as (metadata: Metadata) => Stream).call(one, metadata(token));
  }
  /** Sends batches and ends; resolves with all replies and the status. */
  function exchange(
    stream: Stream,
    batches: object[][],
  ): Promise<{ replies: Reply[]; batches: number; error: ServiceError | undefined }> {
    const replies: Reply[] = [];
    let count = 0;
    let error: ServiceError | undefined;
    return new Promise((resolve) => {
      stream.on('data', (batch: { replies: Reply[] }) => {
        count++;
        replies.push(...batch.replies);
      });
      stream.on('error', (one: ServiceError) => {
        error = one;
      });
      stream.on('status', () => setImmediate(() => resolve({ replies, batches: count, error })));
      for (const requests of batches) stream.write({ requests });
      stream.end();
    });
  }

  describe('Submit', () => {
    it('passes the bytes on and the reply back', async () => {
      const reply = await call('HuntState', 'Submit', request(1), player);
      assert.deepEqual([reply.hunt_id, reply.player_id, reply.seq, (reply.ack as Json).version], [hunt, 'anna', 1, 9]);
      assert.deepEqual(world.submitted[0]?.action?.action, { $case: 'join', value: { name: 'Anna' } });
    });

    it('lets designers submit for anyone in their hunts, and players for themselves', async () => {
      assert.ok((await call('HuntState', 'Submit', request(1, { player_id: 'ben' }), designer)).ack);
      await refused('FORBIDDEN', call('HuntState', 'Submit', request(1, { player_id: 'ben' }), player));
      await refused('FORBIDDEN', call('HuntState', 'Submit', request(1, { hunt_id: hunt + 1 }), player));
      await refused('FORBIDDEN', call('HuntState', 'Submit', request(1), await world.token('designer', 'sven')));
      await refused('UNAUTHENTICATED', call('HuntState', 'Submit', request(1)));
      await refused('UNAUTHENTICATED', call('HuntState', 'Submit', request(1), 'x.y.z'));
    });

    it('nacks what is refused by rule or by its values', async () => {
      const nack = async (of: object, token = designer) =>
        ((await call('HuntState', 'Submit', of, token)) as unknown as Reply).nack?.code;
      assert.equal(await nack(request(1, { action: { scan: { code: 'X' } } })), 'WRONG_CODE');
      assert.equal(await nack(request(1, { hunt_id: 257 })), 'HUNT_NOT_FOUND');
      assert.equal(await nack(request(1, { hunt_id: 0 })), 'INVALID');
      assert.equal(await nack(request(0)), 'INVALID');
      for (const id of ['a b', '@system', '', 'x'.repeat(65), 'é'])
        assert.equal(await nack(request(1, { player_id: id })), 'INVALID');
      assert.equal(await nack(request(1, { action: { scan: { code: 'x'.repeat(17_000) } } })), 'INVALID');
      world.instead.set('access', [{ ok: false, code: 'UNAVAILABLE', message: 'no owner answered' }]);
      world.addHunt(99);
      assert.equal(await nack(request(1, { hunt_id: 99 })), 'BUSY');
    });

    it('nacks numbers above 2^53 and gives them back unchanged', async () => {
      const bytes = Buffer.from('08ffffffffffffffffff01120161188180808080808010'.replace(/\s/g, ''), 'hex');
      const reply = await raw('/hunt.v1.HuntState/Submit', bytes, designer);
      assert.ok(
        reply.includes(Buffer.from('08ffffffffffffffffff01', 'hex')) &&
          reply.includes(Buffer.from('188180808080808010', 'hex')),
      );
      assert.ok(reply.includes('INVALID'));
    });

    it('answers bytes that are no message with INVALID', async () => {
      for (const bytes of [
        Buffer.from([0xff, 0xff, 0xff]),
        Buffer.alloc(64, 0x0a),
        Buffer.from([0x08]),
        Buffer.alloc(1000, 0x80),
        Buffer.from('22ffffffff0f', 'hex'),
        Buffer.from([0x0f]),
      ]) {
        await refused('INVALID', raw('/hunt.v1.HuntState/Submit', bytes, designer));
        await refused('INVALID', raw('/hunt.v1.Admin/SteerHunt', bytes, designer));
      }
      await assert.rejects(raw('/hunt.v1.HuntState/Submit', Buffer.alloc(5 * 1024 * 1024), designer), {
        code: status.RESOURCE_EXHAUSTED,
      });
      await assert.rejects(raw('/hunt.v1.HuntState/Explode', Buffer.alloc(0), designer), {
        code: status.UNIMPLEMENTED,
      });
    });
  });

  describe('SubmitStream', () => {
    it('answers every request once, merged', async () => {
      const batches = Array.from({ length: 5 }, (_, b) =>
        Array.from({ length: 1000 }, (_, i) => request(b * 1000 + i + 1)),
      );
      const { replies, batches: count, error } = await exchange(open(designer), batches);
      assert.equal(error, undefined);
      assert.deepEqual(
        replies.map(({ seq }) => seq).sort((a, b) => a - b),
        Array.from({ length: 5000 }, (_, i) => i + 1),
      );
      assert.ok(count < 500, `${count} batches for 5,000 replies`);
      assert.deepEqual(
        world.submitted.map(({ seq }) => seq),
        Array.from({ length: 5000 }, (_, i) => i + 1),
        'in the order of the requests',
      );
    });

    it('nacks each bad request and goes on', async () => {
      const bad = [
        request(1, { player_id: 'a b' }),
        request(2, { hunt_id: 257 }),
        request(3),
        request(4, { action: { scan: { code: 'X' } } }),
      ];
      const { replies, error } = await exchange(open(designer), [bad]);
      assert.equal(error, undefined);
      const codes = Object.fromEntries(replies.map(({ seq, nack }) => [seq, nack?.code ?? 'ack']));
      assert.deepEqual(codes, { 1: 'INVALID', 2: 'HUNT_NOT_FOUND', 3: 'ack', 4: 'WRONG_CODE' });
      const own = await exchange(open(player), [
        [request(1, { player_id: 'ben' }), request(2), request(3, { hunt_id: 5 })],
      ]);
      assert.deepEqual(Object.fromEntries(own.replies.map(({ seq, nack }) => [seq, nack?.code ?? 'ack'])), {
        1: 'FORBIDDEN',
        2: 'ack',
        3: 'FORBIDDEN',
      });
      const stranger = await exchange(open(await world.token('designer', 'sven')), [[request(1)], [request(2)]]);
      assert.deepEqual(
        stranger.replies.map(({ nack }) => nack?.code),
        ['FORBIDDEN', 'FORBIDDEN'],
      );
    });

    it('ends with INVALID for a batch of none, of too many, or of damage, after answering what came before', async () => {
      for (const requests of [[], Array.from({ length: 1001 }, (_, i) => request(i + 10))]) {
        const { replies, error } = await exchange(open(designer), [[request(1)], requests]);
        assert.deepEqual(
          replies.map(({ seq }) => seq),
          [1],
        );
        assert.equal(error?.code, status.INVALID_ARGUMENT);
        assert.equal(error?.metadata.get('hunt-code')[0], 'INVALID');
      }
      assert.equal(world.submitted.length, 2, 'nothing of a refused batch was submitted');
    });

    it('needs a token, and ends when it has expired', async () => {
      const none = await exchange(open(), [[request(1)]]);
      assert.equal(none.error?.metadata.get('hunt-code')[0], 'UNAUTHENTICATED');
      const stream = open(designer);
      const first = new Promise((resolve) => stream.once('data', resolve));
      stream.write({ requests: [request(1)] });
      await first;
      world.now += 3_600_000 + 31_000;
      const late = await exchange(stream, [[request(2)]]);
      assert.equal(late.error?.metadata.get('hunt-code')[0], 'UNAUTHENTICATED');
      assert.equal(world.submitted.length, 1);
    });

    it('reads no further while too many are unanswered, and then goes on', async () => {
      let letGo = (): void => {};
      world.gate = new Promise((resolve) => {
        letGo = resolve;
      });
      const total = streamRequestsMax + 8000;
      const batches = Array.from({ length: total / 1000 + 1 }, (_, b) =>
        Array.from({ length: 1000 }, (_, i) => request(b * 1000 + i + 1)),
      );
      const all = exchange(open(designer), batches);
      const deadline = Date.now() + 10_000;
      while (world.submitted.length < streamRequestsMax) {
        assert.ok(Date.now() < deadline, `waited for ${streamRequestsMax} submissions, saw ${world.submitted.length}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
      assert.ok(world.submitted.length < streamRequestsMax + 2000, `${world.submitted.length} were read`);
      letGo();
      assert.equal((await all).replies.length, batches.length * 1000);
    });
  });

  describe('Admin', () => {
    it('does what HTTP does', async () => {
      const made = await call('Admin', 'CreateHunt', { definition: '{"title":"T"}', idempotency_key: 'k' }, designer);
      assert.equal(made.status, 'draft');
      assert.deepEqual(
        await call('Admin', 'CreateHunt', { definition: '{"title":"T"}', idempotency_key: 'k' }, designer),
        made,
      );
      await refused(
        'SEQ_CONFLICT',
        call('Admin', 'CreateHunt', { definition: '{"title":"U"}', idempotency_key: 'k' }, designer),
      );
      await refused('INVALID', call('Admin', 'CreateHunt', { definition: '{}' }, designer));
      await refused('FORBIDDEN', call('Admin', 'CreateHunt', { definition: '{}' }, player));
      const id = made.hunt_id as number;
      const shown = await call('Admin', 'GetHunt', { hunt_id: id }, designer);
      assert.deepEqual(
        [(shown.hunt as Json).title, (shown.hunt as Json).owner, shown.slot ?? 0],
        ['T', 'dora', id % 256],
      );
      assert.match(String((await call('Admin', 'GetHunt', { hunt_id: hunt }, player)).state_json), /"me":/);
      await refused('HUNT_NOT_FOUND', call('Admin', 'GetHunt', { hunt_id: 257 }, designer));
      await refused('INVALID', call('Admin', 'GetHunt', {}, designer));
      const page = await call('Admin', 'ListEvents', { hunt_id: hunt, from: 1, limit: 1 }, designer);
      assert.deepEqual([(page.events as Json[])[0]?.version, page.next, page.head], [2, 2, 3]);
      assert.equal(
        ((await call('Admin', 'GetScoreboard', { hunt_id: hunt }, player)).entries as Json[])[0]?.player,
        'anna',
      );
      assert.equal((await call('Admin', 'CreatePlayer', { hunt_id: hunt, player: 'ben' }, designer)).player_id, 'ben');
      world.codes.set(joinCodeNumber('K7Q4MX'), hunt);
      assert.equal((await call('Admin', 'Join', { code: 'k7q4mx', name: 'Anna' })).hunt_id, hunt);
      await refused('INVALID', call('Admin', 'Join', { code: 'k7q4mx' }));
      const operator = await world.token('operator', 'otto');
      assert.equal(((await call('Admin', 'GetCluster', {}, operator)).owners as string[]).length, 256);
      await refused('FORBIDDEN', call('Admin', 'GetCluster', {}, designer));
    });

    it('changes the cluster, for operators', async () => {
      const operator = await world.token('operator', 'otto');
      const cluster = (method: string, request: object) => call('Admin', method, request, operator);
      const plan = await cluster('PlanCluster', { weights: { n1: 2 }, pins: { 17: 'n1' }, unpin: [3], remove: ['n9'] });
      assert.deepEqual(world.cluster.asked.at(-1)?.wish, {
        weights: { n1: 2 },
        pins: { 17: 'n1' },
        unpin: [3],
        remove: ['n9'],
        reason: '',
        pinsForS: 0,
      });
      assert.deepEqual([plan.plan_id, (plan.moves as Json[])[0]?.stall_ms], ['3.abc', 30.5]);
      assert.equal((await cluster('ApplyCluster', { plan_id: '3.abc' })).state, 'canary');
      assert.deepEqual(world.cluster.asked.at(-1), {
        what: 'apply',
        wish: { planId: '3.abc', movesPerS: 8, canaryS: 2 },
        by: 'otto',
      });
      assert.equal((await cluster('GetOperation', { id: 'op-4' })).moves_total, 1);
      assert.equal((await cluster('RollBack', { id: 'op-4' })).state, 'running');
      assert.equal((await cluster('DrainNode', { node: 'n1', stay: true })).node, 'n1');
      assert.deepEqual(world.cluster.asked.at(-1)?.wish, { node: 'n1', deadlineS: 120, after: 'stay' });
      const { frozen } = await cluster('FreezeCluster', { reason: 'night', expires_s: 60 });
      assert.deepEqual(frozen, { reason: 'night', by: 'otto', until: 1_000 });
      assert.equal((await cluster('UnfreezeCluster', {})).frozen, undefined);
      assert.equal(((await cluster('GetCluster', {})).operations as Json[])[0]?.id, 'op-3');
      await refused('INVALID', cluster('PlanCluster', { weights: { n1: 101 } }));
      await refused('INVALID', cluster('FreezeCluster', { expires_s: 60 }));
      await refused('NOT_FOUND', cluster('GetOperation', { id: 'op-9' }));
      world.cluster.refusal = new Problem('VIEW_CHANGED', 'plan again');
      await refused('VIEW_CHANGED', cluster('ApplyCluster', { plan_id: '2.abc' }));
      for (const method of ['PlanCluster', 'ApplyCluster', 'DrainNode', 'RollBack', 'FreezeCluster', 'UnfreezeCluster'])
        await refused('FORBIDDEN', call('Admin', method, {}, designer));
    });

    it('steers', async () => {
      const steer = (more: object) => call('Admin', 'SteerHunt', { hunt_id: hunt, ...more }, designer);
      assert.deepEqual(await steer({ verb: 'open' }), { hunt_id: hunt, version: 4, status: 'open' });
      await steer({ verb: 'extend', closes_at: Date.UTC(2026, 5, 6, 20) });
      assert.equal(world.calls.at(-1)?.body.closes, Date.UTC(2026, 5, 6, 20));
      assert.equal((await steer({ verb: 'adjust', player: 'anna', points: -5, reason: 'late' })).total, 7);
      assert.deepEqual(world.calls.at(-1)?.body, { player: 'anna', points: -5, reason: 'late', by: 'dora' });
      for (const bad of [
        { verb: 'explode' },
        { verb: 'toString' },
        { verb: 'adjust', player: 'anna', points: 1 },
        { verb: 'void', reason: 'r' },
        { verb: 'announce' },
        { verb: 'extend', closes_at: 8.64e15 + 1 },
      ])
        await refused('INVALID', steer(bad));
    });
  });

  it('serves grpc.health.v1.Health', async () => {
    const named = (name: string) => Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)]);
    assert.deepEqual([...(await raw('/grpc.health.v1.Health/Check', Buffer.alloc(0)))], [8, 1]);
    assert.deepEqual([...(await raw('/grpc.health.v1.Health/Check', named('hunt.v1.HuntState')))], [8, 1]);
    world.checks = [{ name: 'log', ok: false }];
    assert.deepEqual([...(await raw('/grpc.health.v1.Health/Check', Buffer.alloc(0)))], [8, 2]);
    await refused('NOT_FOUND', raw('/grpc.health.v1.Health/Check', named('nothing')));
    await refused('INVALID', raw('/grpc.health.v1.Health/Check', Buffer.from([1, 2, 3])));
  });

  it('takes the port off an address', () => {
    assert.deepEqual([addressOf('127.0.0.1:80'), addressOf('[::1]:80')], ['127.0.0.1', '::1']);
  });
});
