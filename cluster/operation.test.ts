import assert from 'node:assert/strict';
import fc from 'fast-check';
import { After, Symptom } from '../proto/generated/node/v1/cluster.ts';
import type { Slot } from '../proto/ids.ts';
import { arriving, sayServed } from './arrival.ts';
import { bounds } from './assignment.ts';
import { dueStep } from './coordinator.ts';
import { join } from './formation.ts';
import { assignMoved } from './handoff.ts';
import { handoffMsMax, movesInFlightMax, serveMsMax } from './limits.ts';
import { coordinatorOf, placesOf } from './members.ts';
import { isRunning, movesDone, type Operation } from './operation.ts';
import { ChangeRefused, type ClusterChange, planChange } from './plan.ts';
import { accuse } from './suspicion.ts';
import { apply, drain, freeze, rollBack, unfreeze } from './undertakings.ts';
import { nodeAddress, running, stepped, testNow } from './view.fixture.ts';
import { isServing, nodeOf, pinsAt, slotsOf, type View } from './view.ts';
import type { ClusterOutcome, ViewDecision } from './view-log.ts';

const change = (more: Partial<ClusterChange>): ClusterChange => ({
  weights: {},
  pins: new Map(),
  unpin: [],
  remove: [],
  reason: 'test',
  pinsForS: 0,
  ...more,
});
const nothing = () => undefined;
const pace = { movesPerS: 10, canaryS: 2 };

/** A cluster whose nodes do what the view asks of them, in a time that the test drives. */
class Play {
  now = testNow + 60_000;
  /** Nodes that do nothing any more, without anybody having noticed. */
  readonly deaf = new Set<string>();
  /** What the canary's owner says. */
  healthy: boolean | undefined = true;
  /** Every event since the start. */
  readonly events: { readonly at: number; readonly outcome: ClusterOutcome }[] = [];

  constructor(public view: View) {}

  say(step: ViewDecision, by = 'olga'): void {
    const outcome = step(this.view, this.now);
    if (outcome === undefined) return;
    this.events.push({ at: this.now, outcome });
    this.view = stepped(this.view, outcome, { at: this.now, by, reason: 'test' });
  }
  apply(wish: ClusterChange, at = pace): string {
    this.say(apply(planChange(this.view, wish, this.now, nothing), wish, at));
    return this.view.operations.at(-1)?.id ?? '';
  }
  drain(node: string, deadlineS = 120): string {
    this.say(drain({ node, deadlineS, after: After.EXIT }, nothing));
    return this.view.operations.at(-1)?.id ?? '';
  }
  kill(id: string): void {
    this.deaf.add(id);
    const incarnation = nodeOf(this.view, id)?.incarnation ?? 0;
    for (const by of ['g1', 'g2']) this.say(accuse({ id, incarnation, symptom: Symptom.REFUSED }, by), by);
  }
  operation(id: string): Operation {
    return this.view.operations.find((one) => one.id === id) ?? assert.fail(`there is no ${id}`);
  }

