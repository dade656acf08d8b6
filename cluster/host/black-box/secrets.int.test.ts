import assert from 'node:assert/strict';
import { BareGrpc } from './bare-grpc.ts';
import { callHttp } from './bare-http.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { until } from './deadline.ts';
import { northDegrees, vaultOfSecrets } from './definitions.ts';
import { SecretScan } from './judge/secrets.ts';
import { Seat } from './seat.ts';
import { freshPlayer, sharedCluster } from './shared-cluster.ts';

describe('what a player receives', function () {
  this.timeout(60_000);
  const { definition, secrets, earned } = vaultOfSecrets();
  const all = new SecretScan([...secrets, ...earned]);
  const lasting = new SecretScan(secrets);
  let cluster: ClusterProcess;
  before(async () => {
    cluster = await sharedCluster();
  });

  /** Everything that any HTTP path tells a player of this hunt, refusals included. */
  async function overHttp(hunt: number, joinCode: string, token: string, seqFrom: number): Promise<Buffer[]> {
    const got: Buffer[] = [];
    const call = async (method: string, path: string, body?: object): Promise<void> => {
      const answer = await callHttp(cluster.http, method, path, { token, ...(body === undefined ? {} : { body }) });
      got.push(Buffer.from(`${JSON.stringify(answer.headers)}\n${answer.text}`));
    };
    for (const path of ['', '?at_version=1', '/events', '/scoreboard', '/export.csv', '/definition', '/actions'])
      await call('GET', `/v1/hunts/${hunt}${path}`);
    for (const path of [
      '/v1/hunts',
      '/v1/cluster',
      `/play/${joinCode}`,
      '/play',
      '/metrics',
      '/openapi.json',
      '/readyz',
    ])
      await call('GET', path);
    await call('POST', '/v1/join', { code: joinCode, name: 'Joiner' });
    let seq = seqFrom;
    for (const action of [
      { type: 'answer', clue: 'qa', text: 'nonsense' },
      { type: 'answer', clue: 'qb', text: 'nonsense' },
      { type: 'scan', code: 'nonsense' },
      { type: 'claim', treasure: 'idol', lat: 10, lon: 10, accuracy: 5 },
      { type: 'claim', treasure: 'purse', code: 'nonsense' },
      { type: 'claim', treasure: 'late' },
      { type: 'check_in', stage: 'c', lat: 10, lon: 10, accuracy: 5 },
      { type: 'check_in', lat: 10, lon: 10, accuracy: 5 },
    ]) {
      await call('POST', `/v1/hunts/${hunt}/actions`, { seq: seq++, action });
    }
    for (const verb of ['pause', 'adjust', 'void', 'disqualify', 'players'])
      await call('POST', `/v1/hunts/${hunt}/${verb}`, { reason: 'x' });
    return got;
  }

  function assertClean(what: string, scan: SecretScan, parts: readonly Buffer[]): void {
    const found = new Set(parts.flatMap((part) => scan.find(part)));
    assert.deepEqual([...found], [], `${what} tells secrets`);
    assert.ok(
      parts.length > 0 && parts.some((part) => part.length > 20),
      `${what}: nothing was received, so nothing was proved`,
    );
  }

  it('holds no secret before it is earned, over any interface, and never what another earned', async () => {
    const { hunt_id: hunt, join_code } = await cluster.createHunt(definition);
    const got = { ann: [] as Buffer[], bob: [] as Buffer[] };
    const ann = await Seat.take(cluster, hunt, freshPlayer('ann'), {
      codec: 'msgpack',
      onBytes: (bytes) => got.ann.push(bytes),
    });
    const bob = await Seat.take(cluster, hunt, freshPlayer('bob'), {
      codec: 'json',
      onBytes: (bytes) => got.bob.push(bytes),
    });
    await ann.does({ type: 'join', name: 'Ann' });
    await bob.does({ type: 'join', name: 'Bob' });
    await bob.mayNot({ type: 'answer', clue: 'qa', text: 'nonsense' }, 'WRONG_ANSWER', { effect: true });
    await bob.mayNot({ type: 'claim', treasure: 'purse', code: 'nonsense' }, 'WRONG_CODE');
    await bob.mayNot({ type: 'claim', treasure: 'late' }, 'STAGE_LOCKED');
    await bob.mayNot({ type: 'check_in', stage: 'c', lat: 10, lon: 10, accuracy: 5 }, 'STAGE_LOCKED');
    assertClean('the socket before anything was earned', all, [...got.ann, ...got.bob]);

    // Ann earns everything; Bob watches it happen and must learn nothing but that it happened.
    await ann.does({ type: 'hint', clue: 'qa' }, { text: 'zephyrhintone' });
    await ann.does({ type: 'answer', clue: 'qa', text: 'jabberwockalt' }, { opened: ['b'] });
    await ann.sees(
      'what she earned',
      (me) => me.stages.a?.after === 'obsidianafterword' && me.stages.b?.clues?.qb?.text === 'malachitecluetext',
    );
    await ann.does({ type: 'scan', code: 'berylcode-77' }, { opened: ['c'] });
    const near = await ann.mayNot(
      { type: 'check_in', stage: 'c', lat: 41.385063 + northDegrees(500), lon: 2.173404, accuracy: 5 },
      'OUT_OF_RANGE',
    );
    assert.equal(near.detail?.distance_m, undefined, 'the distance to a hidden place would give it away');
    assertClean(
      "Ann's socket while the place is hidden",
      new SecretScan(secrets.filter((secret) => 'number' in secret)),
      got.ann,
    );
    await ann.does({ type: 'check_in', lat: 41.385063, lon: 2.173404, accuracy: 5 }, { stage: 'c', opened: ['d'] });
    await until('Bob to see Ann arrive', 5_000, () =>
      bob.judge.events.some((event) => event.type === 'StageCompleted' && event.stage === 'c'),
    );
    await cluster.expect('POST', `/v1/hunts/${hunt}/adjust`, {
      body: { player: ann.player, points: 1, reason: 'kindness' },
    });
    const late = await Seat.take(cluster, hunt, freshPlayer('late'), { onBytes: (bytes) => got.bob.push(bytes) });
    late.socket.close();
    await bob.socket.settle();
    assertClean("Bob's socket, who earned nothing", all, got.bob);
    ann.assertClean();
    bob.assertClean();

    const token = cluster.playerToken(hunt, bob.player);
    assertClean('HTTP', all, await overHttp(hunt, join_code, token, bob.seq + 1));

    const rpc = new BareGrpc(cluster.grpc, token);
    const replies: unknown[] = [];
    for (const [method, request] of [
      ['GetHunt', { hunt_id: hunt }],
      ['ListEvents', { hunt_id: hunt }],
      ['GetScoreboard', { hunt_id: hunt }],
      ['ListHunts', {}],
    ] as const) {
      replies.push(await rpc.call('Admin', method, request).catch((error: Error) => error.message));
    }
    replies.push(
      await rpc.call('HuntState', 'Submit', {
        hunt_id: hunt,
        player_id: bob.player,
        seq: 40,
        action: { claim: { treasure: 'purse', code: 'nonsense' } },
      }),
    );
    rpc.close();
    assertClean(
      'gRPC',
      all,
      replies.map((reply) => Buffer.from(JSON.stringify(reply))),
    );
    ann.socket.close();
    bob.socket.close();
  });

  it('has no event whose public part names what the log keeps private', async () => {
    const { hunt_id: hunt } = await cluster.createHunt(definition);
    const got: Buffer[] = [];
    const cy = await Seat.take(cluster, hunt, freshPlayer('cy'), { onBytes: (bytes) => got.push(bytes) });
    await cy.does({ type: 'join', name: 'Cy' });
    await cluster.expect('POST', `/v1/hunts/${hunt}/disqualify`, {
      body: { player: cy.player, reason: 'sapphirereason' },
    });
    await until('the disqualification', 5_000, () =>
      cy.judge.events.some((event) => event.type === 'PlayerDisqualified'),
    );
    assertClean(
      'the disqualified',
      new SecretScan([
        { name: 'reason', text: 'sapphirereason' },
        { name: 'the designer', text: 'kept-by-the-log' },
      ]),
      got,
    );
    const created = (await cluster.history(hunt))[0];
    assert.ok(
      lasting.find(Buffer.from(JSON.stringify(created))).length > 0,
      "the designer's log holds the definition, so the scan can see",
    );
    cy.socket.close();
  });
});
