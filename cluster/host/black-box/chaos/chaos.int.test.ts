import assert from 'node:assert/strict';
import { requireServer } from '../../servers/require-server.ts';
import { runChaos } from './chaos-run.ts';
import { drawOptions } from './options.ts';
import type { FaultName } from './plan.ts';

/** What takes little time to be over: the others are for `npm run chaos`. */
const brief: readonly FaultName[] = ['kill node', 'stop gateway', 'kill log', 'stop log', 'one-way cut', 'break off'];
const seconds = 12;
const seed = 6;

describe('a cluster of real processes under chaos', function () {
  this.timeout(240_000);

  it('loses, doubles and omits nothing while several things break at once, and answers everybody afterwards', async function () {
    requireServer(this, 'postgres');
    const options = drawOptions('embedded', seed, { seconds, nodes: 3, gateways: 2, only: brief, except: [] });
    const report = await runChaos(options, () => undefined);
    assert.deepEqual(report.violations, [], `all of it is in ${report.kept}`);
    assert.deepEqual([...report.fired.keys()].sort(), [...brief].sort(), 'each kind has happened');
    assert.ok(report.acks > 50, `${report.acks} commands were acknowledged`);
  });
});