  /** One round of everybody: the coordinator steps, owners hand over, new owners serve, the canary is judged. */
  round(ms = 50): void {
    this.now += ms;
    const me = coordinatorOf(this.view, this.now);
    for (let i = 0; me !== undefined && !this.deaf.has(me) && i < 20; i++) {
      const step = dueStep(this.view, me, this.now);
      if (step.kind === 'wait') break;
      this.say(() => step.outcome, me);
    }
    for (const [slot, moving] of this.view.moving) {
      const owner = this.view.owners[slot] ?? '';
      if (!this.deaf.has(owner))
        this.say(
          assignMoved([{ slot: slot as Slot, moving, stoppedAt: 0 }], owner, () => 3),
          owner,
        );
    }
    for (const node of this.view.nodes.filter((one) => isServing(one) && !this.deaf.has(one.id))) {
      const slots = slotsOf(this.view, node.id)
        .filter((slot) => arriving(this.view, slot as Slot, node.id) !== undefined)
        .map((slot) => ({ slot, epoch: this.view.epochs[slot] ?? 0, stallMs: 7 }));
      this.say(sayServed(node.id, node.incarnation, slots), node.id);
    }
    for (const { id, state, canary, moves, canaryS } of this.view.operations) {
      const [first] = moves;
      const isDue = first?.state === 'served' && this.now >= first.since + canaryS * 1_000;
      if (state !== 'canary' || canary !== undefined || !isDue || this.healthy === undefined) continue;
      const healthy = this.healthy;
      const value = { operation: id, slot: first.slot, healthy, detail: healthy ? '' : 'faults', commands: 1 };
      this.say(() => ({ $case: 'judged', value }), first.to);
    }
    assert.ok(
      this.view.owners.every((owner) => owner !== undefined),
      'a slot has no owner',
    );
    for (const one of this.view.operations.filter(isRunning)) {
      const underWay = one.moves.filter((move) => move.state === 'moving' || move.state === 'assigned').length;
      assert.ok(underWay <= movesInFlightMax, `${underWay} slots of ${one.id} are under way`);
    }
  }
  /** Until that operation is over. */
  end(id: string, ms = 300_000): Operation {
    for (const until = this.now + ms; this.now < until; ) {
      this.round();
      if (!isRunning(this.operation(id))) return this.operation(id);
    }
    return assert.fail(`${id} is ${this.operation(id).state} after ${ms} ms`);
  }
  times(of: ClusterOutcome['$case']): number[] {
    return this.events.filter(({ outcome }) => outcome.$case === of).map(({ at }) => at);
  }
}

const refused = (code: ChangeRefused['code'], run: () => unknown): void => {
  assert.throws(run, (error: unknown) => error instanceof ChangeRefused && error.code === code, code);
};

