import assert from 'node:assert/strict';
import { ClusterProcess } from './cluster-process.ts';
import { Crowd } from './crowd.ts';
import { until } from './deadline.ts';

interface Operation {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly error?: string;
  readonly moves_total: number;
  readonly moves_done: number;
  readonly stall_ms_max: number;
  readonly moves?: readonly {
    readonly slot: number;
    readonly from: string;
    readonly to: string;
    measured_ms?: number;
  }[];
}
interface Ring {
  readonly view: number;
  readonly frozen: { readonly reason: string } | null;
  readonly nodes: readonly {
    readonly id: string;
    readonly state: string;
    readonly slots: number;
    incarnation: number;
  }[];
  readonly owners: readonly string[];
  readonly pins: Readonly<Record<string, string>>;
  readonly operations: readonly Operation[];
}
interface Plan {
  readonly plan_id: string;
  readonly moves: readonly { readonly slot: number; readonly from: string; readonly to: string }[];
  readonly slots_after: Readonly<Record<string, number>>;
}

/** Promised are 1.5 s and 3 s on a machine of its own (benchmarks/failover.ts measures them); here others run at the same time. */
const killedMsMax = 6_000;
const stoppedMsMax = 10_000;
const operationMsMax = 40_000;

describe('a cluster in the hands of operators, under load and with nobody who starts anything again', function () {
  this.timeout(120_000);
  let cluster: ClusterProcess;
  let crowd: Crowd;

  before(async () => {
    cluster = await ClusterProcess.start({ nodes: 6, flags: ['--no-respawn'] });
    crowd = await Crowd.gather(cluster, { hunts: 24, perHunt: 1, everyMs: 125 });
  });
  after(async () => {
    await crowd?.stop();
    await cluster?.stopAndRemove();
  });

  const token = () => cluster.tokens.operator;
  const ring = () => cluster.expect<Ring>('GET', '/v1/cluster', { token: token() });
  const post = (path: string, body: object = {}) =>
    cluster.call('POST', `/v1/cluster/${path}`, { token: token(), body });
  const plan = async (change: object): Promise<Plan> => (await post('plan', change)).json as Plan;
  const ended = (id: string) =>
    until(`operation ${id} to end`, operationMsMax, async () => {
      const one = await cluster.expect<Operation>('GET', `/v1/cluster/operations/${id}`, { token: token() });
      return one.state === 'canary' || one.state === 'running' ? undefined : one;
    });
  const accepted = async (path: string, body?: object): Promise<Operation> => {
    const answer = await post(path, body);
    assert.equal(answer.status, 202, answer.text);
    return ended((answer.json as Operation).id);
  };
  const stateOf = (one: Ring, id: string) => one.nodes.find((node) => node.id === id)?.state;
  const refusalsSoFar = () =>
    crowd.members
      .flatMap(({ player }) => player.ledger.flatMap((entry) => entry.replies))
      .filter((reply) => reply.kind === 'nack');
  /** Everybody plays on, and nobody had to be asked twice. */
  const nobodyNoticed = async (refused: number, reconnects: number) => {
    await crowd.allAckedSince(performance.now());
    assert.equal(refusalsSoFar().length, refused, 'a command was refused');
    assert.equal(reconnectsSoFar(), reconnects, 'a connection was lost');
  };
  const reconnectsSoFar = () => crowd.members.reduce((sum, { player }) => sum + player.reconnects, 0);
  /** A node with a hunt on it that is none of these, and the players there. */
  const somebody = async (not: readonly string[]) => {
    const { owners } = await ring();
    const member = crowd.members.find(({ hunt }) => !not.includes(owners[hunt.slot] ?? ''));
    const name = owners[member?.hunt.slot ?? 0] ?? '';
    return { name, there: crowd.members.filter(({ hunt }) => owners[hunt.slot] === name) };
  };
  const nextAccepted = (there: Crowd['members'], since: number, what: string, ms: number) =>
    Promise.all(
      there.map(({ waits, hunt }) =>
        until(`hunt ${hunt.hunt_id} to accept an action after ${what}`, ms, () =>
          waits.find((wait) => wait.sentAt > since),
        ),
      ),
    );

  let original: Ring;
  let applied: Operation;

  it('moves what a plan said and nothing else, without a player noticing, and measures the stall', async () => {
    original = await ring();
    const pinned = original.owners.findIndex((owner) => owner !== 'n3');
    const refused = refusalsSoFar().length;
    const made = await plan({
      weights: { n1: 2 },
      pins: { [pinned]: 'n3' },
      reason: 'a bigger machine',
      expires_s: 600,
    });
    assert.deepEqual((await ring()).owners, original.owners, 'a plan changes nothing');
    assert.ok(made.moves.length > 10 && (made.slots_after.n1 ?? 0) > (original.nodes[0]?.slots ?? 256));
    applied = await accepted('apply', { plan_id: made.plan_id, moves_per_s: 40, canary_s: 1 });
    assert.deepEqual([applied.state, applied.moves_done], ['done', made.moves.length], applied.error);
    const after = await ring();
    const wanted = original.owners.map((owner, slot) => made.moves.find((move) => move.slot === slot)?.to ?? owner);
    assert.deepEqual(after.owners, wanted);
    assert.equal(after.pins[pinned], 'n3');
    for (const move of applied.moves ?? [])
      assert.ok((move.measured_ms ?? 0) > 0, `slot ${move.slot} was not measured`);
    assert.ok(applied.stall_ms_max < 2_000, `a slot stood still for ${applied.stall_ms_max} ms`);
    await nobodyNoticed(refused, 0);
  });

  it('refuses a plan that was made on another view', async () => {
    const made = await plan({ weights: { n2: 3 } });
    assert.equal((await post('freeze', { reason: 'the final', expires_s: 600 })).status, 200);
    const answer = await post('apply', { plan_id: made.plan_id });
    assert.deepEqual([answer.status, (answer.json as { code: string }).code], [409, 'VIEW_CHANGED']);
    assert.equal((await post('apply', { plan_id: 'nonsense' })).status, 409);
  });

  it('applies, drains and rolls back nothing while it is frozen', async () => {
    assert.equal((await ring()).frozen?.reason, 'the final');
    const made = await plan({ weights: { n2: 3 } });
    for (const [path, body] of [
      ['apply', { plan_id: made.plan_id }],
      ['nodes/n2/drain', {}],
      [`operations/${applied.id}/rollback`, {}],
    ] as const) {
      const answer = await post(path, body);
      assert.deepEqual([answer.status, (answer.json as { code: string }).code], [409, 'WRONG_STATE'], path);
    }
    assert.equal((await post('unfreeze')).status, 200);
    assert.equal((await ring()).frozen, null);
  });

  it('takes a whole change back: moves, weights and pins', async () => {
    const refused = refusalsSoFar().length;
    const back = await accepted(`operations/${applied.id}/rollback`);
    assert.equal(back.state, 'rolled_back', back.error);
    const after = await ring();
    assert.deepEqual([after.owners, after.pins], [original.owners, {}]);
    assert.deepEqual((await plan({})).moves, [], 'weights are as they were');
    await nobodyNoticed(refused, 0);
  });

  it('drains a node without one refused command or lost connection; its process then exits 0', async () => {
    const { name } = await somebody(['n1']);
    const refused = refusalsSoFar().length;
    const { pid } = cluster.process(name);
    const answers = await Promise.all([post(`nodes/${name}/drain`), post(`nodes/${name}/drain`)]);
    assert.deepEqual(
      answers.map((answer) => answer.status),
      [202, 202],
    );
    const asked = answers.map((answer) => (answer.json as Operation).id);
    assert.equal(asked[0], asked[1], 'asked again, it is the same operation');
    const drained = await ended(asked[0] ?? '');
    assert.deepEqual([drained.state, drained.moves_done], ['done', drained.moves_total], drained.error);
    const after = await ring();
    assert.equal(stateOf(after, name), 'left');
    assert.ok(!after.owners.includes(name));
    await until(`${name} to exit`, 10_000, () => cluster.process(name).state === 'exited');
    assert.equal(cluster.process(name).pid, pid);
    await nobodyNoticed(refused, 0);
  });

  it('serves the hunts of a killed node elsewhere at once, and moves no other slot', async () => {
    const was = await ring();
    const left = was.nodes.filter((node) => node.state !== 'active').map((node) => node.id);
    const { name, there } = await somebody(left);
    cluster.kill(name);
    const at = performance.now();
    await nextAccepted(there, at, `${name} was killed`, killedMsMax);
    const now = await ring();
    assert.equal(stateOf(now, name), 'dead');
    was.owners.forEach((owner, slot) => {
      if (owner === name) assert.notEqual(now.owners[slot], name);
      else assert.equal(now.owners[slot], owner, `slot ${slot} moved, and its owner lives`);
    });
  });

  it('serves those of a stopped node elsewhere; continued, it comes back as a new incarnation and has said nothing wrong', async () => {
    const was = await ring();
    const out = was.nodes.filter((node) => node.state !== 'active').map((node) => node.id);
    const { name, there } = await somebody(out);
    const { pid } = cluster.kill(name, 'SIGSTOP');
    try {
      const at = performance.now();
      await nextAccepted(there, at, `${name} was stopped`, stoppedMsMax);
      assert.equal(stateOf(await ring(), name), 'dead');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const old = was.nodes.find((node) => node.id === name)?.incarnation ?? 0;
    await until(`${name} to join again`, 15_000, async () => {
      const node = (await ring()).nodes.find((one) => one.id === name);
      return node?.state === 'active' && node.incarnation > old;
    });
    assert.equal(cluster.process(name).pid, pid, 'in the same process');
  });

  it('has all of it on record: who, when and why', async () => {
    const { events } = await cluster.expect<{ events: { type: string; by: string; reason: string; at: number }[] }>(
      'GET',
      '/v1/cluster/events?limit=1000',
      { token: token() },
    );
    const of = (type: string) => events.filter((event) => event.type === type);
    assert.deepEqual(of('OperationStarted').map(({ by, reason }) => [by, reason])[0], ['operator', 'a bigger machine']);
    assert.deepEqual([of('Frozen')[0]?.by, of('Frozen')[0]?.reason], ['operator', 'the final']);
    for (const type of ['NodeSuspected', 'NodeRemoved', 'SlotsMoving', 'CanaryJudged', 'OperationTurned', 'NodeLeft'])
      assert.ok(of(type).every((event) => event.by !== '') && of(type).length > 0, type);
  });

  it('has lost nothing, doubled nothing and left no hole on any wire', async () => {
    const { acts } = await crowd.judge();
    assert.ok(acts > 500, `only ${acts} acts`);
  });
});
