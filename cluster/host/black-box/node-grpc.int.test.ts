import assert from 'node:assert/strict';
import { BareGrpc, type SubmitReply } from './bare-grpc.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { within } from './deadline.ts';
import { meadow } from './definitions.ts';
import { told } from './judge/fault.ts';
import { judgeHistory } from './judge/history.ts';
import { freshPlayer, sharedCluster } from './shared-cluster.ts';

const unimplemented = 12;
const unauthenticated = 16;

describe("a node's gRPC port", function () {
  this.timeout(60_000);
  let cluster: ClusterProcess;
  const clients: BareGrpc[] = [];
  const at = (node: string, token: string | undefined): BareGrpc => {
    const client = new BareGrpc(cluster.process(node).grpc ?? assert.fail(`${node} has no grpc address`), token);
    clients.push(client);
    return client;
  };
  before(async () => {
    cluster = await sharedCluster();
  });
  after(() => {
    for (const client of clients) client.close();
  });

  it('takes the actions of any hunt on any node, and says the same as the gateway to a resend', async () => {
    const hunts = await Promise.all([1, 2, 3].map(() => cluster.createHunt(meadow(3))));
    const player = freshPlayer('inside');
    for (const node of ['n1', 'n2', 'n3']) {
      const client = at(node, cluster.tokens.designer);
      for (const { hunt_id } of hunts) {
        const seq = Number(node.slice(1));
        const action = seq === 1 ? { join: { name: 'In' } } : { claim: { treasure: `t${seq - 1}` } };
        const request = { hunt_id, player_id: player, seq, action };
        const reply = await client.call<SubmitReply>('HuntState', 'Submit', request);
        assert.ok(reply.ack !== undefined, JSON.stringify(reply));
        const again = await new BareGrpc(cluster.grpc, cluster.tokens.designer).call<SubmitReply>(
          'HuntState',
          'Submit',
          request,
        );
        assert.deepEqual([again.ack?.version, again.ack?.duplicate], [reply.ack.version, true]);
      }
    }
    for (const { hunt_id } of hunts) {
      const faults = judgeHistory(await cluster.history(hunt_id));
      assert.equal(faults.length, 0, told(faults));
    }
  });

  it('answers every request of a stream once', async () => {
    const { hunt_id } = await cluster.createHunt(meadow(16));
    const client = at('n2', cluster.tokens.operator);
    const stream = client.submitStream();
    const seen = new Map<number, SubmitReply>();
    const all = new Promise<void>((resolve, reject) => {
      stream.on('error', reject);
      stream.on('data', ({ replies }: { replies: SubmitReply[] }) => {
        for (const reply of replies) {
          assert.ok(!seen.has(reply.seq), `seq ${reply.seq} was answered twice`);
          seen.set(reply.seq, reply);
        }
        if (seen.size === 12) resolve();
      });
    });
    const player = freshPlayer('stream');
    const claims = Array.from({ length: 11 }, (_, i) => ({
      hunt_id,
      player_id: player,
      seq: i + 2,
      action: { claim: { treasure: `t${i}` } },
    }));
    stream.write({ requests: [{ hunt_id, player_id: player, seq: 1, action: { join: { name: 'S' } } }, ...claims] });
    await within('twelve replies', 10_000, all);
    assert.ok([...seen.values()].every((reply) => reply.ack !== undefined));
    stream.end();
  });

  it('tells its health, asks for a token, and has no Admin', async () => {
    const health = await at('n3', undefined).raw('/grpc.health.v1.Health/Check', Buffer.alloc(0));
    assert.equal(health.code, 0, health.details);
    const nobody = await at('n3', undefined).failure('HuntState', 'Submit', { hunt_id: 1, player_id: 'x', seq: 1 });
    assert.equal(nobody.code, unauthenticated);
    const admin = await at('n3', cluster.tokens.operator).failure('Admin', 'GetCluster', {});
    assert.equal(admin.code, unimplemented);
  });
});
