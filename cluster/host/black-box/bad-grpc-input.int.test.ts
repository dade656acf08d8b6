import assert from 'node:assert/strict';
import { BareGrpc, type GrpcFailure, type SubmitReply } from './bare-grpc.ts';
import { Bystander } from './bystander.ts';
import { catalogue, refusalFaults } from './catalogue.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { within } from './deadline.ts';
import { meadow } from './definitions.ts';
import { freshPlayer, sharedCluster } from './shared-cluster.ts';
import { badTokens } from './token.ts';

const status = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAUTHENTICATED: 16,
} as const;

describe('bad input over gRPC', function () {
  this.timeout(60_000);
  let cluster: ClusterProcess;
  let designer: BareGrpc;
  let hunt: number;
  let bystander: Bystander;
  let restarts = 0;
  const clients: BareGrpc[] = [];
  const as = (token: string | undefined): BareGrpc => {
    const client = new BareGrpc(cluster.grpc, token);
    clients.push(client);
    return client;
  };

  before(async () => {
    cluster = await sharedCluster();
    hunt = (await cluster.createHunt(meadow(2))).hunt_id;
    designer = as(cluster.tokens.designer);
    restarts = cluster.restarts();
    bystander = await Bystander.start(cluster);
  });
  after(async () => {
    for (const client of clients) client.close();
    await bystander?.unharmed();
    assert.equal(cluster.restarts(), restarts, 'bad input ended a process');
  });

  function judgedStatus(what: string, failure: GrpcFailure, code: string): void {
    assert.equal(
      failure.metadata.get('hunt-code')[0],
      code,
      `${what}: trailer hunt-code (${failure.code} ${failure.details})`,
    );
    const name = catalogue.get(code)?.grpc as keyof typeof status;
    assert.equal(failure.code, status[name], `${what}: ${failure.details}`);
    assert.deepEqual(refusalFaults({ code, message: failure.details }), [], what);
    assert.equal(
      failure.metadata.get('hunt-retryable')[0],
      String(catalogue.get(code)?.retryable),
      `${what}: trailer hunt-retryable`,
    );
  }

  /** Sends batches over one stream and collects the replies by seq. */
  async function stream(
    client: BareGrpc,
    batches: { requests: object[] }[],
    replies: number,
  ): Promise<Map<number, SubmitReply>> {
    const call = client.submitStream();
    const got = new Map<number, SubmitReply>();
    const done = new Promise<void>((resolve, reject) => {
      call.on('data', (batch: { replies: SubmitReply[] }) => {
        for (const reply of batch.replies) got.set(reply.seq ?? 0, reply);
        if (got.size >= replies) resolve();
      });
      call.on('error', reject);
    });
    for (const batch of batches) call.write(batch);
    await within(`${replies} replies`, 10_000, done).finally(() => call.end());
    return got;
  }

  it('submits one by one and in streams, and a resend is a duplicate', async () => {
    const player = freshPlayer('rpc');
    const reply = await designer.call<SubmitReply>('HuntState', 'Submit', {
      hunt_id: hunt,
      player_id: player,
      seq: 1,
      action: { join: { name: 'R' } },
    });
    assert.equal(reply.ack?.events, 1, JSON.stringify(reply));
    const requests = Array.from({ length: 10 }, (_, i) => ({
      hunt_id: hunt,
      player_id: player,
      seq: i + 2,
      action: { claim: { treasure: 't0' } },
    }));
    const got = await stream(designer, [{ requests }], 10);
    assert.deepEqual(
      [...got.values()].map((one) => one.ack === undefined),
      requests.map(() => false),
      JSON.stringify([...got.values()]),
    );
    const again = await stream(designer, [{ requests: requests.slice(0, 1) }], 1);
    assert.equal(again.get(2)?.ack?.duplicate, true);
    assert.equal(again.get(2)?.ack?.version, got.get(2)?.ack?.version);
  });

  it('nacks each bad request of a batch and goes on with the stream', async () => {
    const player = freshPlayer('rpc');
    const good = { hunt_id: hunt, player_id: player, action: { join: { name: 'R' } } };
    const bad: Readonly<Record<string, object>> = {
      'hunt 0': { ...good, hunt_id: 0 },
      'a player that is no id': { ...good, player_id: 'a b' },
      'the system as player': { ...good, player_id: '@system' },
      'no player': { ...good, player_id: '' },
      'no action': { ...good, action: undefined },
      'an empty action': { ...good, action: {} },
      'NaN as place': { ...good, action: { check_in: { lat: Number.NaN, lon: 0, accuracy: 1 } } },
      'infinity as place': {
        ...good,
        action: { claim: { treasure: 't0', lat: Number.POSITIVE_INFINITY, lon: 0, accuracy: 1 } },
      },
      'a place beyond the pole': { ...good, action: { check_in: { lat: 91, lon: 0, accuracy: 1 } } },
      'an empty answer': { ...good, action: { answer: { clue: 'q', text: '' } } },
      'a long code': { ...good, action: { scan: { code: 'x'.repeat(201) } } },
      'a treasure that is no id': { ...good, action: { claim: { treasure: 'a b' } } },
    };
    const requests = Object.values(bad).map((request, i) => ({ ...request, seq: 100 + i }));
    const got = await stream(designer, [{ requests }, { requests: [{ ...good, seq: 1 }] }], requests.length + 1);
    Object.keys(bad).forEach((what, i) => {
      const nack = got.get(100 + i)?.nack;
      assert.equal(nack?.code, 'INVALID', `${what}: ${JSON.stringify(got.get(100 + i))}`);
      assert.deepEqual(refusalFaults({ ...nack, retryable: nack?.retryable ?? false }), [], what);
    });
    assert.ok(got.get(1)?.ack, 'a good request behind the bad ones is acked');
    const unknown = await stream(designer, [{ requests: [{ ...good, hunt_id: 257, seq: 7 }] }], 1);
    assert.equal(unknown.get(7)?.nack?.code, 'HUNT_NOT_FOUND');
  });

  it('lets a player submit for itself alone', async () => {
    const player = freshPlayer('rpc');
    const client = as(cluster.playerToken(hunt, player));
    const request = (who: string, seq: number) => ({
      hunt_id: hunt,
      player_id: who,
      seq,
      action: { join: { name: 'R' } },
    });
    const got = await stream(client, [{ requests: [request('somebody', 1), request(player, 2)] }], 2);
    assert.equal(got.get(1)?.nack?.code, 'FORBIDDEN');
    assert.ok(got.get(2)?.ack);
    judgedStatus(
      'Submit for somebody else',
      await client.failure('HuntState', 'Submit', request('somebody', 3)),
      'FORBIDDEN',
    );
    judgedStatus('a player creates', await client.failure('Admin', 'CreateHunt', { definition: '{}' }), 'FORBIDDEN');
  });

  it('refuses bad tokens with UNAUTHENTICATED', async () => {
    for (const [what, token] of Object.entries(badTokens(cluster.tokenKey, { sub: 'mal', role: 'operator' }))) {
      if (token.length > 8_000) continue; // The transport refuses headers of that size by itself.
      judgedStatus(what, await as(token).failure('Admin', 'GetCluster', {}), 'UNAUTHENTICATED');
    }
    judgedStatus(
      'no token',
      await as(undefined).failure('HuntState', 'Submit', {
        hunt_id: hunt,
        player_id: 'p',
        seq: 1,
        action: { join: {} },
      }),
      'UNAUTHENTICATED',
    );
  });

  it('ends a stream whose batch has no or too many requests, with INVALID', async () => {
    const request = { hunt_id: hunt, player_id: 'p', seq: 1, action: { join: {} } };
    for (const requests of [[], Array.from({ length: 1_001 }, () => request)]) {
      const call = designer.submitStream();
      const failure = await within(
        `the end of a stream with ${requests.length} requests`,
        10_000,
        new Promise<GrpcFailure>((tell) => {
          call.on('error', tell);
          call.on('data', () => undefined);
          call.write({ requests });
        }),
      );
      judgedStatus(`${requests.length} requests`, failure, 'INVALID');
    }
  });

  it('survives bytes that are no message, messages of 5 MiB and methods that are none', async () => {
    for (const bytes of [
      Buffer.from([0xff, 0xff, 0xff]),
      Buffer.alloc(64, 0x0a),
      Buffer.from([0x08]),
      Buffer.alloc(1_000, 0x80),
      Buffer.from('22ffffffff0f', 'hex'),
    ]) {
      for (const path of ['/hunt.v1.HuntState/Submit', '/hunt.v1.Admin/CreateHunt']) {
        const { code, details } = await designer.raw(path, bytes);
        assert.ok(
          [status.INVALID_ARGUMENT, status.INTERNAL].includes(code as 3),
          `${path} ${bytes.toString('hex').slice(0, 20)}: ${code} ${details}`,
        );
      }
    }
    assert.equal(
      (await designer.raw('/hunt.v1.HuntState/Submit', Buffer.alloc(5 * 1024 * 1024))).code,
      status.RESOURCE_EXHAUSTED,
    );
    assert.equal((await designer.raw('/hunt.v1.HuntState/Explode', Buffer.alloc(0))).code, status.UNIMPLEMENTED);
    assert.equal((await designer.raw('/hunt.v9.Nothing/Explode', Buffer.alloc(0))).code, status.UNIMPLEMENTED);
  });

  it('answers Admin as HTTP does', async () => {
    judgedStatus('no such hunt', await designer.failure('Admin', 'GetHunt', { hunt_id: 257 }), 'HUNT_NOT_FOUND');
    judgedStatus('no id', await designer.failure('Admin', 'GetHunt', { hunt_id: 0 }), 'INVALID');
    judgedStatus('a broken definition', await designer.failure('Admin', 'CreateHunt', { definition: '{' }), 'INVALID');
    judgedStatus(
      'no such verb',
      await designer.failure('Admin', 'SteerHunt', { hunt_id: hunt, verb: 'explode' }),
      'INVALID',
    );
    judgedStatus('a designer sees the cluster', await designer.failure('Admin', 'GetCluster', {}), 'FORBIDDEN');
    const { hunt_id, slot } = await designer.call<{ hunt_id: number; slot: number }>('Admin', 'CreateHunt', {
      definition: JSON.stringify(meadow(1)),
    });
    assert.equal(slot ?? 0, hunt_id % 256);
    const got = await designer.call<{ hunt: { hunt_id: number; title: string } }>('Admin', 'GetHunt', { hunt_id });
    assert.equal(got.hunt.title, 'The Meadow');
  });
});
