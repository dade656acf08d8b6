/**
 * The log process killed at random points under load, and its files damaged. The checker reads only what clients were told
 * and what the segments hold. One seed = one sequence of kills; HUNT_TEST_SEED replays it.
 */
import assert from 'node:assert/strict';
import { open as openFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Slot, StreamId } from '../../../proto/ids.ts';
import { bytesOf, eventually, freshStream, readAll, seeded, textOf, version } from '../contract-fixture.ts';
import { LogDamagedError, type LogRecord, type SlotWriter } from '../event-log.ts';
import { EmbeddedLog } from './client.ts';
import { LogProcess } from './log-process.ts';
import { type OfflineItem, openSegmentsReadOnly } from './offline.ts';
import {
  at,
  offsetOf,
  placeRecord,
  positionOf,
  recordBytes,
  recordHeaderBytes,
  recordType,
  segmentOf,
  writeRecord,
} from './record.ts';
import { segmentName } from './segments.ts';

const seed = Number(process.env.HUNT_TEST_SEED ?? Date.now() % 2 ** 31);

async function offline(dir: string): Promise<OfflineItem[]> {
  const items: OfflineItem[] = [];
  for await (const item of openSegmentsReadOnly(dir)) items.push(item);
  return items;
}

const recordsOf = (items: readonly OfflineItem[]): LogRecord[] =>
  items.flatMap((item) => (item.kind === 'record' ? [item.record] : []));

/** The text of an append tells stream, version and writer, and is long enough to cross pages of the disk. */
const textFor = (stream: StreamId, v: number, who: string): string =>
  `${stream.kind}/${stream.id}@${v} by ${who} `.padEnd(40 + ((v * 131) % 900), '.');

describe('the embedded log under kill -9', () => {
  it(`keeps every acknowledged append, once, through 20 kills (seed ${seed})`, async function () {
    this.timeout(60_000);
    const random = seeded(seed);
    const log = await LogProcess.start({ segmentBytes: 128 * 1024, indexFlushMs: 60 });
    const patient = { socketPath: log.socketPath, patienceMs: 20_000 };
    const clients = await Promise.all([1, 2, 3].map(() => EmbeddedLog.connect(patient)));
    const acked = new Map<string, { stream: StreamId; texts: string[] }>();
    const sharedAcks: { version: number; text: string }[] = [];
    const shared = freshStream(0, 'cluster');
    let running = true;

    /** One owner of one stream, up to eight appends in flight. */
    async function own(client: EmbeddedLog, writer: SlotWriter, stream: StreamId, who: string): Promise<void> {
      const texts: string[] = [];
      acked.set(`${stream.kind}/${stream.id}`, { stream, texts });
      for (let head = 0; running; ) {
        const wave = Array.from({ length: 1 + Math.floor(random() * 8) }, (_, i) => textFor(stream, head + 1 + i, who));
        const outcomes = await Promise.all(
          wave.map((text, i) => writer.append(stream, version(head + i), 1, bytesOf(text))),
        );
        for (const [i, outcome] of outcomes.entries()) {
          assert.equal(outcome.kind, 'appended', `${who} ${head + 1 + i}: ${JSON.stringify(outcome)}`);
          texts.push(wave[i] as string);
        }
        head += wave.length;
      }
      assert.equal(await client.head(stream), texts.length);
    }

    /** Rivals on one stream: only the conditional append keeps them apart. */
    async function contend(client: EmbeddedLog, who: string): Promise<void> {
      const writer = client.shared(shared);
      for (let head = 0; running; ) {
        const text = textFor(shared, head + 1, who);
        const outcome = await writer.append(version(head), 1, bytesOf(text));
        if (outcome.kind === 'appended') sharedAcks.push({ version: ++head, text });
        else if (outcome.kind === 'conflict') head = outcome.head;
        else assert.fail(`${who}: ${JSON.stringify(outcome)}`);
      }
    }

    try {
      const load: Promise<void>[] = [];
      for (const [c, client] of clients.entries()) {
        const slot = (10 + c) as Slot;
        const writer = await client.take(slot, 5);
        for (let i = 0; i < 4; i++) load.push(own(client, writer, freshStream(slot), `owner ${c}`));
        load.push(contend(client, `rival ${c}`));
      }
      const failed = Promise.all(load).then(() => undefined);
      failed.catch(() => undefined);
      for (let kill = 0; kill < 20; kill++) {
        await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, 10 + random() * 90))]);
        await log.restartServer();
        // Mostly let the clients back in first; now and then the next kill meets them on their way.
        if (random() < 0.7)
          await eventually('the clients to be back', () => clients.every((client) => client.state.kind === 'up'));
      }
      running = false;
      await failed;

      for (const { stream, texts } of acked.values()) {
        assert.ok(texts.length > 0, `${stream.kind}/${stream.id} made progress`);
        assert.deepEqual((await readAll(clients[0] as EmbeddedLog, stream)).map(textOf), texts);
      }
      await log.stop();

      const items = await offline(log.dir);
      assert.deepEqual(
        items.filter((item) => item.kind === 'damage' || item.kind === 'torn'),
        [],
      );
      const heads = new Map<string, number>();
      for (const record of recordsOf(items)) {
        const name = `${record.stream.kind}/${record.stream.id}`;
        assert.equal(record.version, (heads.get(name) ?? 0) + 1, `${name} has neither hole nor fork`);
        heads.set(name, record.version);
        const known = acked.get(name);
        if (known !== undefined) assert.equal(textOf(record), known.texts[record.version - 1]);
      }
      const sharedTexts = recordsOf(items)
        .filter((one) => one.stream.kind === 'cluster')
        .map(textOf);
      for (const ack of sharedAcks) assert.equal(sharedTexts[ack.version - 1], ack.text);
      assert.equal(sharedTexts.length, sharedAcks.length, 'each version was acknowledged to exactly one rival');
    } finally {
      running = false;
      for (const client of clients) await client.close();
      await log.close();
    }
  });
});

