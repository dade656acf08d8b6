import assert from 'node:assert/strict';
import { Symptom } from '../../proto/generated/node/v1/cluster.ts';
import type { Slot } from '../../proto/ids.ts';
import { accuse } from '../suspicion.ts';
import { freeze } from '../undertakings.ts';
import { running, stepped, testNow } from '../view.fixture.ts';
import { nodeOf, slotsOf } from '../view.ts';
import { DescribedCluster, type NodeLoad, nodeLoadPath } from './describe-cluster.ts';

const lag = async () => ({ projection: { events: 3, seconds: 1, worst_slot: 7 } });

describe('the description of a cluster', () => {
  const incarnation = nodeOf(running(3), 'n2')?.incarnation ?? 0;
  const suspected = stepped(running(3), accuse({ id: 'n2', incarnation, symptom: Symptom.SILENT }, 'n1'), { by: 'n1' });
  const view = stepped(suspected, freeze(60), { by: 'olga', reason: 'the final' });
  const slot = slotsOf(view, 'n1')[0] as Slot;
  const load: NodeLoad = {
    hunts: 12,
    parked: [{ stream: 'hunt/5', code: 'HUNT_UNREADABLE', message: 'from a newer release' }],
    unserved: [{ slot, forMs: 1_200, reason: 'the log cannot be reached' }],
    slots: [{ slot, activations: 2, bytes: 4_096, tailEvents: 50, commands: 9, parked: 1 }],
  };
  const asked: string[] = [];
  const described = new DescribedCluster(
    { view, onChange: () => () => undefined },
    async (url) => {
      asked.push(url);
      if (url.startsWith('http://n3')) throw new Error('busy');
      return url.startsWith('http://n1') ? load : { hunts: 1 };
    },
    lag,
    { now: () => testNow, monotonic: () => 0 },
  );

  it('tells states, suspicions, the freeze, and what is parked or not served, with reasons', async () => {
    const shown = await described.describe();
    assert.deepEqual(
      asked.sort(),
      ['n1', 'n2', 'n3'].map((id) => `http://${id}${nodeLoadPath}`),
    );
    assert.deepEqual(
      shown.nodes.map(({ id, state, hunts }) => [id, state, hunts]),
      [
        ['n1', 'active', 12],
        ['n2', 'suspect', 1],
        ['n3', 'active', 0],
      ],
    );
    assert.deepEqual(shown.frozen, { reason: 'the final', by: 'olga', until: testNow + 60_000 });
    assert.deepEqual(shown.parked, [
      { node: 'n1', hunt: 'hunt/5', code: 'HUNT_UNREADABLE', message: 'from a newer release' },
    ]);
    assert.deepEqual(shown.unserved, [{ node: 'n1', slot, for_ms: 1_200, reason: 'the log cannot be reached' }]);
    assert.equal(shown.lag.projection?.events, 3);
  });

  it('knows what a slot weighs from what its owner said last', () => {
    assert.deepEqual(described.costOf(slot), { bytes: 4_096, tailEvents: 50 });
    assert.equal(described.costOf(slotsOf(view, 'n3')[0] ?? 0), undefined);
  });
});
