import assert from 'node:assert/strict';
import { Registry } from 'prom-client';
import { registerMetrics } from './metrics.ts';
import { type Check, isLoopback, type Probes, serveProbes } from './probe-http.ts';

describe('the probes of a process', () => {
  let probes: Probes;
  let checks: Check[] = [];
  const registry = new Registry();
  const metrics = registerMetrics(registry, {
    hunt_view: { kind: 'gauge', labels: [], help: 'h' },
    hunt_nacks_total: { kind: 'counter', labels: ['code'], help: 'h' },
    hunt_append_seconds: { kind: 'histogram', labels: [], help: 'h' },
  });
  const get = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`http://127.0.0.1:${probes.port}${path}`, init);
    const text = await answer.text();
    return {
      status: answer.status,
      type: answer.headers.get('content-type') ?? '',
      text,
      json: () => JSON.parse(text),
    };
  };

  before(async () => {
    probes = await serveProbes({
      host: '127.0.0.1',
      port: 0,
      title: 'Test',
      registry,
      checks: () => checks,
      isOperator: async () => false,
      inside: { '/v1/inside': () => ({ n: 1 }) },
    });
  });
  after(() => probes.close());

  it('says that it lives, and whether it serves, with the reason', async () => {
    assert.deepEqual((await get('/healthz')).json(), { status: 'ok' });
    checks = [{ name: 'log', ok: true }];
    assert.deepEqual([(await get('/readyz')).status, (await get('/readyz')).json().status], [200, 'ok']);
    checks = [{ name: 'log', ok: false, detail: 'away' }];
    const answer = await get('/readyz');
    assert.equal(answer.status, 503);
    assert.deepEqual(answer.json(), { status: 'unavailable', checks });
  });

  it('shows the metrics under their names and labels', async () => {
    metrics.gauge('hunt_view', 7);
    metrics.count('hunt_nacks_total', 2, 'BUSY');
    metrics.observe('hunt_append_seconds', 0.004);
    const { text, type } = await get('/metrics');
    assert.match(type, /^text\/plain/);
    assert.match(text, /^hunt_view 7$/m);
    assert.match(text, /^hunt_nacks_total\{code="BUSY"\} 2$/m);
    assert.match(text, /^hunt_append_seconds_bucket\{le="0\.005"\} 1$/m);
  });

  it('answers what is not there, and a wrong method, with a problem', async () => {
    const missing = await get('/nothing');
    assert.deepEqual(
      [missing.status, missing.type, missing.json().code],
      [404, 'application/problem+json; charset=utf-8', 'NOT_FOUND'],
    );
    const wrong = await get('/healthz', { method: 'POST' });
    assert.deepEqual([wrong.status, wrong.json().code], [405, 'METHOD_NOT_ALLOWED']);
    assert.equal((await get('/openapi.json')).json().openapi, '3.1.0');
    assert.deepEqual((await get('/v1/inside')).json(), { n: 1 });
  });

  it('knows what this machine is', () => {
    for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])
      assert.equal(isLoopback(address), true, address);
    for (const address of ['10.0.0.1', '::ffff:10.0.0.1', '::2', '1127.0.0.1', ''])
      assert.equal(isLoopback(address), false, address);
  });
});
