import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { natsServer } from '../../../cluster/host/servers/nats-server.ts';
import type { PrivateServer } from '../../../cluster/host/servers/private-server.ts';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import { sharedServer } from '../../../cluster/host/servers/shared-server.ts';
import type { Position, Slot, StreamId } from '../../../proto/ids.ts';
import { eventually, freshStream, readAll, textOf, version } from '../contract-fixture.ts';
import type { LogRecord, SlotWriter } from '../event-log.ts';
import { connectNatsLog, type NatsLog, type NatsLogOptions } from '../nats/nats-log.ts';
import { freshTopic, type PlainOptions } from './kafka-log.fixture.ts';
import { KafkaLog } from './kafka-log.ts';
import { apiKeyOf, MessageProxy } from './message-proxy.fixture.ts';
import { Relay } from './relay.ts';
import { api } from './requests.ts';

describe('the relay from Kafka to JetStream', () => {
  let nats: PrivateServer;
  let target: NatsLog;
  let source: KafkaLog;
  const relays: Relay[] = [];
  let epoch = 1;
  let topic: { brokers: string[]; prefix: string };
  const cluster = `relay-${randomBytes(4).toString('hex')}`;
  const natsOptions = (): NatsLogOptions => {
    return { servers: [nats.url], cluster, logBytesMax: 64 * 1024 * 1024, pageBytesMax: 16 * 1024 * 1024 };
  };

  before(async function () {
    requireServer(this, 'kafka');
    requireServer(this, 'nats');
    nats = await natsServer();
    topic = await freshTopic((await sharedServer('kafka')).url);
    target = await connectNatsLog(natsOptions());
    source = await KafkaLog.connect({ ...topic, shared: target });
  });
  after(async () => {
    await source?.close();
    await target?.close();
    await nats?.close();
  });
  afterEach(async () => {
    for (const relay of relays.splice(0)) await relay.close();
  });

  async function start(): Promise<Relay> {
    const relay = await Relay.start({ source, target });
    relays.push(relay);
    return relay;
  }

  async function write(writer: SlotWriter, stream: StreamId, from: number, upto: number, count = 1): Promise<void> {
    const appends = [];
    for (let v = from; v < upto; v += count)
      appends.push(writer.append(stream, version(v), count, Buffer.from(`${stream.id}/${v + 1}`)));
    for (const outcome of await Promise.all(appends)) assert.equal(outcome.kind, 'appended', JSON.stringify(outcome));
  }

  const caughtUp = (relay: Relay): Promise<void> =>
    eventually('the relay to have no lag', async () => (await relay.lag()) === 0);

  const shapeOf = (records: readonly LogRecord[]): unknown[] =>
    records.map((record) => [record.version, record.count, record.epoch, textOf(record)]);

  async function assertSame(streams: readonly StreamId[]): Promise<void> {
    for (const stream of streams)
      assert.deepEqual(shapeOf(await readAll(target, stream)), shapeOf(await readAll(source, stream)));
  }

  it('copies exactly what counts, in order, with versions, counts and epochs, and no ghosts', async () => {
    const slot = 10 as Slot;
    const streams = [freshStream(slot), freshStream(slot, 'code'), freshStream(slot)];
    const proxy = await MessageProxy.before(topic.brokers[0] as string);
    const late = await KafkaLog.connect({ ...topic, shared: target, route: proxy.route });
    const relay = await start();
    try {
      for (let head = 0; head < 60; head += 20) {
        const writer = await late.take(slot, ++epoch);
        for (const stream of streams) await write(writer, stream, head, head + 10, 2);
        let taken: () => void = () => undefined;
        const until = new Promise<void>((resolve) => {
          taken = resolve;
        });
        proxy.fate = (direction, message) =>
          direction === 'request' && apiKeyOf(message) === api.produce.key ? { until } : 'pass';
        const ghosts = streams.map((stream) => writer.append(stream, version(head + 10), 1, Buffer.from('ghost')));
        const owner = await source.take(slot, ++epoch);
        taken();
        for (const stream of streams) await write(owner, stream, head + 10, head + 20);
        for (const ghost of await Promise.all(ghosts)) assert.equal(ghost.kind, 'fenced');
        proxy.fate = () => 'pass';
      }
      await caughtUp(relay);
      await assertSame(streams);
      for (const stream of streams) assert.equal(await target.head(stream), 60);
      const counted = (await source.readSlot(slot, 0 as Position)).records.length;
      assert.ok(((await source.ends())[slot] as number) >= counted + 6 + 9, 'there were ghosts, and announcements');
    } finally {
      await late.close();
      await proxy.close();
    }
  });

  it('feeds those who follow JetStream, and tells its lag in events', async () => {
    const slot = 11 as Slot;
    const stream = freshStream(slot);
    const writer = await source.take(slot, ++epoch);
    const relay = await start();
    await write(writer, stream, 0, 30, 3);
    await caughtUp(relay);
    const seen: number[] = [];
    const listener = { record: (record: LogRecord) => void seen.push(record.version), head: () => undefined };
    const subscription = await target.subscribe(stream, listener);
    assert.equal(subscription.head, 30);
    nats.pause();
    try {
      await write(writer, stream, 30, 90, 3);
      await eventually('a lag of 60 events', async () => (await relay.lag()) === 60);
    } finally {
      nats.resume();
    }
    await caughtUp(relay);
    await eventually('20 records in the feed', () => seen.length === 20);
    assert.deepEqual(
      seen,
      Array.from({ length: 20 }, (_, i) => 31 + 3 * i),
    );
  });

  it('goes on where it was when it is killed in the middle', async () => {
    const slots = Array.from({ length: 16 }, (_, i) => (100 + i) as Slot);
    const streams = slots.map((slot) => freshStream(slot));
    const writers = await Promise.all(slots.map((slot) => source.take(slot, ++epoch)));
    const first = streams[0] as StreamId;
    for (let head = 0; head < 300; head += 100) {
      const child = await RelayProcess.start(topic, natsOptions());
      const writing = writers.map((writer, i) => write(writer, streams[i] as StreamId, head, head + 100));
      await eventually('some of it in JetStream', async () => (await target.head(first)) > head);
      await child.kill();
      await Promise.all(writing);
    }
    await caughtUp(await start());
    await assertSame(streams);
  });

  it('does no harm when it was stopped, overtaken and wakes up', async () => {
    const slot = 12 as Slot;
    const streams = [freshStream(slot), freshStream(slot)] as const;
    const child = await RelayProcess.start(topic, natsOptions());
    try {
      const writer = await source.take(slot, ++epoch);
      const writing = streams.map((stream) => write(writer, stream, 0, 200));
      await eventually('some of it in JetStream', async () => (await target.head(streams[0])) > 0);
      child.signal('SIGSTOP');
      await Promise.all(writing);
      const relay = await start();
      await caughtUp(relay);
      const next = await source.take(slot, ++epoch);
      for (const stream of streams) await write(next, stream, 200, 250);
      await caughtUp(relay);
      await relay.close();
      child.signal('SIGCONT');
      // It has caught up when it relays what only it can.
      for (const stream of streams) await write(next, stream, 250, 300);
      await eventually('the rest, by the one that woke up', async () => {
        return (await Promise.all(streams.map((stream) => target.head(stream)))).every((head) => head === 300);
      });
      await assertSame(streams);
    } finally {
      await child.kill();
    }
  });

  it('passes over what is there when the target has lost where it was, and beside another', async () => {
    const slot = 14 as Slot;
    const stream = freshStream(slot);
    const [one, other] = [await start(), await start()];
    for (let head = 0; head < 120; head += 40) {
      const writer = await source.take(slot, ++epoch);
      await write(writer, stream, head, head + 40);
    }
    await caughtUp(one);
    await caughtUp(other);
    for (const relay of relays.splice(0)) await relay.close();
    for (let lost = 0; lost < 256; lost++) await target.drop({ kind: 'relay', id: lost }, [0]);
    await caughtUp(await start());
    await assertSame([stream]);
  });

  it('parks a stream whose beginning is gone, and holds up no other', async () => {
    const slot = 15 as Slot;
    const [old, young] = [freshStream(slot), freshStream(slot)];
    const writer = await source.take(slot, ++epoch);
    await write(writer, old, 0, 10);
    const { records } = await source.readSlot(slot, 0 as Position);
    await source.trim(slot, (records[5] as LogRecord).position);
    await write(writer, young, 0, 10);
    const empty = await connectNatsLog({ ...natsOptions(), cluster: `${cluster}-empty` });
    const failures: string[] = [];
    const relay = await Relay.start({ source, target: empty, failed: (error) => failures.push(error.message) });
    try {
      await eventually('the young one in JetStream', async () => (await empty.head(young)) === 10);
      await write(writer, young, 10, 20);
      await write(writer, old, 10, 20);
      await eventually('all of it', async () => (await empty.head(young)) === 20 && (await relay.lag()) === 0);
      assert.deepEqual([...relay.parked.keys()], [`hunt/${old.id}`]);
      assert.match(
        relay.parked.get(`hunt/${old.id}`) ?? '',
        /JetStream holds it up to version 0, Kafka goes on at version \d+/,
      );
      assert.match(failures.join(), new RegExp(`hunt/${old.id}, version 6: .*conflict`));
    } finally {
      await relay.close();
      await empty.close();
    }
  });

  it('trims the copy behind the original', async () => {
    const slot = 13 as Slot;
    const [stream, quiet] = [freshStream(slot), freshStream(slot)];
    const writer = await source.take(slot, ++epoch);
    const relay = await start();
    await write(writer, quiet, 0, 1);
    await write(writer, stream, 0, 40);
    await caughtUp(relay);
    const { records } = await source.readSlot(slot, 0 as Position);
    const { position } = records.find((record) => record.version === 31) as LogRecord;
    assert.equal(await source.trim(slot, position), position);
    await eventually('the copy to be trimmed', async () => (await target.read(stream, version(1))).oldest > 1);
    await write(writer, stream, 40, 50);
    await write(writer, quiet, 1, 2);
    await caughtUp(relay);
    const { oldest } = await source.read(stream, version(1));
    assert.equal(oldest, 31);
    assert.deepEqual(shapeOf(await readAll(target, stream, oldest)), shapeOf(await readAll(source, stream, oldest)));
    assert.equal(await target.head(quiet), 2);
  });
});

class RelayProcess {
  private constructor(readonly child: ChildProcess) {}

  static async start(kafka: PlainOptions, nats: NatsLogOptions): Promise<RelayProcess> {
    const module = fileURLToPath(new URL('./relay.child.js', import.meta.url));
    const child = fork(module, [JSON.stringify([kafka, nats])]);
    await new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', () => reject(new Error('the relay ended at its start')));
    });
    return new RelayProcess(child);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}
