import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Position, type StreamId, streamKey, type Version } from '../../../proto/ids.ts';
import { LogDamagedError, type LogRecord } from '../event-log.ts';
import { writeCheckpoint } from './checkpoint.ts';
import type { BatchEntry } from './entry.ts';
import { emptySlot, type FoldState, fold } from './fold.ts';
import { MemoryPartition } from './partition.fixture.ts';
import { SlotReader } from './slot-reader.ts';
import { SlotReads } from './slot-reads.ts';
import { planTrim } from './trim.ts';

const slot = 5;
const limits = { rangeSpan: 6, landmarkSpan: 4, behindMax: 12, checkpointRecords: 8 };
const streams: readonly StreamId[] = [
  { kind: 'hunt', id: 5 },
  { kind: 'hunt', id: 261 },
  { kind: 'code', id: 5 },
  { kind: 'key', id: 2 ** 45 + 5 },
];

interface Told {
  readonly offset: number;
  readonly stream: StreamId;
  readonly version: number;
  readonly count: number;
}

/** A partition whose true history is known, and readers that are here and there in it. */
class World {
  readonly partition = new MemoryPartition();
  readonly history: Told[] = [];
  readonly readers = [this.fresh(), this.fresh(), this.fresh()];
  readonly reads = new SlotReads();
  trimmedTo = 0;
  #state: FoldState = emptySlot;
  readonly #heads = new Map<string, number>();

  fresh(): SlotReader {
    return new SlotReader(slot, this.partition, limits);
  }

  head(stream: StreamId): number {
    return this.#heads.get(streamKey(stream)) ?? 0;
  }

  announce(shift: number, pointer: number): void {
    const { term, epoch } = this.#state;
    const offset = this.partition.logEnd;
    const entry = { type: 'announcement', term: term + shift, epoch, owner: `${offset}`, pointer } as const;
    this.partition.append(entry);
    this.#state = fold(this.#state, entry);
  }