describe('the embedded log with damaged files', () => {
  let log: LogProcess;
  let client: EmbeddedLog;
  let writer: SlotWriter;
  const slot = 20 as Slot;
  const streams: StreamId[] = [];

  beforeEach(async () => {
    log = await LogProcess.start({ segmentBytes: 64 * 1024, indexFlushMs: 60_000, tailCacheBytes: 0 });
    client = await log.open();
    writer = await client.take(slot, 3);
    streams.length = 0;
    for (let s = 0; s < 3; s++) streams.push(freshStream(slot));
    // Several commits and several segments.
    for (let v = 0; v < 60; v++) {
      const outcomes = await Promise.all(
        streams.map((stream) => writer.append(stream, version(v), 1, bytesOf(textFor(stream, v + 1, 'me')))),
      );
      for (const outcome of outcomes) assert.equal(outcome.kind, 'appended');
    }
  });
  afterEach(async () => {
    await client.close();
    await log.close();
  });

  async function edit(position: number, change: (bytes: Buffer) => Buffer, length: number): Promise<void> {
    const file = await openFile(join(log.dir, 'segments', segmentName(segmentOf(position))), 'r+');
    try {
      const bytes = Buffer.alloc(length);
      await file.read(bytes, 0, length, offsetOf(position));
      const changed = change(bytes);
      await file.write(changed, 0, changed.length, offsetOf(position));
    } finally {
      await file.close();
    }
  }
  const flip = (position: number): Promise<void> =>
    edit(
      position,
      (bytes) => {
        bytes[0] = (bytes[0] as number) ^ 0x10;
        return bytes;
      },
      1,
    );
  const lastRecord = async (): Promise<LogRecord> => recordsOf(await offline(log.dir)).at(-1) as LogRecord;
  const endOf = (record: LogRecord): number => record.position + recordBytes(record.bytes.length);

  it('cuts the torn tail of the last commit and goes on', async () => {
    await log.kill();
    const last = await lastRecord();
    // Half a record whose header is whole, as a write that was cut short leaves it.
    await edit(
      endOf(last),
      (bytes) => {
        const stream = streams[0] as StreamId;
        const whole = Buffer.alloc(recordBytes(400));
        writeRecord(
          whole,
          0,
          { type: recordType.events, ...stream, slot, version: 61, count: 1, epoch: 3 },
          Buffer.alloc(400, 7),
        );
        placeRecord(whole, 0, endOf(last), last.position, offsetOf(endOf(last)));
        whole.copy(bytes, 0, 0, 200);
        return bytes;
      },
      480,
    );
    assert.equal((await offline(log.dir)).filter((item) => item.kind === 'torn').length, 1);
    await log.start();
    assert.ok(log.said.some((said) => said.includes('torn tail')));
    for (const stream of streams) assert.equal(await client.head(stream), 60);
    assert.equal((await writer.append(streams[0] as StreamId, version(60), 1, bytesOf('next'))).kind, 'appended');
    await log.restartServer();
    assert.equal(textOf((await readAll(client, streams[0] as StreamId)).at(-1) as LogRecord), 'next');
    await log.stop();
    assert.deepEqual(
      (await offline(log.dir)).filter((item) => item.kind !== 'record' && item.kind !== 'take'),
      [],
    );
  });

  it('cuts a commit of which the beginning is missing, and never takes its rest for records', async () => {
    await log.kill();
    const last = await lastRecord();
    const start = endOf(last);
    const stream = streams[0] as StreamId;
    // Two records of one commit: the first never reached the disk, the second is whole.
    await edit(
      start,
      (bytes) => {
        const second = Buffer.alloc(recordBytes(40));
        writeRecord(
          second,
          0,
          { type: recordType.events, ...stream, slot, version: 62, count: 1, epoch: 3 },
          Buffer.alloc(40, 7),
        );
        placeRecord(second, 0, start + recordBytes(40), start, offsetOf(start));
        bytes.fill(0);
        second.copy(bytes, recordBytes(40));
        return bytes;
      },
      2 * recordBytes(40),
    );
    await log.start();
    assert.equal(await client.head(stream), 60);
    // A record of exactly the missing length: what lies behind it must not come alive.
    assert.equal((await writer.append(stream, version(60), 1, Buffer.alloc(40, 9))).kind, 'appended');
    await log.restartServer();
    assert.equal(await client.head(stream), 61);
  });

  it('reports a flipped byte in a body, refuses that stream, and serves the rest', async () => {
    const [damaged, ...sound] = streams as [StreamId, ...StreamId[]];
    const victim = (await readAll(client, damaged))[30] as LogRecord;
    await log.stop();
    await flip(victim.position + recordHeaderBytes + 5);
    await log.start();
    const before = await client.read(damaged, version(1), 16_000);
    assert.ok(before.records.length > 5, 'what lies before the damage is served');
    await assert.rejects(client.read(damaged, version(31)), LogDamagedError);
    await assert.rejects(readAll(client, damaged), LogDamagedError);
    const outcome = await writer.append(damaged, version(60), 1, bytesOf('no'));
    assert.ok(outcome.kind === 'refused' && outcome.reason === 'damaged', JSON.stringify(outcome));
    for (const stream of sound) {
      assert.equal((await readAll(client, stream)).length, 60);
      assert.equal((await writer.append(stream, version(60), 1, bytesOf('yes'))).kind, 'appended');
    }
    await assert.rejects(async () => {
      for (let next = 0 as never; ; ) {
        const page = await client.readSlot(slot, next);
        if (page.next === page.end) return;
        next = page.next as never;
      }
    }, LogDamagedError);
    await log.stop();
    const reports = (await offline(log.dir)).filter((item) => item.kind === 'damage');
    assert.deepEqual(
      reports.map((item) => item.kind === 'damage' && item.record?.version),
      [31],
    );
  });

  it('finds the same damage without its index', async () => {
    const [damaged, ...sound] = streams as [StreamId, ...StreamId[]];
    const victim = (await readAll(client, damaged))[30] as LogRecord;
    await log.stop();
    await flip(victim.position + recordHeaderBytes + 5);
    await rm(join(log.dir, 'index'), { recursive: true });
    await log.start();
    assert.ok(log.said.some((said) => said.includes('damaged')));
    const outcome = await writer.append(damaged, version(60), 1, bytesOf('no'));
    assert.ok(outcome.kind === 'refused' && outcome.reason === 'damaged', JSON.stringify(outcome));
    for (const stream of sound) assert.equal((await readAll(client, stream)).length, 60);
    // It is written down: the next start, which does not scan that segment again, still knows.
    await log.stop();
    await log.start();
    assert.equal((await writer.append(damaged, version(60), 1, bytesOf('no'))).kind, 'refused');
    await assert.rejects(client.head(damaged), LogDamagedError);
  });

  it('refuses every stream that may have lost its last record where a header is gone', async () => {
    const other = freshStream(21);
    const quiet = freshStream(21);
    const [lost, later] = [freshStream(slot), freshStream(slot)];
    const second = await client.take(21 as Slot, 3);
    const put = async (by: SlotWriter, stream: StreamId, expected: number): Promise<number> => {
      const outcome = await by.append(stream, version(expected), 1, bytesOf('x'));
      assert.equal(outcome.kind, 'appended');
      return outcome.kind === 'appended' ? outcome.position : 0;
    };
    await put(second, quiet, 0);
    const hole = await put(writer, lost, 0);
    await put(second, other, 0);
    await put(writer, later, 0);
    await log.kill();
    await flip(hole + at.version);
    await rm(join(log.dir, 'index'), { recursive: true });
    await log.start();
    // Slot 20 lost a record: its streams without a later one are refused; slot 21 proves by its chain that it lost none.
    assert.equal((await writer.append(lost, version(0), 1, bytesOf('fork'))).kind, 'refused');
    assert.equal((await writer.append(streams[0] as StreamId, version(60), 1, bytesOf('?'))).kind, 'refused');
    await put(writer, later, 1);
    await put(second, other, 1);
    await put(second, quiet, 1);
    assert.equal((await client.readSlot(21 as Slot, 0 as never)).records.length, 4);
    await assert.rejects(client.head(lost), LogDamagedError);
  });

  it('serves the same without its index, rebuilt from the segments alone', async () => {
    const before = await Promise.all(streams.map((stream) => readAll(client, stream)));
    const slotBefore = await client.readSlot(slot, 0 as never, 10_000_000);
    await log.kill();
    await rm(join(log.dir, 'index'), { recursive: true });
    await log.start();
    assert.deepEqual(await Promise.all(streams.map((stream) => readAll(client, stream))), before);
    assert.deepEqual(await client.readSlot(slot, 0 as never, 10_000_000), slotBefore);
    await assert.rejects(client.take(slot, 2));
  });

  it('reports a segment that is missing', async () => {
    await log.stop();
    const names = (await readdir(join(log.dir, 'segments'))).filter((name) => name.endsWith('.seg')).sort();
    assert.ok(names.length >= 3, `several segments: ${names.join(' ')}`);
    await rm(join(log.dir, 'segments', names[1] as string));
    await rm(join(log.dir, 'index'), { recursive: true });
    assert.ok((await offline(log.dir)).some((item) => item.kind === 'damage' && item.from === positionOf(2, 0)));
    await log.start();
    for (const stream of streams) {
      await assert.rejects(readAll(client, stream), LogDamagedError);
      assert.equal((await writer.append(stream, version(60), 1, bytesOf('no'))).kind, 'refused');
    }
  });

  it('lets no second process write the folder, and does not mind a killed one', async () => {
    await assert.rejects(log.startSecond(), /in use by process/);
    assert.equal((await writer.append(streams[0] as StreamId, version(60), 1, bytesOf('still'))).kind, 'appended');
    await log.restartServer();
    assert.equal(await client.head(streams[0] as StreamId), 61);
  });
});

