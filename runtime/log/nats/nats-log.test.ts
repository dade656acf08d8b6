import assert from 'node:assert/strict';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import { sharedServer } from '../../../cluster/host/servers/shared-server.ts';
import type { Position, Slot, StreamId } from '../../../proto/ids.ts';
import { bytesOf, eventually, freshStream, readAll, textOf, version, WriterProcess } from '../contract-fixture.ts';
import { type AppendOutcome, LogUnavailableError, type SlotWriter } from '../event-log.ts';
import { Follower } from '../feed.contract.ts';
import { adapterFloor, bareFloor } from './floor.bench.ts';
import { NatsCluster } from './nats-log.fixture.ts';
import { checkNatsServer, connectNatsLog } from './nats-log.ts';
import { NatsServerError } from './stream-config.ts';

const slot = 7 as Slot;

const append = (
  writer: SlotWriter,
  stream: StreamId,
  expected: number,
  text: string | Buffer,
): Promise<AppendOutcome> =>
  writer.append(stream, version(expected), 1, typeof text === 'string' ? bytesOf(text) : text);

async function done(outcomes: readonly Promise<AppendOutcome>[]): Promise<void> {
  for (const outcome of await Promise.all(outcomes)) assert.equal(outcome.kind, 'appended', JSON.stringify(outcome));
}