  /** Of the present term and next in turn if the shifts are 0, else most likely a ghost. */
  batch(stream: StreamId, count: number, shift: { term: number; seq: number }, pointer: number): void {
    const { term, epoch, seq, total } = this.#state;
    const version = this.head(stream) + 1;
    const bytes = Buffer.alloc(10 + (version % 50), version);
    const entry: BatchEntry = {
      ...{ type: 'batch', term: Math.max(0, term + shift.term), epoch, seq: seq + 1 + shift.seq, total },
      ...{ stream, version, count, pointer, bytes },
    };
    const offset = this.partition.append(entry);
    const next = fold(this.#state, entry);
    if (next !== this.#state) {
      this.#heads.set(streamKey(stream), version + count - 1);
      this.history.push({ offset, stream, version, count });
    }
    this.#state = next;
  }

  async trim(reader: SlotReader, before: number, deletes: boolean): Promise<void> {
    await reader.catchUp();
    const entry = await planTrim(reader, before);
    if (entry !== undefined) {
      this.partition.append(entry);
      this.trimmedTo = entry.trimmedTo;
      assert.ok(entry.trimmedTo <= before);
      assert.ok(
        this.history.some(({ offset }) => offset === entry.trimmedTo),
        'it is cut at a record that counts',
      );
    }
    if (deletes) this.partition.logStart = this.trimmedTo;
  }

  async check(reader: SlotReader, stream: StreamId, from: number): Promise<void> {
    const own = this.history.filter((one) => one.stream === stream);
    const left = own.filter(({ offset }) => offset >= this.trimmedTo);
    const oldest = left[0]?.version ?? (own.length === 0 ? 1 : this.head(stream) + 1);
    const records: LogRecord[] = [];
    for (let next: Version | undefined = from as Version; next !== undefined; ) {
      const page = await this.reads.read(reader, stream, next, 60);
      assert.deepEqual([page.head, page.oldest], [this.head(stream), oldest]);
      records.push(...page.records);
      next = page.next;
    }
    assert.deepEqual(
      records.map(({ position, version, count }) => [position, version, count]),
      left.filter(({ version, count }) => version + count > from).map((one) => [one.offset, one.version, one.count]),
    );
    assert.equal(reader.state.term, this.#state.term);
    assert.equal(reader.state.total, this.#state.total);
  }

  async checkSlot(reader: SlotReader, from: number): Promise<void> {
    const positions: number[] = [];
    for (let next = from; ; ) {
      const page = await this.reads.readSlot(reader, next as Position, 60);
      positions.push(...page.records.map(({ position }) => position as number));
      next = page.next;
      if (page.next === page.end) break;
    }
    // What is trimmed but not deleted yet may be shown or not.
    const wanted = this.history.map(({ offset }) => offset as number).filter((offset) => offset >= from);
    const kept = wanted.filter((offset) => offset >= this.trimmedTo);
    assert.deepEqual(positions.slice(positions.length - kept.length), kept);
    assert.deepEqual(positions, wanted.slice(wanted.length - positions.length));
  }
}

type Step = readonly [what: number, a: number, b: number, c: number];

async function run(steps: readonly Step[]): Promise<void> {
  const world = new World();
  world.announce(1, 0);
  for (const [what, a, b, c] of steps) {
    const reader = world.readers[a % world.readers.length] as SlotReader;
    const stream = streams[b % streams.length] as StreamId;
    const { pointer } = reader;
    if (what < 60) world.batch(stream, 1 + (c % 3), { term: 0, seq: 0 }, pointer);
    else if (what < 66) world.batch(stream, 1, { term: -(c % 2), seq: (b % 3) - 1 }, pointer);
    else if (what < 70) world.announce(c % 3, pointer);
    else if (what < 76) await reader.catchUp();
    else if (what < 84) world.partition.append(writeCheckpoint(reader));
    else if (what < 87) await world.trim(reader, b % (world.partition.logEnd + 1), c % 3 > 0);
    else {
      const anyone = what < 94 ? reader : world.fresh();
      await world.check(anyone, stream, 1 + (c % (world.head(stream) + 2)));
      await world.checkSlot(anyone, b % (world.partition.logEnd + 1));
    }
  }
  for (const reader of [...world.readers, world.fresh()]) {
    for (const stream of streams) await world.check(reader, stream, 1);
    await world.checkSlot(reader, 0);
  }
}

const batchAt = (seq: number, version: number): BatchEntry => ({
  ...{ type: 'batch', term: 1, epoch: 1, pointer: 0, seq, total: 0 },
  ...{ stream: streams[0] as StreamId, version, count: 1, bytes: Buffer.from('x') },
});
const announcement = { type: 'announcement', term: 1, epoch: 1, owner: 'a', pointer: 0 } as const;

describe('readers of a slot', () => {
  it('agree with its history wherever they began, through ghosts, late checkpoints and trims', async () => {
    const number = fc.nat(1_000_000);
    const step = fc.tuple(fc.nat(99), number, number, number);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 250, size: 'max' }), (steps) => run(steps)),
      { numRuns: 100 },
    );
  });

  it('stop for good where the log was cut off below what they had folded', async () => {
    const partition = new MemoryPartition();
    partition.append(announcement, batchAt(1, 1), batchAt(2, 2));
    const reader = new SlotReader(slot, partition, limits);
    await reader.catchUp();
    partition.logEnd = 2;
    await assert.rejects(
      reader.catchUp(),
      (error: Error) => error instanceof LogDamagedError && /cut off/.test(error.message),
    );
    partition.logEnd = 3;
    await assert.rejects(reader.catchUp(), LogDamagedError, 'and stay so, whatever the log says later');
  });

  it('stop where a batch counts whose version does not follow', async () => {
    const partition = new MemoryPartition();
    partition.append(announcement, batchAt(1, 1), batchAt(2, 3));
    const reader = new SlotReader(slot, partition, limits);
    await assert.rejects(reader.catchUp(), /version 3 at offset 2 follows version 1/);
  });

  it('say so where somebody else deleted what no checkpoint knows', async () => {
    const partition = new MemoryPartition();
    partition.append(announcement, batchAt(1, 1), batchAt(2, 2));
    partition.logStart = 1;
    await assert.rejects(new SlotReader(slot, partition, limits).catchUp(), /somebody else deleted/);
  });

  it('report a flipped byte', async () => {
    const partition = new MemoryPartition();
    partition.append(announcement, batchAt(1, 1));
    const { fetch } = partition;
    partition.fetch = async (...args) => {
      const found = await fetch.apply(partition, args);
      if (found !== undefined) found.bytes[found.to - 2] = (found.bytes[found.to - 2] as number) ^ 1;
      return found;
    };
    await assert.rejects(new SlotReader(slot, partition, limits).catchUp(), /checksum/);
  });
});
