/** What every Feed must do. Each adapter's test calls this with a fixture of its own. */
import assert from 'node:assert/strict';
import type { Slot, StreamId } from '../../proto/ids.ts';
import { bytesOf, eventually, freshStream, type LogFixture, readAll, version } from './contract-fixture.ts';
import type { EventLog, LogRecord, SlotWriter } from './event-log.ts';
import type { Feed, FeedListener } from './feed.ts';

/** Follows a stream as a gateway does: live records, and gaps filled by reading. */
export class Follower implements FeedListener {
  /** In the order in which they first came, without holes. */
  readonly seen: LogRecord[] = [];
  readonly heads: number[] = [];
  readonly raw: number[] = [];
  #filling: Promise<void> | undefined;
  /** The highest version that it was told of: what comes while a gap is being read is read too. */
  #told = 0;

  constructor(
    private readonly log: EventLog,
    private readonly stream: StreamId,
    public upto: number,
  ) {}

  record(record: LogRecord): void {
    this.raw.push(record.version);
    this.#told = Math.max(this.#told, record.version + record.count - 1);
    if (record.version <= this.upto) return;
    if (record.version > this.upto + 1) this.#fill();
    else this.#add(record);
  }

  head(head: number): void {
    this.heads.push(head);
    this.#told = Math.max(this.#told, head);
    if (head > this.upto) this.#fill();
  }

  #add(record: LogRecord): void {
    if (record.version !== this.upto + 1) return;
    this.seen.push({ ...record, bytes: Uint8Array.from(record.bytes) });
    this.upto = record.version + record.count - 1;
  }

  #fill(): void {
    this.#filling ??= readAll(this.log, this.stream, this.upto + 1)
      .then((records) => {
        for (const record of records) this.#add(record);
      })
      .finally(() => {
        this.#filling = undefined;
        if (this.upto < this.#told) this.#fill();
      });
  }
}

export function feedContract(name: string, make: () => Promise<LogFixture<EventLog & Feed>>): void {
  describe(`${name} as Feed`, () => {
    let fixture: LogFixture<EventLog & Feed>;
    let log: EventLog & Feed;
    let gateway: EventLog & Feed;
    let epoch = Math.floor(Date.now() / 1000);
    const slot = 99 as Slot;

    before(async () => {
      fixture = await make();
      log = await fixture.open();
      gateway = await fixture.open();
    });
    after(async () => {
      await log?.close();
      await gateway?.close();
      await fixture?.close();
    });

    async function write(writer: SlotWriter, stream: StreamId, from: number, upto: number): Promise<void> {
      const outcomes = [];
      for (let v = from; v <= upto; v++) outcomes.push(writer.append(stream, version(v - 1), 1, bytesOf(`${v}`)));
      for (const outcome of await Promise.all(outcomes)) assert.equal(outcome.kind, 'appended');
    }

    it('delivers every record behind the head that it resolved with, in order', async () => {
      const writer = await log.take(slot, ++epoch);
      const stream = freshStream(slot);
      await write(writer, stream, 1, 5);
      const follower = new Follower(gateway, stream, 5);
      const subscription = await gateway.subscribe(stream, follower);
      assert.equal(subscription.head, 5);
      await write(writer, stream, 6, 200);
      await eventually('200 versions at the follower', () => follower.upto === 200);
      assert.deepEqual(
        follower.raw,
        Array.from({ length: 195 }, (_, i) => i + 6),
        'without a break no gap and no repetition',
      );
      subscription.close();
    });

    it('has no gap between the head and the first record, however busy the stream', async () => {
      const writer = await log.take(slot, ++epoch);
      const stream = freshStream(slot);
      const writing = write(writer, stream, 1, 2_000);
      const followers: { head: number; raw: number[] }[] = [];
      for (let i = 0; i < 20; i++) {
        const raw: number[] = [];
        const subscription = await gateway.subscribe(stream, {
          record: (record) => raw.push(record.version),
          head: () => undefined,
        });
        followers.push({ head: subscription.head, raw });
      }
      await writing;
      await eventually('the last record at all followers', () =>
        followers.every((one) => one.head === 2_000 || one.raw.at(-1) === 2_000),
      );
      for (const { head, raw } of followers)
        assert.deepEqual(
          raw,
          Array.from({ length: 2_000 - head }, (_, i) => head + 1 + i),
        );
    });

    it('delivers only what is subscribed, and nothing after close', async () => {
      const writer = await log.take(slot, ++epoch);
      const [wanted, other] = [freshStream(slot), freshStream(slot)];
      const follower = new Follower(gateway, wanted, 0);
      const subscription = await gateway.subscribe(wanted, follower);
      await write(writer, other, 1, 3);
      await write(writer, wanted, 1, 3);
      await eventually('three records', () => follower.upto === 3);
      subscription.close();
      await write(writer, wanted, 4, 6);
      const again = await gateway.subscribe(wanted, { record: () => undefined, head: () => undefined });
      assert.equal(again.head, 6);
      assert.deepEqual(follower.raw, [1, 2, 3]);
      again.close();
    });

    it('never delivers an append that was refused', async () => {
      const writer = await log.take(slot, ++epoch);
      const stream = freshStream(slot);
      const follower = new Follower(gateway, stream, 0);
      await gateway.subscribe(stream, follower);
      assert.equal((await writer.append(stream, version(0), 1, bytesOf('yes'))).kind, 'appended');
      assert.equal((await writer.append(stream, version(0), 1, bytesOf('no'))).kind, 'conflict');
      assert.equal((await writer.append(stream, version(1), 1, bytesOf('yes'))).kind, 'appended');
      await eventually('two records', () => follower.upto === 2);
      assert.deepEqual(
        follower.seen.map((one) => Buffer.from(one.bytes).toString()),
        ['yes', 'yes'],
      );
    });

    it('goes on through restarts: at least once, in order, and with the head that it found', async function () {
      if (fixture.restartServer === undefined) this.skip();
      const writer = await log.take(slot, ++epoch);
      const stream = freshStream(slot);
      const follower = new Follower(gateway, stream, 0);
      await gateway.subscribe(stream, follower);
      await write(writer, stream, 1, 50);
      const writing = write(writer, stream, 51, 300);
      await fixture.restartServer();
      await writing;
      await eventually('the head after the restart', () => follower.heads.length > 0);
      await write(writer, stream, 301, 400);
      await eventually('400 versions at the follower', () => follower.upto === 400);
      assert.deepEqual(
        follower.seen.map((one) => one.version),
        Array.from({ length: 400 }, (_, i) => i + 1),
      );
    });
  });
}
