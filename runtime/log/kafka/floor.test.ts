import assert from 'node:assert/strict';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import { sharedServer } from '../../../cluster/host/servers/shared-server.ts';
import { adapterFloor, bareFloor } from './floor.bench.ts';

describe('the floors of the Kafka log', function () {
  this.timeout(60_000);
  let brokers: string[];
  before(async function () {
    requireServer(this, 'kafka');
    brokers = [(await sharedServer('kafka')).url];
  });

  it('measure what was offered, and nothing is left over', async () => {
    const offered = await bareFloor({ brokers, perSecond: 400, seconds: 0.5 });
    assert.deepEqual([offered.offered, offered.appended], [200, 200]);
    const saturated = await adapterFloor({ brokers, seconds: 0.5, inFlight: 32 });
    assert.equal(saturated.offered, saturated.appended);
    assert.ok(saturated.appended > 32);
    for (const { p50Ms, p99Ms, cpuMicrosAnAppend } of [offered, saturated])
      assert.ok(p50Ms > 0 && p50Ms <= p99Ms && cpuMicrosAnAppend > 0);
  });
});
