import assert from 'node:assert/strict';
import type { FastifyInstance } from 'fastify';
import { buildAdmin } from './admin.ts';
import { operationsOf } from './operations/operations.ts';
import { Problem } from './problem.ts';
import { ScriptedWorld } from './scripted-world.ts';

describe('the cluster over HTTP', () => {
  let world: ScriptedWorld;
  let app: FastifyInstance;
  let base: string;
  let operator: string;

  beforeEach(async () => {
    world = new ScriptedWorld();
    app = await buildAdmin(operationsOf(world.ports()));
    base = await app.listen({ host: '127.0.0.1', port: 0 });
    operator = await world.token('operator', 'olga');
  });
  afterEach(async () => {
    await app.close();
    assert.deepEqual(world.faults, [], 'a request failed inside');
  });

  async function call(method: string, path: string, body?: object, token = operator, key?: string) {
    const response = await fetch(`${base}/v1/cluster${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { status, headers } = response;
    return { status, headers, json: (await response.json()) as Record<string, unknown> };
  }
  const asked = () => world.cluster.asked.at(-1);

  it('shows the view with its pins, operations and what cannot be served', async () => {
    const { json } = await call('GET', '');
    assert.deepEqual([json.view, json.frozen, json.pins], [3, null, { 17: 'n1' }]);
    for (const list of ['owners', 'epochs', 'operations', 'parked', 'unserved'])
      assert.ok(Array.isArray(json[list]), list);
  });

  it('plans without changing anything, and says what a move costs', async () => {
    const body = { weights: { n1: 2 }, pins: { 17: 'n3' }, unpin: [4], remove: ['n9'], reason: 'ssd', expires_s: 60 };
    const { status, json } = await call('POST', '/plan', body);
    assert.deepEqual([status, json.plan_id, json.imbalance_after], [200, '3.abc', 1.05]);
    assert.deepEqual(json.moves, [{ slot: 4, from: 'n1', to: 'n2', reason: 'weight', bytes: 2_048, stall_ms: 30.5 }]);
    const { expires_s: pinsForS, ...rest } = body;
    assert.deepEqual(asked(), { what: 'plan', wish: { ...rest, pinsForS } });
    await call('POST', '/plan');
    assert.deepEqual(asked()?.wish, { weights: {}, pins: {}, unpin: [], remove: [], reason: '', pinsForS: 0 });
  });

  it('names every fault of a change', async () => {
    for (const [body, path] of [
      [{ weights: { n1: 101 } }, '/weights/n1'],
      [{ weights: { n1: 'heavy' } }, '/weights/n1'],
      [{ pins: { 256: 'n1' } }, '/pins/256'],
      [{ pins: { 7: 'a node' } }, '/pins/7'],
      [{ unpin: [-1] }, '/unpin/0'],
      [{ remove: 'n1' }, '/remove'],
    ] as const) {
      const { status, json } = await call('POST', '/plan', body);
      assert.deepEqual([status, json.code], [400, 'INVALID'], JSON.stringify(body));
      assert.equal((json.errors as { path: string }[])[0]?.path, path);
    }
  });

  it('applies a plan at the pace asked for, once for a key, and answers with the operation', async () => {
    const first = await call('POST', '/apply', { plan_id: '3.abc' }, operator, 'k1');
    assert.deepEqual([first.status, first.json.id, first.json.state], [202, 'op-4', 'canary']);
    assert.equal(first.headers.get('location'), '/v1/cluster/operations/op-4');
    assert.deepEqual(asked(), { what: 'apply', wish: { planId: '3.abc', movesPerS: 8, canaryS: 2 }, by: 'olga' });
    const again = await call('POST', '/apply', { plan_id: '3.abc' }, operator, 'k1');
    assert.equal(again.headers.get('idempotency-replayed'), 'true');
    assert.equal(world.cluster.asked.length, 1);
    await call('POST', '/apply', { plan_id: '3.abc', moves_per_s: 0.5, canary_s: 0 });
    assert.deepEqual(asked()?.wish, { planId: '3.abc', movesPerS: 0.5, canaryS: 0 });
    assert.equal((await call('POST', '/apply', {})).status, 400);
    world.cluster.refusal = new Problem('VIEW_CHANGED', 'plan again');
    assert.deepEqual((await call('POST', '/apply', { plan_id: '2.abc' })).status, 409);
  });

  it('shows one operation with its moves, and rolls it back', async () => {
    assert.equal(((await call('GET', '/operations/op-4')).json.moves as object[]).length, 1);
    assert.equal((await call('GET', '/operations/op-9')).status, 404);
    const { status, json } = await call('POST', '/operations/op-4/rollback');
    assert.deepEqual([status, json.state], [202, 'running']);
    assert.deepEqual(asked(), { what: 'rollback', wish: 'op-4', by: 'olga' });
  });

  it('freezes with a reason and an end, and unfreezes', async () => {
    const frozen = await call('POST', '/freeze', { reason: 'the final', expires_s: 3_600 });
    assert.deepEqual(frozen.json, { frozen: { reason: 'the final', by: 'olga', until: 1_000 } });
    assert.deepEqual((await call('GET', '')).json.frozen, frozen.json.frozen);
    for (const body of [{ reason: 'r' }, { reason: '', expires_s: 60 }, { reason: 'r', expires_s: 86_401 }])
      assert.equal((await call('POST', '/freeze', body)).status, 400, JSON.stringify(body));
    assert.deepEqual((await call('POST', '/unfreeze')).json, { frozen: null });
  });

  it('drains a node by a deadline, to exit, to stay or to be restarted', async () => {
    const { status, json } = await call('POST', '/nodes/n3/drain');
    assert.deepEqual([status, json.kind, json.node], [202, 'drain', 'n3']);
    assert.deepEqual(asked(), { what: 'drain', wish: { node: 'n3', deadlineS: 120, after: 'exit' }, by: 'olga' });
    await call('POST', '/nodes/n3/drain', { deadline_s: 5, stay: true });
    assert.deepEqual(asked()?.wish, { node: 'n3', deadlineS: 5, after: 'stay' });
    await call('POST', '/nodes/n3/drain', { restart: true });
    assert.deepEqual(asked()?.wish, { node: 'n3', deadlineS: 120, after: 'restart' });
    assert.equal((await call('POST', '/nodes/n3/drain', { stay: true, restart: true })).status, 400);
    world.cluster.refusal = new Problem('WRONG_STATE', 'the last node');
    assert.equal((await call('POST', '/nodes/n3/drain')).status, 409);
  });

  it('tells who changed the cluster, when and why', async () => {
    const { json } = await call('GET', '/events?from=4&limit=10');
    assert.deepEqual(json.events, [{ view: 5, type: 'Frozen', at: 5, by: 'olga', reason: 'night', detail: {} }]);
    assert.deepEqual(asked()?.wish, { from: 4, limit: 10 });
  });

  it('lets nobody but operators in', async () => {
    const designer = await world.token('designer', 'dora');
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/events'],
      ['POST', '/plan'],
      ['POST', '/apply'],
      ['GET', '/operations/op-4'],
      ['POST', '/operations/op-4/rollback'],
      ['POST', '/freeze'],
      ['POST', '/unfreeze'],
      ['POST', '/nodes/n1/drain'],
    ] as const)
      assert.equal((await call(method, path, undefined, designer)).status, 403, `${method} ${path}`);
    assert.equal(world.cluster.asked.length, 0);
  });
});
