import assert from 'node:assert/strict';
import type { Slot } from '../proto/ids.ts';
import { join } from './formation.ts';
import { applied, nodeAddress, running } from './view.fixture.ts';
import { slotsOf } from './view.ts';
import type { ClusterOutcome } from './view-log.ts';
import { isBehind } from './view-rescue.ts';

describe('a view that has lost its last events', () => {
  const heldUnder = 7;
  const lost = running(2);
  const nothing: ClusterOutcome = { $case: 'assigned', value: { slots: [], operation: '', stoppedMs: 0 } };
  const raised = applied(lost, ...Array.from({ length: heldUnder }, () => nothing));
  const slot = slotsOf(lost, 'n2')[0] as Slot;

  it('is behind for an owner whose slot is held under a later epoch, also when another node has raised it by then', () => {
    assert.ok(raised.number >= heldUnder);
    assert.ok(isBehind(lost, 'n2', slot, heldUnder));
    assert.ok(isBehind(raised, 'n2', slot, heldUnder), 'the slot has the epoch that it had');
  });

  it('is behind no more once the owner has joined again above it', () => {
    assert.equal(isBehind(applied(raised, join(nodeAddress('n2'))), 'n2', slot, heldUnder), false);
  });

  it('is not behind for a node that does not own the slot', () => {
    assert.equal(isBehind(lost, 'n1', slot, heldUnder), false);
  });
});
