import assert from 'node:assert/strict';
import type { StreamId } from '../../../proto/ids.ts';
import { version } from '../contract-fixture.ts';
import type { AppendOutcome } from '../event-log.ts';
import { writeCheckpoint } from './checkpoint.ts';
import type { BatchEntry } from './entry.ts';
import { MemoryPartition } from './partition.fixture.ts';
import { SlotLane } from './slot-lane.ts';
import { SlotReader } from './slot-reader.ts';
import { planTrim } from './trim.ts';
import type { Sendable } from './waiting-list.ts';

const limits = { rangeSpan: 8, landmarkSpan: 8, behindMax: 10, checkpointRecords: 1_000_000 };
const stream: StreamId = { kind: 'hunt', id: 5 };
const patienceMs = 1_000;

/** A lane whose requests arrive, and are answered, when the test says so. */
class Bench {
  readonly partition = new MemoryPartition();
  nowMs = 0;
  #tokens = 0;
  readonly lane = this.laneOf();

  laneOf(): SlotLane {
    return new SlotLane(new SlotReader(5, this.partition, limits), {
      now: () => this.nowMs,
      token: () => `token ${++this.#tokens}`,
      wants: () => undefined,
      holds: () => undefined,
      patienceMs,
    });
  }

  /** The next request, as it is sent. */
  load(lane = this.lane): Sendable[] {
    return lane.load(1_000, 1_000_000);
  }
  /** It arrives. */
  arrive(sendables: readonly Sendable[]): number {
    return this.partition.append(...sendables.map(({ sent }) => sent));
  }
  /** It arrives and is answered. */
  send(lane = this.lane): void {
    const sendables = this.load(lane);
    lane.landed(sendables, this.arrive(sendables));
  }

  async take(epoch: number, lane = this.lane): Promise<number> {
    const taken = lane.take(epoch);
    await until(() => lane.isReady);
    if (lane.isReady) this.send(lane);
    return taken;
  }

  append(term: number, expected: number, text = `${expected + 1}`): Promise<AppendOutcome> {
    return this.lane.append(term, stream, version(expected), 1, Buffer.from(text));
  }

  /** Somebody else takes the slot and writes so many batches behind the head. */
  rival(head: number, batches: number): void {
    const term = this.lane.reader.state.term + 1;
    const common = { term, epoch: 9, pointer: 0 };
    this.partition.append({ type: 'announcement', ...common, owner: 'rival' });
    for (let i = 1; i <= batches; i++) this.partition.append(batchOf({ ...common, seq: i, version: head + i }));
  }
}

const batchOf = (numbers: Pick<BatchEntry, 'term' | 'epoch' | 'pointer' | 'seq' | 'version'>): BatchEntry => {
  return { type: 'batch', ...numbers, total: 0, stream, count: 1, bytes: Buffer.from('rival') };
};

/** Everything that waits for nothing but promises has happened. */
async function until(holds: () => boolean = () => false): Promise<void> {
  for (let i = 0; i < 50 && !holds(); i++) await Promise.resolve();
}

const kindOf = async (outcome: Promise<AppendOutcome>): Promise<string> => {
  let kind = 'waits';
  void outcome.then((told) => {
    kind = told.kind;
  });
  await until();
  return kind;
};

