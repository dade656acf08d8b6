import assert from 'node:assert/strict';
import { After } from '../proto/generated/node/v1/cluster.ts';
import type { Slot } from '../proto/ids.ts';
import { systemClock } from '../runtime/kernel/clock.ts';
import { systemTimers } from '../runtime/kernel/timer.ts';
import { Handoff } from './handoff.ts';
import { running, stepped } from './view.fixture.ts';
import { isServing, slotsOf, type View } from './view.ts';
import type { ClusterOutcome, ViewDecision } from './view-log.ts';

/** One node's handovers: the steps that it takes, in order, and a log that may be away. */
class Bench {
  view: View = running(3);
  readonly steps: string[] = [];
  readonly #listeners = new Set<(view: View) => void>();
  logIsAway = false;
  whilePreparing: () => void = () => undefined;
  readonly handoff: Handoff;

  constructor() {
    this.apply(started);
    this.handoff = new Handoff('n1', {
      viewLog: this.#viewLog(),
      keeper: {
        serves: () => true,
        give: async (slot) => void this.steps.push(`give ${slot}`),
        keep: (slot) => void this.steps.push(`keep ${slot}`),
      },
      prepare: async (slot) => {
        this.steps.push(`prepare ${slot}`);
        this.whilePreparing();
      },
      clock: systemClock,
      timers: { ...systemTimers, soon: () => undefined },
      failed: (slot) => this.steps.push(`failed ${slot}`),
    });
  }

  #viewLog() {
    const bench = this;
    return {
      get view() {
        return bench.view;
      },
      onChange: (listener: (view: View) => void) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      append: async (decide: ViewDecision) => {
        if (this.logIsAway) throw new Error('away');
        this.apply(decide);
        return this.view;
      },
    };
  }
  apply(step: ClusterOutcome | ViewDecision): void {
    this.view = stepped(this.view, step);
    for (const listener of this.#listeners) listener(this.view);
  }
  async settled(): Promise<void> {
    for (let i = 0; i < 5; i++) await new Promise<void>((soon) => setImmediate(soon));
  }
}

const slot = slotsOf(running(3), 'n1')[0] as Slot;
const foreign = slotsOf(running(3), 'n2')[0] as Slot;
const started: ClusterOutcome = {
  $case: 'started',
  value: {
    id: 'op',
    kind: 'apply',
    node: '',
    weights: [],
    pins: [],
    unpin: [],
    remove: [],
    moves: [{ slot, to: 'n2', reason: '', bytes: 0, stallMs: 0 }],
    movesPerS: 8,
    canaryS: 0,
    deadlineAt: 0,
    after: After.EXIT,
  },
};
const moving = (to = 'n2', which = slot): ClusterOutcome => ({
  $case: 'moving',
  value: { operation: 'op', slots: [{ node: to, slots: [which] }] },
});

describe('the owner of a slot that is to move', () => {
  it('prepares it while it serves, gives it up, and says so', async () => {
    const bench = new Bench();
    bench.apply(moving());
    bench.apply(moving('n3', foreign));
    await bench.settled();
    assert.deepEqual(bench.steps, [`prepare ${slot}`, `give ${slot}`, `keep ${slot}`]);
    assert.equal(bench.view.owners[slot], 'n2');
    assert.equal(bench.view.epochs[slot], bench.view.number);
    assert.deepEqual([...bench.view.moving.keys()], [foreign]);
  });

  it('keeps it when the move is taken back meanwhile', async () => {
    const bench = new Bench();
    bench.whilePreparing = () => bench.apply({ $case: 'cancelled', value: { operation: 'op', slots: [slot] } });
    bench.apply(moving());
    await bench.settled();
    assert.deepEqual(bench.steps, [`prepare ${slot}`, `keep ${slot}`]);
    assert.equal(bench.view.owners[slot], 'n1');
  });

  it('keeps it when the node that was to get it is gone', async () => {
    const bench = new Bench();
    bench.whilePreparing = () => bench.apply({ $case: 'left', value: { id: 'n2', operation: '', after: After.EXIT } });
    bench.apply(moving());
    await bench.settled();
    assert.equal(bench.view.owners[slot], 'n1');
    assert.ok(!bench.steps.includes(`give ${slot}`));
    assert.equal(isServing(bench.view.nodes.find((node) => node.id === 'n2')), false);
  });

  it('serves it again when the log cannot be told', async () => {
    const bench = new Bench();
    bench.logIsAway = true;
    bench.apply(moving());
    await bench.settled();
    assert.deepEqual(bench.steps, [`prepare ${slot}`, `give ${slot}`, `failed ${slot}`, `keep ${slot}`]);
    assert.equal(bench.view.owners[slot], 'n1');
  });
});
