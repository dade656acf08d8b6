import assert from 'node:assert/strict';
import { After } from '../proto/generated/node/v1/cluster.ts';
import type { Slot, StreamId, Version } from '../proto/ids.ts';
import { systemClock } from '../runtime/kernel/clock.ts';
import { systemRandom } from '../runtime/kernel/random.ts';
import { systemTimers } from '../runtime/kernel/timer.ts';
import type { AppendOutcome, EventLog, LogRecord, ReadPage } from '../runtime/log/event-log.ts';
import type { Feed, FeedListener } from '../runtime/log/feed.ts';
import { MemoryPageStore } from '../runtime/log/memory/memory-page-store.ts';
import { evolveView } from './evolve-view.ts';
import { form, join, leave } from './formation.ts';
import { ViewPlacement } from './placement.ts';
import { applied, event, formationOf, nodeAddress, testNow } from './view.fixture.ts';
import { clusterStream, emptyView, nodeOf, slotsOf } from './view.ts';
import { ViewLog } from './view-log.ts';

const formation = formationOf(['n1', 'n2', 'n3']);
const node = nodeAddress;

describe('the view', () => {
  it('is formed with every slot owned, under its own number', () => {
    const view = applied(emptyView, form(formation));
    assert.equal(view.number, 1);
    assert.equal(view.lineage, 'L1');
    assert.ok(view.owners.every((owner) => formation.members.includes(owner ?? '')));
    assert.ok(view.epochs.every((epoch) => epoch === 1));
    assert.deepEqual(
      view.nodes.map((n) => n.state),
      ['joining', 'joining', 'joining'],
    );
  });

  it('is not formed again when nothing changed, and keeps its lineage when members do', () => {
    const view = applied(emptyView, form(formation));
    assert.equal(form({ ...formation, lineage: 'L2' })(view, testNow), undefined);
    const grown = applied(view, form({ ...formation, lineage: 'L2', members: ['n1', 'n2', 'n4'] }));
    assert.equal(grown.lineage, 'L1');
    assert.deepEqual(
      grown.nodes.map((n) => n.id),
      ['n1', 'n2', 'n4'],
    );
    assert.deepEqual(
      slotsOf(view, 'n1').filter((slot) => grown.owners[slot] !== 'n1'),
      [],
    );
    for (const slot of slotsOf(view, 'n3')) assert.equal(grown.epochs[slot], 2);
    for (const slot of slotsOf(view, 'n1')) assert.equal(grown.epochs[slot], 1);
  });

  it('gives a node that joins its number as incarnation and its slots the same as epoch, again after every start', () => {
    const first = applied(emptyView, form(formation), join(node('n2')));
    const again = applied(first, join(node('n2')));
    assert.equal(nodeOf(first, 'n2')?.incarnation, 2);
    assert.equal(nodeOf(again, 'n2')?.incarnation, 3);
    for (const slot of slotsOf(again, 'n2')) assert.equal(again.epochs[slot], 3);
    for (const slot of slotsOf(again, 'n1')) assert.equal(again.epochs[slot], 1);
  });

  it('lets only the present incarnation leave, and moves no slot by it', () => {
    const view = applied(emptyView, form(formation), join(node('n1')), join(node('n1')));
    assert.equal(leave('n1', 2)(view, testNow), undefined);
    const left = applied(view, leave('n1', 3));
    assert.equal(nodeOf(left, 'n1')?.state, 'left');
    assert.deepEqual(left.owners, view.owners);
  });

  it('is formed again when nodes of an earlier start stand in it as active, and leaves their slots alone', () => {
    const old = applied(emptyView, form(formation), join(node('n1')), join(node('n2')));
    const view = applied(old, form(formation));
    assert.deepEqual(
      view.nodes.map((n) => n.state),
      ['joining', 'joining', 'joining'],
    );
    assert.deepEqual([view.owners, view.epochs], [old.owners, old.epochs]);
  });

  it('refuses a hole and an event that it does not know', () => {
    const left = { $case: 'left', value: { id: 'n1', operation: '', after: After.EXIT } } as const;
    assert.throws(() => evolveView(emptyView, event(2, left)), /cannot be followed/);
    assert.throws(() => evolveView(emptyView, { ...event(1, left), outcome: undefined }), /does not know/);
  });

  it('places a slot only on a node that is active', () => {
    const view = applied(emptyView, form(formation), join(node('n1')));
    const placement = new ViewPlacement({ view, onChange: () => () => undefined });
    assert.equal(placement.ownerOf(slotsOf(view, 'n1')[0] as number)?.addr, '/run/n1.sock');
    assert.equal(placement.ownerOf(slotsOf(view, 'n2')[0] as number), undefined);
    assert.equal(placement.view, 2);
  });
});

/** One stream in memory, with the port's conflicts and, on demand, an answer that gets lost. */
class OneStream implements EventLog, Feed {
  readonly records: LogRecord[] = [];
  readonly listeners = new Set<FeedListener>();
  /** What comes before is no longer there. */
  oldest = 1;
  loseNextAnswer = false;
  silentFeed = false;