describe('the embedded log with sync: process after a power loss', () => {
  it('ends at the first byte that was lost, drops the pages, and goes on from there', async () => {
    const log = await LogProcess.start({ sync: 'process', indexFlushMs: 60_000 });
    const client = await log.open();
    try {
      const slot = 33 as Slot;
      const stream = freshStream(slot);
      const writer = await client.take(slot, 1);
      const positions: number[] = [];
      for (let v = 0; v < 20; v++) {
        const outcome = await writer.append(stream, version(v), 1, bytesOf(`${v + 1}`));
        assert.equal(outcome.kind, 'appended');
        if (outcome.kind === 'appended') positions.push(outcome.position);
      }
      await client.save(stream, [{ page: 0, foldedTo: version(20), bytes: bytesOf('ahead of the log') }]);
      await log.kill();
      // The disk wrote the later commits and not this one, and the machine started anew since.
      const lost = positions[12] as number;
      const file = await openFile(join(log.dir, 'segments', segmentName(segmentOf(lost))), 'r+');
      await file.write(Buffer.alloc(recordBytes(2)), 0, recordBytes(2), offsetOf(lost));
      await file.close();
      await writeFile(join(log.dir, 'owner.json'), JSON.stringify({ pid: 1, boot: 'the boot before' }));
      await log.start();
      assert.equal(await client.head(stream), 12);
      assert.deepEqual(await client.load(stream, [0]), [undefined]);
      assert.equal((await writer.append(stream, version(12), 1, bytesOf('again'))).kind, 'appended');
      await log.restartServer();
      assert.equal(textOf((await readAll(client, stream)).at(-1) as LogRecord), 'again');
      assert.equal(await client.head(stream), 13);
    } finally {
      await client.close();
      await log.close();
    }
  });
});