describe('a log on a NATS server', () => {
  let url: string;
  let cluster: NatsCluster;

  before(async function () {
    requireServer(this, 'nats');
    ({ url } = await sharedServer('nats'));
  });
  beforeEach(() => {
    cluster = new NatsCluster(url, { removeMin: 1 });
  });
  afterEach(() => cluster?.close());

  it('keeps a refused append from the feed, though the server delivers it to who listens where appends go', async () => {
    const log = await cluster.open();
    const stream = freshStream(slot);
    const heard: string[] = [];
    const plain = await cluster.plain();
    plain.subscribe(cluster.names.record(stream), { callback: (_, message) => heard.push(message.string()) });
    await plain.flush();
    const follower = new Follower(log, stream, 0);
    await log.subscribe(stream, follower);
    const writer = await log.take(slot, 1);
    const rival = await (await cluster.open()).take(slot, 1);
    await done([append(rival, stream, 0, 'first')]);
    assert.deepEqual(await append(writer, stream, 0, 'refused'), { kind: 'conflict', head: 1 });
    await done([append(writer, stream, 1, 'second')]);
    await eventually('the second record at the follower', () => follower.upto === 2);
    assert.deepEqual(follower.seen.map(textOf), ['first', 'second']);
    assert.ok(heard.includes('refused'), 'the trap is there');
  });

  it('refuses as full what no longer fits, drops nothing, can be taken over and trimmed; then there is room', async () => {
    const full = new NatsCluster(url, { logBytesMax: 1024 * 1024, removeMin: 1 });
    try {
      const log = await full.open();
      const writer = await log.take(slot, 1);
      const [stream, quiet] = [freshStream(slot), freshStream(slot)];
      await done([append(writer, quiet, 0, 'quiet')]);
      let head = 0;
      let outcome: AppendOutcome;
      for (;;) {
        outcome = await append(writer, stream, head, Buffer.alloc(20_000, head));
        if (outcome.kind !== 'appended') break;
        head++;
      }
      assert.equal(outcome.kind === 'refused' && outcome.reason, 'full', JSON.stringify(outcome));
      assert.match(JSON.stringify(outcome), /archive and trim it, or give it more/);
      assert.equal((await readAll(log, stream)).length, head);
      assert.equal((await full.streamState(full.names.log)).first_seq, 1, 'nothing old was dropped');
      const owner = await log.take(slot, 2);
      const { position } = (await readAll(log, stream, head - 10))[0] as { position: Position };
      assert.equal(await log.trim(slot, position), position);
      await log.removeTrimmed();
      assert.equal(await log.head(quiet), 1, 'the head of what is gone was kept');
      await done([append(owner, stream, head, 'on'), append(owner, quiet, 1, 'on')]);
      assert.deepEqual(await append(owner, quiet, 1, 'again'), { kind: 'conflict', head: 2 });
    } finally {
      await full.close();
    }
  });

  it('removes what all slots have let go of, and keeps every head through it, while others append', async () => {
    const log = await cluster.open();
    const slots = [7, 8, 9] as Slot[];
    const writers = await Promise.all(slots.map((one) => log.take(one, 1)));
    const streams = slots.flatMap((one) => Array.from({ length: 10 }, () => freshStream(one)));
    const writerOf = (stream: StreamId): SlotWriter => writers[slots.indexOf((stream.id % 256) as Slot)] as SlotWriter;
    for (let v = 0; v < 20; v++)
      await done(streams.map((stream) => append(writerOf(stream), stream, v, `${v}`.padEnd(1_000, '.'))));
    const before = await cluster.streamState(cluster.names.log);
    const ends = await log.ends();
    await log.trim(7 as Slot, ends[7] as Position);
    await log.trim(8 as Slot, ends[8] as Position);
    await log.removeTrimmed();
    const first = (await cluster.streamState(cluster.names.log)).first_seq;
    assert.ok(first <= before.first_seq + 30, 'slot 9 has let go of nothing, so nothing behind its first record went');
    const appending = streams.map(async (stream, i) => {
      if (i % 3 === 0) return 20;
      for (let v = 20; v < 40; v++) await done([append(writerOf(stream), stream, v, `${v}`)]);
      return 40;
    });
    await log.trim(9 as Slot, ends[9] as Position);
    await log.removeTrimmed();
    const heads = await Promise.all(appending);
    const after = await cluster.streamState(cluster.names.log);
    assert.ok(after.first_seq >= (ends[9] as number) - 3, 'the front is gone');
    assert.ok(after.bytes < before.bytes / 2, `${after.bytes} bytes are left of ${before.bytes}`);
    const other = await cluster.open();
    for (const [i, stream] of streams.entries()) {
      const page = await other.read(stream, version(1));
      assert.equal(page.head, heads[i]);
      assert.equal(page.oldest, 21);
      assert.equal((await readAll(other, stream, page.oldest)).length, (heads[i] as number) - 20);
      assert.equal((await append(writerOf(stream), stream, 0, 'forged')).kind, 'conflict');
      await done([append(writerOf(stream), stream, heads[i] as number, 'on')]);
      assert.deepEqual((await readAll(other, stream, 21)).length, (heads[i] as number) - 19);
    }
    const page = await other.readSlot(7 as Slot, 0 as Position);
    assert.ok(page.records.every((record) => record.count > 0 && record.position >= (ends[7] as number)));
  });

  it('reads any part of a long stream between many others, with few questions', async () => {
    const log = await cluster.open();
    const writer = await log.take(slot, 1);
    const long = freshStream(slot);
    const others = Array.from({ length: 30 }, () => freshStream(slot));
    const outcomes: Promise<AppendOutcome>[] = [];
    for (let v = 0; v < 3_000; v++) {
      outcomes.push(append(writer, long, v, `${v + 1}`));
      // Bursts, so that versions and sequences are not proportional.
      if (v < 500 || v > 2_800) for (const other of others.slice(0, v % 7)) await append(writer, other, 0, 'x');
    }
    await done(outcomes);
    const reader = await cluster.open();
    const texts = (await readAll(reader, long)).map(textOf);
    assert.deepEqual(
      texts,
      Array.from({ length: 3_000 }, (_, i) => `${i + 1}`),
    );
    for (const from of [1, 2, 255, 256, 257, 1_500, 2_743, 2_744, 2_999, 3_000]) {
      const fresh = await cluster.open();
      const page = await fresh.read(long, version(from), 2_000);
      assert.equal(page.records[0]?.version, from);
      assert.equal(page.head, 3_000);
      const last = page.records.at(-1);
      assert.equal(page.next, last?.version === 3_000 ? undefined : (last?.version ?? 0) + 1);
      await fresh.close();
    }
  });

  it('judges the appends behind one that met a conflict with it, in the order of the calls', async () => {
    const log = await cluster.open();
    const stream = freshStream(slot);
    const writer = await log.take(slot, 1);
    const rival = await (await cluster.open()).take(slot, 1);
    await done([append(rival, stream, 0, 'theirs'), append(rival, stream, 1, 'theirs')]);
    const outcomes = await Promise.all([0, 1, 2, 3].map((v) => append(writer, stream, v, `mine ${v}`)));
    assert.deepEqual(
      outcomes.map((outcome) => outcome.kind),
      ['conflict', 'conflict', 'appended', 'appended'],
    );
    assert.deepEqual((await readAll(log, stream)).map(textOf), ['theirs', 'theirs', 'mine 2', 'mine 3']);
  });

  it('lets one of two processes that write the same streams win each version', async () => {
    const log = await cluster.open();
    const opener = { module: new URL('./nats-log.js', import.meta.url).href, args: cluster.options };
    const racers = await Promise.all([WriterProcess.start(opener), WriterProcess.start(opener)]);
    try {
      await Promise.all(racers.map((racer) => racer.take(slot, 5)));
      const streams = Array.from({ length: 4 }, () => freshStream(slot));
      const wins = new Map<string, string>();
      const race = async (racer: WriterProcess, who: string, stream: StreamId): Promise<void> => {
        for (let head = 0; head < 50; ) {
          const outcome = await racer.append(stream, head, `${who} ${head + 1}`);
          if (outcome.kind === 'appended') {
            const key = `${stream.id}/${++head}`;
            assert.equal(wins.get(key), undefined, `version ${head} was won twice`);
            wins.set(key, `${who} ${head}`);
          } else if (outcome.kind === 'conflict') head = outcome.head;
          else assert.fail(JSON.stringify(outcome));
        }
      };
      await Promise.all(streams.flatMap((stream) => racers.map((racer, i) => race(racer, `racer ${i}`, stream))));
      for (const stream of streams)
        assert.deepEqual(
          (await readAll(log, stream)).map(textOf),
          Array.from({ length: 50 }, (_, i) => wins.get(`${stream.id}/${i + 1}`)),
        );
    } finally {
      await Promise.all(racers.map((racer) => racer.end()));
    }
  });

  it('refuses a record that is larger than a message may be, and stores such a page in parts', async () => {
    const log = await cluster.open();
    const writer = await log.take(slot, 1);
    const stream = freshStream(slot);
    const large = Buffer.alloc(3 * 1024 * 1024);
    for (let i = 0; i < large.length; i += 7) large[i] = i % 251;
    const outcome = await append(writer, stream, 0, large);
    assert.ok(outcome.kind === 'refused' && outcome.reason === 'too_large', JSON.stringify(outcome));
    assert.match(outcome.message, /max_payload/);
    await done([append(writer, stream, 0, large.subarray(0, 1_000_000))]);
    const pageOf = async (): Promise<unknown> => {
      const [page] = await log.load(stream, [0]);
      return page && [page.foldedTo, Buffer.from(page.bytes).equals(large), page.bytes.byteLength];
    };
    await log.save(stream, [{ page: 0, foldedTo: version(5), bytes: large }]);
    assert.deepEqual(await pageOf(), [5, true, large.length]);
    await log.save(stream, [{ page: 0, foldedTo: version(4), bytes: large.subarray(1) }]);
    assert.deepEqual(await pageOf(), [5, true, large.length], 'an older one changes nothing');
    await log.save(stream, [{ page: 0, foldedTo: version(6), bytes: large }]);
    assert.deepEqual(await pageOf(), [6, true, large.length]);
    assert.equal((await cluster.streamState(cluster.names.pages)).messages, 1 + 4, 'the parts of the others are gone');
    await log.save(stream, [{ page: 0, foldedTo: version(7), bytes: bytesOf('small') }]);
    assert.equal((await cluster.streamState(cluster.names.pages)).messages, 1);
    await log.save(stream, [{ page: 0, foldedTo: version(8), bytes: large }]);
    await log.drop(stream, [0]);
    assert.equal((await cluster.streamState(cluster.names.pages)).messages, 0);
  });

  it('names what is missing when its stream was removed, and is there again when the stream is', async () => {
    const log = await cluster.open({ patienceMs: 400 });
    const writer = await log.take(slot, 1);
    await cluster.deleteStream(cluster.names.log);
    const outcome = await append(writer, freshStream(slot), 0, 'lost');
    assert.ok(outcome.kind === 'refused' && outcome.reason === 'busy', JSON.stringify(outcome));
    assert.match(outcome.message, /no responders\): its JetStream is off or not ready, or the stream is missing/);
    await assert.rejects(log.head(freshStream(slot)), (error: Error) => {
      assert.ok(error instanceof LogUnavailableError);
      return /no responders/.test(error.message);
    });
    await cluster.open();
    await done([append(writer, freshStream(slot), 0, 'back')]);
  });

  it('says what is wrong with a stream that is not as it wants it, and changes nothing', async () => {
    const plain = await cluster.plain();
    const { log: name, prefix } = cluster.names;
    const theirs = {
      name,
      subjects: [`${prefix}.*.*.*`],
      storage: 'file',
      discard: 'old',
      max_age: 3_600_000_000_000,
      max_bytes: 1e6,
    };
    await plain.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify(theirs));
    await assert.rejects(cluster.open(), (error: Error) => {
      assert.ok(error instanceof NatsServerError);
      for (const key of ['discard "old" where "new"', 'max_age 3600000000000 where 0', 'republish', 'republish'])
        assert.ok(error.message.includes(key), `${key} in: ${error.message}`);
      return true;
    });
  });

  it('lets two clusters share a server', async () => {
    const other = new NatsCluster(url);
    try {
      const [here, there] = [await cluster.open(), await other.open()];
      const stream = freshStream(slot);
      await done([
        append(await here.take(slot, 9), stream, 0, 'here'),
        append(await there.take(slot, 1), stream, 0, 'there'),
      ]);
      assert.deepEqual((await readAll(here, stream)).map(textOf), ['here']);
      assert.deepEqual((await readAll(there, stream)).map(textOf), ['there']);
    } finally {
      await other.close();
    }
  });

  it('is measured against bare publishes, at a small size', async () => {
    const options = { url, seconds: 0.3, streams: 50 };
    for (const floor of [bareFloor, adapterFloor]) {
      assert.ok((await floor({ ...options, inFlight: 8 })).perSecond > 0);
      assert.equal((await floor({ ...options, perSecond: 500 })).appended, 150);
    }
  });

  it('is checked at the start', async () => {
    const { faults, notes } = await checkNatsServer(cluster.options);
    assert.deepEqual(faults, []);
    assert.match(notes.join(), /syncs its files/);
    // Debian's server is older than 2.9.21.
    const clustered = await checkNatsServer({ ...cluster.options, replicas: 3 });
    if (/must not hold/.test(clustered.faults.join()))
      await assert.rejects(connectNatsLog({ ...cluster.options, replicas: 3 }), /could win, which would fork hunts/);
    await assert.rejects(
      connectNatsLog({ ...cluster.options, servers: ['nats://127.0.0.1:1'], connectMs: 200 }),
      (error: Error) =>
        error instanceof LogUnavailableError && /no NATS server answers at 127\.0\.0\.1:1/.test(error.message),
    );
  });
});