  shared(stream: StreamId) {
    return {
      stream,
      append: async (expected: Version, count: number, bytes: Uint8Array): Promise<AppendOutcome> => {
        if (expected !== this.records.length) return { kind: 'conflict', head: this.records.length as Version };
        const record = { stream, version: (expected + 1) as Version, count, epoch: 0, position: 0 as never, bytes };
        this.records.push(record);
        if (!this.silentFeed) for (const listener of this.listeners) listener.record(record);
        if (this.loseNextAnswer) {
          this.loseNextAnswer = false;
          return { kind: 'ambiguous', message: 'the link broke' };
        }
        return { kind: 'appended', position: 0 as never };
      },
    };
  }
  async read(_stream: StreamId, from: Version): Promise<ReadPage> {
    return {
      records: this.records.slice(Math.max(from, this.oldest) - 1),
      next: undefined,
      head: this.records.length as Version,
      oldest: this.oldest as Version,
    };
  }
  async subscribe(_stream: StreamId, listener: FeedListener) {
    this.listeners.add(listener);
    return { head: this.records.length as Version, close: () => this.listeners.delete(listener) };
  }
  take = async (slot: Slot): Promise<never> => assert.fail(`slot ${slot} was taken`);
  ends = async (): Promise<never> => assert.fail('ends were asked for');
  trim = async (slot: Slot): Promise<never> => assert.fail(`slot ${slot} was trimmed`);
  readSlot = async (slot: Slot): Promise<never> => assert.fail(`slot ${slot} was read`);
  head = async () => this.records.length as Version;
  close = async () => undefined;
}

describe('the view followed through the log', () => {
  const ports = (log: OneStream) => ({
    log,
    feed: log,
    clock: systemClock,
    random: systemRandom,
    timers: systemTimers,
  });

  it('is the same for everyone when many append at once, each once', async () => {
    const log = new OneStream();
    const followers = await Promise.all(Array.from({ length: 9 }, () => ViewLog.open(ports(log))));
    await followers[0]?.append(form({ ...formation, members: followers.map((_, i) => `n${i + 1}`) }), {
      deadlineMs: 1_000,
    });
    await Promise.all(followers.map((follower, i) => follower.append(join(node(`n${i + 1}`)), { deadlineMs: 1_000 })));
    assert.equal(log.records.length, 10);
    for (const follower of followers) {
      assert.equal(follower.view.number, 10);
      assert.deepEqual(follower.view, followers[0]?.view);
      follower.close();
    }
  });

  it('does not join twice when the answer to its append was lost', async () => {
    const log = new OneStream();
    const follower = await ViewLog.open(ports(log));
    log.loseNextAnswer = true;
    const view = await follower.append(join(node('n1')), { deadlineMs: 1_000 });
    assert.equal(nodeOf(view, 'n1')?.incarnation, 1);
    assert.equal(log.records.length, 1);
  });

  it('fills what the feed did not bring', async () => {
    const log = new OneStream();
    const [one, other] = await Promise.all([ViewLog.open(ports(log)), ViewLog.open(ports(log))]);
    log.silentFeed = true;
    await one.append(form(formation), { deadlineMs: 1_000 });
    const seen = new Promise<void>((resolve) => {
      const stop = other.onChange((view) => {
        if (view.number < 2) return;
        stop();
        resolve();
      });
    });
    log.silentFeed = false;
    await one.append(join(node('n1')), { deadlineMs: 1_000 });
    await seen;
    assert.deepEqual(other.view, one.view);
  });

  describe('with a copy of it beside the log', () => {
    const filled = async () => {
      const log = new OneStream();
      const pages = new MemoryPageStore();
      const writer = await ViewLog.open({ ...ports(log), pages });
      await writer.append(form({ ...formation, lineage: 'first' }), { deadlineMs: 1_000 });
      await writer.append(join(node('n1')), { deadlineMs: 1_000 });
      writer.close();
      await new Promise<void>((soon) => setImmediate(soon));
      return { log, pages, view: writer.view };
    };

    it('needs nothing of the log that came before', async () => {
      const { log, pages, view } = await filled();
      log.oldest = 3;
      const late = await ViewLog.open({ ...ports(log), pages });
      assert.deepEqual(late.view, view);
      await late.append(join(node('n2')), { deadlineMs: 1_000 });
      assert.equal(late.view.number, 3);
    });

    it('does not use a copy of a history that the log does not know, nor one ahead of it', async () => {
      const { pages } = await filled();
      for (const events of [0, 2]) {
        const other = new OneStream();
        const writer = await ViewLog.open(ports(other));
        if (events > 0) {
          await writer.append(form({ ...formation, lineage: 'second' }), { deadlineMs: 1_000 });
          await writer.append(join(node('n1')), { deadlineMs: 1_000 });
        }
        const follower = await ViewLog.open({ ...ports(other), pages });
        assert.deepEqual(follower.view, writer.view);
      }
    });

    it('folds from the first event when the copy is lost or cannot be read', async () => {
      const { log, pages, view } = await filled();
      await pages.save(clusterStream, [{ page: 0, foldedTo: 9 as Version, bytes: Buffer.from('no view') }]);
      assert.deepEqual((await ViewLog.open({ ...ports(log), pages })).view, view);
      pages.isDown = true;
      assert.deepEqual((await ViewLog.open({ ...ports(log), pages })).view, view);
    });
  });
});
