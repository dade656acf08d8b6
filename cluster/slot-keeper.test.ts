import assert from 'node:assert/strict';
import type { Slot } from '../proto/ids.ts';
import { systemClock } from '../runtime/kernel/clock.ts';
import { form, join } from './formation.ts';
import type { ViewSource } from './placement.ts';
import { SlotKeeper, type SlotServer, takesInFlightMax } from './slot-keeper.ts';
import { stepped } from './view.fixture.ts';
import { emptyView, slotsOf, type View } from './view.ts';
import type { ClusterOutcome, ViewDecision } from './view-log.ts';

/** A view that the test changes, and a server whose takes end when the test says so. */
class Bench implements ViewSource, SlotServer {
  view: View = emptyView;
  readonly listeners = new Set<(view: View) => void>();
  readonly log: string[] = [];
  readonly open: { slot: Slot; done: () => void; fail: () => void }[] = [];
  readonly retries: (() => void)[] = [];
  readonly timers = {
    after: (_ms: number, run: () => void) => {
      this.retries.push(run);
      return () => undefined;
    },
    every: () => () => undefined,
    soon: (run: () => void) => run(),
  };

  onChange(listener: (view: View) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  apply(outcome: ClusterOutcome | ViewDecision): void {
    const next = stepped(this.view, outcome);
    assert.notEqual(next, this.view);
    this.view = next;
    for (const listener of this.listeners) listener(this.view);
  }
  take(slot: Slot, epoch: number): Promise<void> {
    this.log.push(`take ${slot} ${epoch}`);
    return new Promise((done, reject) => this.open.push({ slot, done, fail: () => reject(new Error('away')) }));
  }
  async release(slot: Slot): Promise<void> {
    this.log.push(`release ${slot}`);
  }
  /** Lets all takes that are under way end, and those that follow. */
  async settle(end: 'done' | 'fail' = 'done'): Promise<void> {
    while (this.open.length > 0) {
      for (const one of this.open.splice(0)) one[end]();
      await new Promise<void>((soon) => setImmediate(soon));
    }
  }
  keeper(incarnation = 2): SlotKeeper {
    return new SlotKeeper('n1', incarnation, { view: this, server: this, clock: systemClock, timers: this.timers });
  }
}

const n1 = { id: 'n1', addr: 'a', http: '', weight: 1 };
const formed = (): Bench => {
  const bench = new Bench();
  bench.apply(form({ cluster: 'c', profile: 'embedded', members: ['n1', 'n2'], weight: 1, lineage: 'l' }));
  bench.apply(join(n1));
  return bench;
};

describe('a node that keeps its slots', () => {
  it('takes what the view gives it under the epoch of the view, a bounded number at a time', async () => {
    const bench = formed();
    const keeper = bench.keeper();
    assert.equal(bench.open.length, takesInFlightMax);
    assert.equal(keeper.settled, false);
    await bench.settle();
    const mine = slotsOf(bench.view, 'n1');
    assert.deepEqual(
      bench.log,
      mine.map((slot) => `take ${slot} 2`),
    );
    assert.equal(keeper.serving, mine.length);
    assert.equal(keeper.settled, true);
  });

  it('tries again what failed', async () => {
    const bench = formed();
    const keeper = bench.keeper();
    await bench.settle('fail');
    assert.equal(keeper.serving, 0);
    assert.equal(bench.retries.length, 1);
    bench.retries[0]?.();
    await bench.settle();
    assert.equal(keeper.settled, true);
  });

  it('takes a slot that is moved to it and releases one that is moved away', async () => {
    const bench = formed();
    const keeper = bench.keeper();
    await bench.settle();
    const [given, lost] = [slotsOf(bench.view, 'n2')[0] as number, slotsOf(bench.view, 'n1')[0] as number];
    bench.log.length = 0;
    bench.apply({
      $case: 'assigned',
      value: {
        operation: '',
        stoppedMs: 0,
        slots: [
          { node: 'n1', slots: [given] },
          { node: 'n2', slots: [lost] },
        ],
      },
    });
    assert.equal(keeper.settled, false);
    await bench.settle();
    assert.deepEqual(bench.log, [`release ${lost}`, `take ${given} 3`]);
    assert.equal(keeper.settled, true);
  });

  it('serves nothing any more once another incarnation bears its name', async () => {
    const bench = formed();
    const keeper = bench.keeper();
    await bench.settle();
    bench.apply(join(n1));
    await new Promise<void>((soon) => setImmediate(soon));
    assert.equal(keeper.serving, 0);
  });

  it('gives up everything when it closes, also what it gets only then', async () => {
    const bench = formed();
    const keeper = bench.keeper();
    await keeper.close();
    await bench.settle();
    assert.deepEqual(bench.log.filter((line) => line.startsWith('release')).length, takesInFlightMax);
  });
});