describe('the embedded log while its process is away', () => {
  it('answers ambiguous for what was in flight, and that the rest was never sent', async () => {
    const log = await LogProcess.start();
    const client = await EmbeddedLog.connect({ socketPath: log.socketPath, patienceMs: 300 });
    try {
      const slot = 30 as Slot;
      const stream = freshStream(slot);
      const writer = await client.take(slot, 1);
      process.kill(log.pid as number, 'SIGSTOP');
      const flying = writer.append(stream, version(0), 1, bytesOf('flying'));
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      const waiting = writer.append(stream, version(1), 1, bytesOf('waiting'));
      await log.kill();
      assert.equal((await flying).kind, 'ambiguous');
      assert.deepEqual([(await waiting).kind, client.state.kind], ['refused', 'connecting']);
      await assert.rejects(client.head(stream), /away/);
      await log.start();
      const other = await log.open();
      const head = await other.head(stream);
      await other.close();
      assert.ok(head === 0 || head === 1);
      for (let tries = 0; client.state.kind !== 'up' && tries < 400; tries++)
        await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(client.state.kind, 'up');
      assert.equal((await writer.append(stream, head, 1, bytesOf('after'))).kind, 'appended');
      assert.ok(performance.now() - client.lastHeardMs < 1_000);
    } finally {
      await client.close();
      await log.close();
    }
  });

  it('waits for a log process that was stopped and wakes up', async () => {
    const log = await LogProcess.start();
    const client = await log.open();
    try {
      const stream = freshStream(31);
      const writer = await client.take(31 as Slot, 1);
      process.kill(log.pid as number, 'SIGSTOP');
      const outcomes = Array.from({ length: 50 }, (_, v) => writer.append(stream, version(v), 1, bytesOf(`${v}`)));
      await new Promise((resolve) => setTimeout(resolve, 300));
      process.kill(log.pid as number, 'SIGCONT');
      for (const outcome of await Promise.all(outcomes)) assert.equal(outcome.kind, 'appended');
      assert.deepEqual(
        (await readAll(client, stream)).map(textOf),
        Array.from({ length: 50 }, (_, v) => `${v}`),
      );
    } finally {
      await client.close();
      await log.close();
    }
  });
});