describe('an operation', () => {
  it('moves a canary first and the rest at its pace, a few at a time', () => {
    const play = new Play(running(9));
    const id = play.apply(change({ weights: { n1: 3 } }));
    const planned = play.operation(id).moves;
    play.round();
    assert.equal(play.operation(id).state, 'canary');
    for (let i = 0; i < 30; i++) play.round();
    assert.equal(movesDone(play.operation(id)), 1, 'the canary alone, for as long as it is watched');
    const done = play.end(id);
    assert.deepEqual([done.state, movesDone(done), done.stallMsMax], ['done', planned.length, 7]);
    for (const { slot, to } of planned) assert.equal(play.view.owners[slot], to);
    const begun = play.times('moving');
    assert.equal(begun.length, planned.length);
    for (let i = 2; i < begun.length; i++)
      assert.ok((begun[i] ?? 0) - (begun[i - 1] ?? 0) >= 1_000 / pace.movesPerS - 50, 'faster than its pace');
  });

  it('takes everything back when the canary fares badly, when nothing is heard of it, and when its node dies', () => {
    for (const trouble of ['unhealthy', 'silent', 'dead'] as const) {
      const play = new Play(running(9));
      const { owners, nodes } = play.view;
      const id = play.apply(change({ weights: { n1: 3 }, pins: new Map([[0, 'n2']]) }));
      play.healthy = trouble === 'unhealthy' ? false : undefined;
      const target = play.operation(id).moves[0]?.to ?? '';
      if (trouble === 'dead') {
        while (play.operation(id).moves[0]?.state !== 'served') play.round();
        play.kill(target);
      }
      const back = play.end(id);
      assert.equal(back.state, 'rolled_back', trouble);
      assert.notEqual(back.error, undefined);
      if (trouble !== 'dead') assert.deepEqual(play.view.owners, owners);
      assert.deepEqual(pinsAt(play.view, play.now), new Map());
      assert.deepEqual(
        play.view.nodes.map((node) => node.weight),
        nodes.map((node) => node.weight),
      );
    }
  });

  it('may pin slots to a node of weight 0, and they stay there', () => {
    const play = new Play(running(4));
    const id = play.apply(change({ weights: { n1: 0 }, pins: new Map([[7, 'n1']]) }));
    assert.equal(play.end(id).state, 'done');
    assert.deepEqual(slotsOf(play.view, 'n1'), [7]);
    const { view } = play;
    for (let i = 0; i < 200; i++) play.round(500);
    assert.equal(play.view, view);
  });

  it('can be rolled back when it is done: owners, weights and pins are as they were', () => {
    const play = new Play(running(5));
    const { owners } = play.view;
    const id = play.apply(change({ weights: { n1: 2, n2: 0 }, pins: new Map([[9, 'n4']]) }));
    play.end(id);
    assert.equal(slotsOf(play.view, 'n2').length, 0);
    play.say(rollBack(id));
    assert.equal(rollBack(id)(play.view, play.now), undefined, 'once is enough');
    const back = play.end(id);
    assert.equal(back.state, 'rolled_back');
    assert.deepEqual(play.view.owners, owners);
    assert.deepEqual(planChange(play.view, change({}), play.now, nothing).moves, []);
  });

  it('is bound to the view that it was planned on, and to there being no other', () => {
    const play = new Play(running(5));
    const wish = change({ weights: { n1: 2 } });
    const plan = planChange(play.view, wish, play.now, nothing);
    play.say(freeze(60));
    refused('VIEW_CHANGED', () => apply(plan, wish, pace)(play.view, play.now));
    const frozenPlan = planChange(play.view, wish, play.now, nothing);
    refused('WRONG_STATE', () => apply(frozenPlan, wish, pace)(play.view, play.now));
    refused('WRONG_STATE', () => play.drain('n1'));
    play.say(unfreeze);
    const first = play.apply(wish);
    refused('WRONG_STATE', () => play.apply(change({ weights: { n2: 2 } })));
    refused('WRONG_STATE', () => play.drain('n3'));
    play.end(first);
    refused('NOT_FOUND', () => rollBack('op-77')(play.view, play.now));
  });

  it('rests while the cluster is frozen, and goes on when the freeze has expired', () => {
    const play = new Play(running(5));
    const id = play.apply(change({ weights: { n1: 3 } }), { movesPerS: 10, canaryS: 0 });
    for (let i = 0; i < 5; i++) play.round();
    play.say(freeze(10));
    const until = play.now + 10_000;
    play.round();
    const done = movesDone(play.operation(id));
    while (play.now < until - 100) play.round();
    assert.equal(movesDone(play.operation(id)), done);
    assert.equal(play.end(id).state, 'done');
    assert.ok(play.times('moving').some((at) => at >= until));
  });

  it('fails with a reason when a node that was to get slots is gone, and when an owner does not hand over', () => {
    const play = new Play(running(5));
    const id = play.apply(change({ weights: { n1: 3 } }), { movesPerS: 10, canaryS: 0 });
    for (let i = 0; i < 5; i++) play.round();
    play.kill('n1');
    const failed = play.end(id);
    assert.deepEqual([failed.state, /n1/.test(failed.error ?? '')], ['failed', true]);

    const other = new Play(running(5));
    other.deaf.add('n2');
    const stuck = other.apply(change({ weights: { n2: 0 } }), { movesPerS: 10, canaryS: 0 });
    const began = other.now;
    assert.equal(other.end(stuck).state, 'failed');
    assert.ok(other.now - began >= handoffMsMax);
  });

  it('goes on under another coordinator when the first dies', () => {
    const play = new Play(running(5));
    const id = play.apply(change({ weights: { n3: 3 } }));
    for (let i = 0; i < 4; i++) play.round();
    assert.equal(coordinatorOf(play.view, play.now), 'n1');
    play.kill('n1');
    assert.equal(coordinatorOf(play.view, play.now), 'n2');
    assert.equal(play.end(id).state, 'done');
  });

  it('that removes a node lets it leave in the end', () => {
    const play = new Play(running(4));
    const id = play.apply(change({ remove: ['n2'] }));
    assert.equal(nodeOf(play.view, 'n2')?.state, 'draining');
    assert.equal(play.end(id).state, 'done');
    assert.deepEqual([nodeOf(play.view, 'n2')?.state, slotsOf(play.view, 'n2').length], ['left', 0]);
    assert.equal(nodeOf(play.view, 'n2')?.after, After.EXIT);
  });
});

