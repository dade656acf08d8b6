import assert from 'node:assert/strict';
import { Symptom } from '../proto/generated/node/v1/cluster.ts';
import { Accuser } from './accuser.ts';
import { joinGraceMs, stuckMsMax } from './limits.ts';
import { type LinkHealth, LinkWatch, symptomOf } from './link-watch.ts';
import { running, stepped, testNow } from './view.fixture.ts';
import { nodeOf, type View } from './view.ts';
import type { ViewDecision } from './view-log.ts';

const link = (id: string, more: Partial<LinkHealth> = {}): LinkHealth => ({
  id,
  incarnation: 1,
  refused: false,
  stalledMs: 0,
  slotsWaiting: 0,
  answeredMs: 10,
  ...more,
});

describe("a gateway's judgement of a node", () => {
  it('is that it cannot commit, when it keeps commands of several hunts while others answer theirs', () => {
    const stalled = link('n1', { stalledMs: stuckMsMax, slotsWaiting: 2, answeredMs: stuckMsMax });
    const steady = (ms: number) => () => ms;
    const both = [stalled, link('n2')];
    assert.equal(symptomOf(stalled, both, steady(stuckMsMax)), Symptom.STUCK);
    assert.equal(symptomOf(stalled, both, steady(100)), undefined, 'the log may have come back just now, to all');
    assert.equal(symptomOf(stalled, [stalled], steady(stuckMsMax)), undefined, 'there is nobody to compare it with');
    const oneHunt = { ...stalled, slotsWaiting: 1 };
    assert.equal(symptomOf(oneHunt, [oneHunt, link('n2')], steady(stuckMsMax)), undefined, 'the fault may be the hunt');
    const slow = { ...stalled, stalledMs: stuckMsMax - 1 };
    assert.equal(symptomOf(slow, [slow, link('n2')], steady(stuckMsMax)), undefined);
  });

  it('is said once, and taken back when the node answers again', async () => {
    let view: View = running(3);
    const said: string[] = [];
    const clock = { now: () => testNow + joinGraceMs, monotonic: () => 0 };
    const viewLog = {
      append: async (decide: ViewDecision, { by = '' }: { by?: string }) => {
        view = stepped(view, decide, { at: clock.now(), by });
        return view;
      },
    };
    const accuser = new Accuser('g1', { viewLog, clock, said: (id, what) => said.push(`${id} ${what}`) });
    let links: LinkHealth[] = [];
    const watch = new LinkWatch({
      view: {
        get view() {
          return view;
        },
        onChange: () => () => undefined,
      },
      accuser,
      clock,
      timers: { after: () => () => undefined, every: () => () => undefined, soon: (run) => run() },
      links: () => links,
    });
    const look = async () => {
      watch.look();
      await new Promise<void>((soon) => setImmediate(soon));
    };
    const incarnation = nodeOf(view, 'n2')?.incarnation ?? 0;
    links = [link('n2', { incarnation, refused: true })];
    await look();
    await look();
    assert.deepEqual(said, ['n2 nobody listens at its address']);
    assert.equal(nodeOf(view, 'n2')?.suspicions[0]?.by, 'g1');
    links = [link('n2', { incarnation })];
    await look();
    assert.deepEqual([said.length, nodeOf(view, 'n2')?.suspicions], [2, []]);
    links = [link('n2', { incarnation: incarnation - 1, refused: true })];
    await look();
    assert.equal(said.length, 2, 'of another incarnation it says nothing');
    watch.close();
  });
});
