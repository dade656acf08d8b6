import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Symptom } from '../proto/generated/node/v1/cluster.ts';
import { bounds } from './assignment.ts';
import { join } from './formation.ts';
import { suspicionWindowMs } from './limits.ts';
import { coordinatorOf, isSuspect, placesOf } from './members.ts';
import { accuse, clear } from './suspicion.ts';
import { nodeAddress, running, stepped, testNow } from './view.fixture.ts';
import { nodeOf, slotsOf, type View } from './view.ts';

const accusation = (view: View, id: string) => ({
  id,
  incarnation: nodeOf(view, id)?.incarnation ?? 0,
  symptom: Symptom.REFUSED,
});
const accused = (view: View, id: string, by: string, at = testNow): View =>
  stepped(view, accuse(accusation(view, id), by), { by, at });
const stateOf = (view: View, id: string) => nodeOf(view, id)?.state;

describe('suspicions', () => {
  it('make a suspect of a node that one finds dead, and remove it when another agrees', () => {
    const view = running(9);
    const suspected = accused(view, 'n3', 'n2');
    assert.equal(stateOf(suspected, 'n3'), 'active');
    assert.ok(isSuspect(nodeOf(suspected, 'n3') ?? assert.fail(), testNow));
    const removed = accused(suspected, 'n3', 'g1');
    assert.equal(stateOf(removed, 'n3'), 'dead');
    assert.equal(slotsOf(removed, 'n3').length, 0);
    assert.ok(removed.owners.every((owner) => owner !== undefined));
  });

  it('move the slots of the removed node and no others, to nodes within their bound', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7', 'n8', 'n9'], { maxLength: 8 }),
        (dead) => {
          let view = running(9);
          for (const id of dead) {
            const before = view;
            const [a, b] = view.nodes
              .filter((node) => node.id !== id && node.state === 'active')
              .map((node) => node.id);
            view = accused(accused(view, id, a ?? 'g1'), id, b ?? 'g1');
            assert.equal(stateOf(view, id), 'dead');
            before.owners.forEach((owner, slot) => {
              if (owner === id) assert.equal(view.epochs[slot], view.number);
              else assert.deepEqual([view.owners[slot], view.epochs[slot]], [owner, before.epochs[slot]]);
            });
            for (const [node, { most }] of bounds(placesOf(view, testNow)))
              if (stateOf(view, node) === 'active')
                assert.ok(slotsOf(view, node).length <= most, `${node} holds too many`);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('of one accuser alone remove nobody, however often they are said', () => {
    let view = running(9);
    for (let i = 0; i < 5; i++) view = accused(view, 'n3', 'n2', testNow + i * 3_000);
    assert.equal(stateOf(view, 'n3'), 'active');
    assert.equal(accuse(accusation(view, 'n3'), 'n2')(view, testNow + 12_100), undefined, 'and are not said too often');
  });

  it('that are older than the window count no more', () => {
    const view = accused(running(9), 'n3', 'n2');
    const late = accused(view, 'n3', 'n4', testNow + suspicionWindowMs);
    assert.equal(stateOf(late, 'n3'), 'active');
    assert.equal(stateOf(accused(late, 'n3', 'n2', testNow + suspicionWindowMs + 1), 'n3'), 'dead');
  });

  it('are taken back by who hears from the node again', () => {
    const view = accused(running(9), 'n3', 'n2');
    const incarnation = nodeOf(view, 'n3')?.incarnation ?? 0;
    assert.equal(clear('n3', incarnation, 'n4')(view, testNow), undefined);
    const cleared = stepped(view, clear('n3', incarnation, 'n2'), { by: 'n2' });
    assert.deepEqual(nodeOf(cleared, 'n3')?.suspicions, []);
    assert.equal(stateOf(accused(cleared, 'n3', 'n4'), 'n3'), 'active');
  });

  it('of an earlier incarnation mean nothing', () => {
    const old = running(3);
    const view = stepped(old, join(nodeAddress('n2')));
    assert.equal(accuse(accusation(old, 'n2'), 'n1')(view, testNow), undefined);
  });

  it('of the only other node are enough, and nobody removes the last one', () => {
    const view = accused(running(2), 'n2', 'n1');
    assert.equal(stateOf(view, 'n2'), 'dead');
    assert.deepEqual(slotsOf(view, 'n1').length, 256);
    const last = accused(accused(view, 'n1', 'g1'), 'n1', 'g2');
    assert.equal(stateOf(last, 'n1'), 'active');
  });

  it('of a node that was cut off and accused everybody vanish with it', () => {
    let view = running(5);
    for (const id of ['n2', 'n3', 'n4', 'n5']) view = accused(view, id, 'n1');
    view = accused(accused(view, 'n1', 'n2'), 'n1', 'n3');
    assert.equal(stateOf(view, 'n1'), 'dead');
    assert.ok(view.nodes.every((node) => node.suspicions.length === 0));
    assert.ok(view.owners.every((owner) => owner !== 'n1' && owner !== undefined));
  });

  it('keep a suspect from coordinating', () => {
    const view = running(3);
    assert.equal(coordinatorOf(view, testNow), 'n1');
    assert.equal(coordinatorOf(accused(view, 'n1', 'n3'), testNow), 'n2');
  });
});