describe('a drain', () => {
  it('empties a node, keeps everybody within the bound, and lets it leave', () => {
    const play = new Play(running(9));
    const id = play.drain('n4');
    play.drain('n4');
    assert.equal(play.view.operations.length, 1, 'asked again, it is the same one');
    const done = play.end(id);
    assert.equal(done.state, 'done');
    assert.equal(nodeOf(play.view, 'n4')?.state, 'left');
    for (const [node, { most }] of bounds(placesOf(play.view, play.now)))
      assert.ok(slotsOf(play.view, node).length <= most, `${node} holds ${slotsOf(play.view, node).length}`);
  });

  it('of the last node is refused, and so is one of a node that does not serve or does not exist', () => {
    const play = new Play(running(2));
    play.end(play.drain('n1'));
    refused('WRONG_STATE', () => play.drain('n2'));
    assert.equal(play.view.operations.at(-1)?.id, play.drain('n1'), 'asked again later, it still is the same one');
    play.kill('n1');
    refused('NOT_FOUND', () => play.drain('n9'));
  });

  it('sends slots elsewhere when the node that was to get them dies, and is finished by the others when its own node does', () => {
    const play = new Play(running(5));
    const id = play.drain('n1');
    for (let i = 0; i < 6; i++) play.round();
    play.kill('n2');
    assert.equal(play.end(id).state, 'done');
    assert.ok(play.view.owners.every((owner) => owner !== 'n1' && owner !== 'n2'));

    const other = new Play(running(5));
    const dying = other.drain('n1');
    for (let i = 0; i < 6; i++) other.round();
    other.kill('n1');
    assert.equal(other.operation(dying).state, 'failed');
    assert.equal(slotsOf(other.view, 'n1').length, 0);
  });

  it('ends at its deadline, whether the node hands over or not', () => {
    const play = new Play(running(5));
    play.deaf.add('n2');
    const id = play.drain('n2', 5);
    const began = play.now;
    assert.equal(play.end(id, 60_000).state, 'done');
    assert.ok(play.now - began < 5_000 + serveMsMax);
    assert.equal(slotsOf(play.view, 'n2').length, 0);
  });

  it('can be taken back while it is under way, and not once the node has left', () => {
    const play = new Play(running(5));
    const { owners } = play.view;
    const id = play.drain('n1');
    for (let i = 0; i < 6; i++) play.round();
    play.say(rollBack(id));
    assert.equal(nodeOf(play.view, 'n1')?.state, 'active');
    assert.equal(play.end(id).state, 'rolled_back');
    assert.deepEqual(play.view.owners, owners);
    const again = play.drain('n1');
    play.end(again);
    refused('WRONG_STATE', () => rollBack(again)(play.view, play.now));
  });

  it('of several nodes at once works', () => {
    const play = new Play(running(9));
    const all = ['n2', 'n3', 'n4'].map((node) => play.drain(node));
    for (const id of all) assert.equal(play.end(id).state, 'done');
    assert.ok(play.view.owners.every((owner) => !['n2', 'n3', 'n4'].includes(owner ?? '')));
  });
});

