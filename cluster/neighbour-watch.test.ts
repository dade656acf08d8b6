import assert from 'node:assert/strict';
import { Symptom } from '../proto/generated/node/v1/cluster.ts';
import { neighboursWatched } from './limits.ts';
import { neighboursOf } from './neighbour-watch.ts';
import { accuse } from './suspicion.ts';
import { ids, running, stepped, testNow } from './view.fixture.ts';
import { nodeOf, type View } from './view.ts';

const names = (view: View, me: string) => neighboursOf(view, me, testNow).map((node) => node.id);

describe('who watches whom', () => {
  it('is the same number for everybody, and never oneself', () => {
    const view = running(9);
    const watchers = new Map<string, number>();
    for (const me of ids(9)) {
      const watched = names(view, me);
      assert.ok(!watched.includes(me));
      assert.equal(watched.length, neighboursWatched);
      for (const id of watched) watchers.set(id, (watchers.get(id) ?? 0) + 1);
    }
    assert.deepEqual([...watchers.values()], Array(9).fill(neighboursWatched));
  });

  it('is everybody else in a small cluster, and nobody where one is alone', () => {
    assert.deepEqual(names(running(3), 'n2'), ['n3', 'n1']);
    assert.deepEqual(names(running(1), 'n1'), []);
  });

  it('reaches beyond those that are suspected already', () => {
    let view = running(9);
    for (const id of ['n2', 'n3'])
      view = stepped(
        view,
        accuse({ id, incarnation: nodeOf(view, id)?.incarnation ?? 0, symptom: Symptom.SILENT }, 'n1'),
        { by: 'n1' },
      );
    assert.deepEqual(names(view, 'n1'), ['n2', 'n3', 'n4', 'n5', 'n6']);
  });
});
