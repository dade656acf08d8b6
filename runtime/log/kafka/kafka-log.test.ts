import assert from 'node:assert/strict';
import { Kafka, logLevel } from 'kafkajs';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import { sharedServer } from '../../../cluster/host/servers/shared-server.ts';
import type { Slot, StreamId } from '../../../proto/ids.ts';
import { eventually, freshStream, readAll, textOf, version } from '../contract-fixture.ts';
import { type AppendOutcome, LogDamagedError, LogUnavailableError, type SlotWriter } from '../event-log.ts';
import { MemoryLog } from '../memory/memory-log.ts';
import { freshTopic } from './kafka-log.fixture.ts';
import { appendsUnansweredBytesMax, KafkaLog, type KafkaLogOptions, recordBytesMax } from './kafka-log.ts';
import { MessageProxy } from './message-proxy.fixture.ts';
import { ensureTopic, eventsTopic } from './topic.ts';

describe('the Kafka log', () => {
  let topic: { brokers: string[]; prefix: string };
  const ends: (() => Promise<void>)[] = [];

  before(async function () {
    requireServer(this, 'kafka');
    topic = await freshTopic((await sharedServer('kafka')).url);
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  async function connect(options: Partial<KafkaLogOptions> = {}): Promise<KafkaLog> {
    const log = await KafkaLog.connect({ ...topic, shared: new MemoryLog(), ...options });
    ends.push(() => log.close());
    return log;
  }

  async function proxied(options: Partial<KafkaLogOptions> = {}): Promise<{ log: KafkaLog; proxy: MessageProxy }> {
    const proxy = await MessageProxy.before(topic.brokers[0] as string);
    const log = await connect({ route: proxy.route, ...options });
    ends.push(() => proxy.close());
    return { log, proxy };
  }

  const append = (writer: SlotWriter, stream: StreamId, expected: number, text: string): Promise<AppendOutcome> =>
    writer.append(stream, version(expected), 1, Buffer.from(text));

  it('refuses a record that the relay could not carry, and goes on', async () => {
    const log = await connect();
    const slot = 1 as Slot;
    const stream = freshStream(slot);
    const writer = await log.take(slot, 1);
    const large = await writer.append(stream, version(0), 1, Buffer.alloc(recordBytesMax + 1));
    assert.ok(large.kind === 'refused' && large.reason === 'too_large');
    assert.equal((await writer.append(stream, version(0), 1, Buffer.alloc(recordBytesMax))).kind, 'appended');
    assert.equal((await log.read(stream, version(1))).records[0]?.bytes.length, recordBytesMax);
  });

  it('keeps streams of shared kinds where they can be compared and set', async () => {
    const shared = new MemoryLog();
    const log = await connect({ shared });
    const stream = freshStream(0, 'cluster');
    assert.equal((await log.shared(stream).append(version(0), 1, Buffer.from('view 1'))).kind, 'appended');
    assert.deepEqual((await readAll(log, stream)).map(textOf), ['view 1']);
    assert.equal(await log.head(stream), 1);
    assert.deepEqual(shared.records(stream).map(textOf), ['view 1']);
  });

  it('answers callers in time when Kafka does not, and tells what became of it when Kafka is back', async () => {
    const patienceMs = 600;
    const { log, proxy } = await proxied({ patienceMs, requestMs: 200 });
    const slot = 2 as Slot;
    const stream = freshStream(slot);
    const writer = await log.take(slot, 1);
    assert.equal((await append(writer, stream, 0, 'before')).kind, 'appended');
    proxy.fate = () => 'lose';
    const flying = append(writer, stream, 1, 'flying');
    await eventually('the first to be on the way', () => proxy.counts.lost > 0);
    const waiting = append(writer, stream, 2, 'waiting');
    assert.equal((await flying).kind, 'ambiguous');
    const { kind } = await waiting;
    const late = await append(writer, stream, 3, 'late');
    assert.ok(late.kind === 'refused' && late.reason === 'busy', 'what was never sent is surely not done');
    await assert.rejects(log.head(stream), LogUnavailableError);
    proxy.fate = () => 'pass';
    await eventually('the head', async () => (await log.head(stream).catch(() => 0)) > 0);
    const texts = (await readAll(log, stream)).map(textOf);
    // With the request that failed went what had been asked until then; it is sent on, and nothing else is.
    assert.deepEqual(texts, kind === 'ambiguous' ? ['before', 'flying', 'waiting'] : ['before', 'flying']);
    assert.equal((await append(writer, stream, texts.length, 'after')).kind, 'appended');
    assert.deepEqual((await readAll(await connect(), stream)).map(textOf), [...texts, 'after']);
  });

  it('takes no more than it can hold while nothing is answered', async () => {
    const { log, proxy } = await proxied();
    const slot = 3 as Slot;
    const writer = await log.take(slot, 1);
    proxy.fate = () => 'lose';
    const size = 900_000;
    const most = Math.floor(appendsUnansweredBytesMax / size);
    const outcomes: (AppendOutcome | undefined)[] = [];
    for (let i = 0; i < most + 5; i++) {
      outcomes.push(undefined);
      void writer.append(freshStream(slot), version(0), 1, Buffer.alloc(size)).then((outcome) => {
        outcomes[i] = outcome;
      });
    }
    await eventually('the last to be refused', () => outcomes[most + 4] !== undefined);
    for (const [i, outcome] of outcomes.entries())
      assert.deepEqual(outcome === undefined ? 'held' : outcome.kind, i < most ? 'held' : 'refused');
  });

  it('begins at the newest checkpoint of a slot that it has never seen, and seeks what it reads', async () => {
    const slot = 4 as Slot;
    const log = await connect();
    const writer = await log.take(slot, 1);
    const [quiet, busy] = [freshStream(slot), freshStream(slot)];
    assert.equal((await append(writer, quiet, 0, 'quiet')).kind, 'appended');
    const records = 12_000;
    const appends = Array.from({ length: records }, (_, v) => append(writer, busy, v, `${v}`.padEnd(200, '.')));
    for (const outcome of await Promise.all(appends)) assert.equal(outcome.kind, 'appended');
    const { log: cold, proxy } = await proxied();
    const whole = records * 200;
    assert.equal(await cold.head(quiet), 1);
    assert.ok(proxy.counts.bytes < whole * 0.75, `${proxy.counts.bytes} bytes to know the slot`);
    const known = proxy.counts.bytes;
    assert.deepEqual((await readAll(cold, quiet)).map(textOf), ['quiet']);
    assert.equal((await readAll(cold, busy, records - 10)).length, 11);
    assert.ok(proxy.counts.bytes - known < whole * 0.25, `${proxy.counts.bytes - known} bytes for twelve records`);
  });

  it('stops a slot for good when Kafka has lost what was acknowledged', async () => {
    const slot = 5 as Slot;
    const own = await freshTopic(topic.brokers.join());
    const log = await connect({ ...own, lookMs: 60_000, patienceMs: 20_000 });
    const stream = freshStream(slot);
    const writer = await log.take(slot, 1);
    assert.equal((await append(writer, stream, 0, 'one')).kind, 'appended');
    const admin = new Kafka({ brokers: own.brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [eventsTopic(own.prefix)] });
    await admin.disconnect();
    await eventually(
      'a new topic of that name',
      () =>
        ensureTopic(own).then(
          () => true,
          () => false,
        ),
      15_000,
    );
    const outcome = await append(writer, stream, 1, 'two');
    assert.ok(outcome.kind === 'ambiguous' && /cut off/.test(outcome.message), JSON.stringify(outcome));
    const next = await append(writer, stream, 1, 'two');
    assert.ok(next.kind === 'refused' && next.reason === 'damaged', JSON.stringify(next));
    await assert.rejects(log.read(stream, version(1)), LogDamagedError);
    await assert.rejects(log.take(slot, 2), LogDamagedError);
    assert.equal(
      (await append(await log.take(6 as Slot, 1), freshStream(6), 0, 'x')).kind,
      'appended',
      'no other slot',
    );
  });
});