describe('what the cluster does by itself', () => {
  const rounds = (play: Play, ms: number) => {
    for (const until = play.now + ms; play.now < until; ) play.round(500);
  };

  it('gives a node that came back its share, later each time that it was removed, and not while frozen', () => {
    const play = new Play(running(9));
    const waits: number[] = [];
    for (let i = 0; i < 3; i++) {
      play.kill('n5');
      play.deaf.delete('n5');
      play.say(join(nodeAddress('n5')), 'n5');
      const back = play.now;
      while (!play.view.operations.some((one) => one.kind === 'join' && isRunning(one))) play.round(250);
      waits.push(play.now - back);
      const id = play.view.operations.at(-1)?.id ?? '';
      assert.equal(play.end(id).state, 'done');
      const { least = 0 } = bounds(placesOf(play.view, play.now)).get('n5') ?? {};
      assert.ok(slotsOf(play.view, 'n5').length >= least);
    }
    const [first = 0, second = 0, third = 0] = waits;
    assert.ok(second > first * 1.5 && third > second * 1.5, waits.join(', '));
    play.kill('n6');
    play.deaf.delete('n6');
    play.say(join(nodeAddress('n6')), 'n6');
    play.say(freeze(600));
    rounds(play, 30_000);
    assert.equal(slotsOf(play.view, 'n6').length, 0);
  });

  it('gives way to an operator', () => {
    const play = new Play(running(9));
    play.kill('n5');
    play.deaf.delete('n5');
    play.say(join(nodeAddress('n5')), 'n5');
    while (!play.view.operations.some((one) => one.kind === 'join' && isRunning(one))) play.round();
    const own = play.view.operations.at(-1)?.id ?? '';
    const id = play.drain('n1');
    assert.equal(play.operation(own).state, 'failed');
    assert.equal(play.end(id).state, 'done');
  });

  it('gives the slots of a node that stopped and does not come back to the others, and leaves a whole cluster that stops alone', () => {
    const play = new Play(running(4));
    const stop = (id: string) =>
      play.say(() => ({ $case: 'left', value: { id, operation: '', after: After.EXIT } }), id);
    stop('n2');
    assert.ok(slotsOf(play.view, 'n2').length > 0, 'not at once: it may be restarted');
    rounds(play, 3_000);
    assert.equal(slotsOf(play.view, 'n2').length, 0);
    const { owners } = play.view;
    for (const id of ['n1', 'n3', 'n4']) stop(id);
    rounds(play, 10_000);
    assert.deepEqual(play.view.owners, owners);
  });

  it('moves nothing in a healthy cluster', () => {
    const play = new Play(running(9));
    rounds(play, 120_000);
    assert.equal(play.events.length, 0);
  });
});

describe('a cluster in which anything happens at any time', () => {
  type Act = { readonly kind: 'apply' | 'drain' | 'kill' | 'join' | 'rollback' | 'freeze' | 'unfreeze'; which: number };
  const act: fc.Arbitrary<Act> = fc.record({
    kind: fc.constantFrom('apply', 'drain', 'kill', 'join', 'rollback', 'freeze', 'unfreeze'),
    which: fc.nat(1_000),
  });

  it('never leaves a slot without an owner, and comes to rest with everybody within bounds', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(act, fc.nat(40)), { maxLength: 25 }), (acts) => {
        const play = new Play(running(6));
        const attempt = (run: () => void): void => {
          try {
            run();
          } catch (error) {
            if (!(error instanceof ChangeRefused)) throw error;
          }
        };
        for (const [{ kind, which }, pause] of acts) {
          const node = `n${(which % 6) + 1}`;
          const state = nodeOf(play.view, node)?.state;
          if (kind === 'apply') attempt(() => play.apply(change({ weights: { [node]: which % 4 } })));
          if (kind === 'drain') attempt(() => play.drain(node, 10));
          if (kind === 'kill' && isServing(nodeOf(play.view, node))) play.kill(node);
          if (kind === 'join' && state !== 'active' && state !== 'draining') {
            play.deaf.delete(node);
            play.say(join(nodeAddress(node)), node);
          }
          const last = play.view.operations.at(-1);
          if (kind === 'rollback' && last !== undefined) attempt(() => play.say(rollBack(last.id)));
          if (kind === 'freeze') play.say(freeze(30));
          if (kind === 'unfreeze') play.say(unfreeze);
          for (let i = 0; i < pause; i++) play.round();
        }
        // Whoever is deaf and still a member is the last one, whom nobody may remove: it starts again.
        for (const id of [...play.deaf].filter((one) => isServing(nodeOf(play.view, one)))) {
          play.deaf.delete(id);
          play.say(join(nodeAddress(id)), id);
        }
        play.say(unfreeze);
        for (const until = play.now + 900_000; play.now < until; )
          play.round(play.view.operations.some(isRunning) ? 250 : 10_000);
        assert.ok(
          play.view.operations.every((one) => !isRunning(one)),
          'an operation does not end',
        );
        assert.equal(play.view.moving.size, 0);
        const places = placesOf(play.view, play.now);
        if (!places.some((place) => place.receives)) return;
        for (const [id, { least, most }] of bounds(places)) {
          const held = slotsOf(play.view, id).length;
          assert.ok(held <= most && held >= least, `${id} holds ${held}: ${least} to ${most}`);
        }
      }),
      { numRuns: 25 },
    );
  });
});