describe('the owner of a slot', () => {
  it('is told nothing before its records were folded, and then where they lie', async () => {
    const bench = new Bench();
    const term = await bench.take(1);
    const [one, two] = [bench.append(term, 0), bench.append(term, 1)];
    const sent = bench.load();
    const base = bench.arrive(sent);
    assert.equal(await kindOf(one), 'waits');
    bench.lane.landed(sent, base);
    assert.deepEqual(await Promise.all([one, two]), [
      { kind: 'appended', position: base },
      { kind: 'appended', position: base + 1 },
    ]);
  });

  it('folds what lies between first', async () => {
    const bench = new Bench();
    const term = await bench.take(1);
    bench.partition.append(batchOf({ term: 0, epoch: 0, pointer: 0, seq: 1, version: 1 }));
    const one = bench.append(term, 0);
    bench.send();
    assert.equal((await one).kind, 'appended');
  });

  it('sends exactly the same again after a fault, and a copy that comes late changes nothing', async () => {
    const bench = new Bench();
    const term = await bench.take(1);
    const one = bench.append(term, 0);
    const first = bench.load();
    bench.arrive(first);
    const two = bench.append(term, 1);
    const again = bench.load();
    assert.deepEqual(again.slice(0, 1), first);
    bench.lane.landed(again, bench.arrive(again));
    assert.equal((await one).kind, 'appended');
    assert.equal((await two).kind, 'appended');
    bench.arrive(first);
    const three = bench.append(term, 2);
    bench.send();
    assert.equal((await three).kind, 'appended');
    assert.equal(bench.lane.reader.index.head(stream), 3);
  });

  it('is fenced when a newer term began before its records, though they lie where it expected them', async () => {
    const bench = new Bench();
    const term = await bench.take(1);
    const late = bench.append(term, 0);
    const sent = bench.load();
    bench.rival(0, 1);
    // A read in this process folds the rival's records while the request is on its way.
    await bench.lane.reader.catchUp();
    assert.deepEqual(await late, { kind: 'fenced', epoch: 9 });
    bench.lane.landed(sent, bench.arrive(sent));
    assert.equal(bench.lane.reader.index.head(stream), 1, 'it is a ghost');
    assert.deepEqual(await bench.append(term, 1), { kind: 'fenced', epoch: 9 });
  });

  it('tells a conflict behind what it was judged by, and only as owner', async () => {
    const bench = new Bench();
    const term = await bench.take(1);
    const one = bench.append(term, 0);
    const conflict = bench.append(term, 0);
    assert.equal(await kindOf(conflict), 'waits');
    bench.send();
    assert.equal((await one).kind, 'appended');
    assert.deepEqual(await conflict, { kind: 'conflict', head: 1 });
    bench.rival(1, 1);
    assert.deepEqual(await bench.append(term, 5), { kind: 'fenced', epoch: 9 });
  });

  it('answers in time: what was sent is ambiguous until it is folded, what was not is refused', async () => {
    const bench = new Bench();
    const term = await bench.take(1);
    const sent = bench.append(term, 0);
    const request = bench.load();
    const waiting = bench.append(term, 1);
    bench.nowMs += patienceMs + 1;
    bench.lane.checkPatience();
    assert.deepEqual([(await sent).kind, (await waiting).kind], ['ambiguous', 'refused']);
    assert.equal((await bench.append(term, 1)).kind, 'refused', 'as long as nobody knows');
    assert.deepEqual(bench.load(), request, 'it is sent on, and nothing else');
    bench.lane.landed(request, bench.arrive(request));
    const next = bench.append(term, 1);
    bench.send();
    assert.equal((await next).kind, 'appended');
  });

  it('sees what became of what it sent, however far behind it has fallen', async () => {
    const bench = new Bench();
    const term = await bench.take(1);
    const unanswered = bench.append(term, 0);
    bench.arrive(bench.load());
    bench.rival(1, 3 * limits.behindMax);
    const other = new SlotReader(5, bench.partition, limits);
    await other.catchUp();
    const offset = bench.partition.append(writeCheckpoint(other));
    bench.partition.append(batchOf({ term: 99, epoch: 9, pointer: offset + 1, seq: 1, version: 1 }));
    await bench.lane.reader.catchUp();
    assert.deepEqual(await unanswered, { kind: 'appended', position: 1 });
    assert.equal(bench.lane.isOwner, false);
  });

  it('is told that it is unknown what became of what it sent, where that was trimmed away before it looked', async () => {
    const bench = new Bench();
    const term = await bench.take(1);
    const [sent, unsent] = [bench.append(term, 0), bench.append(term, 1)];
    bench.arrive(bench.load().slice(0, 1));
    bench.rival(1, 30);
    const other = new SlotReader(5, bench.partition, limits);
    await other.catchUp();
    const entry = await planTrim(other, 20);
    assert.ok(entry !== undefined);
    bench.partition.append(entry);
    bench.partition.logStart = entry.trimmedTo;
    await bench.lane.reader.catchUp();
    assert.equal((await sent).kind, 'ambiguous');
    assert.notEqual((await unsent).kind, 'appended');
    assert.deepEqual(await bench.append(term, 31), { kind: 'fenced', epoch: 9 });
  });

  it('loses a race for the next term, and takes the one after it', async () => {
    const bench = new Bench();
    const other = bench.laneOf();
    const [mine, theirs] = [bench.lane.take(5), other.take(6)];
    await until();
    const late = bench.load(other);
    bench.send();
    assert.equal(await mine, 1);
    other.landed(late, bench.arrive(late));
    await until();
    bench.send(other);
    assert.equal(await theirs, 2);
    await assert.rejects(bench.take(5), /held under epoch 6/);
  });

  it('stops when its records lie below what it has folded', async () => {
    const bench = new Bench();
    const term = await bench.take(1);
    const [one, two] = [bench.append(term, 0), bench.append(term, 1)];
    bench.send();
    assert.deepEqual([(await one).kind, (await two).kind], ['appended', 'appended']);
    const lost = bench.append(term, 2);
    bench.lane.landed(bench.load(), 1);
    assert.match(JSON.stringify(await lost), /ambiguous.*cut off/);
    assert.match(JSON.stringify(await bench.append(term, 2)), /refused.*damaged/);
  });
});
