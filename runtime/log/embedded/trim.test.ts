/**
 * What leaves the embedded log and what must outlive it, with the log process killed at random points of trimming and its
 * index deleted. One seed = one sequence; HUNT_TEST_SEED replays it.
 */
import assert from 'node:assert/strict';
import { open as openFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Position, type Slot, type StreamId, slotOf } from '../../../proto/ids.ts';
import { bytesOf, eventually, freshStream, readAll, seeded, textOf, version } from '../contract-fixture.ts';
import { LogDamagedError, type SlotWriter } from '../event-log.ts';
import { baseName } from './base.ts';
import { EmbeddedLog } from './client.ts';
import { LogProcess } from './log-process.ts';
import { marksName } from './marks.ts';
import { type OfflineItem, openSegmentsReadOnly } from './offline.ts';
import { segmentOf } from './record.ts';
import { segmentName } from './segments.ts';

const seed = Number(process.env.HUNT_TEST_SEED ?? Date.now() % 2 ** 31);
const segmentBytes = 32 * 1024;

async function offline(dir: string): Promise<OfflineItem[]> {
  const items: OfflineItem[] = [];
  for await (const item of openSegmentsReadOnly(dir)) items.push(item);
  return items;
}

describe('trimming the embedded log', () => {
  let log: LogProcess;
  let client: EmbeddedLog;
  const slots = [50, 51, 52] as Slot[];
  let writers: SlotWriter[];

  beforeEach(async () => {
    log = await LogProcess.start({ segmentBytes, indexFlushMs: 20, tailCacheBytes: 0 });
    client = await EmbeddedLog.connect({ socketPath: log.socketPath, patienceMs: 20_000 });
    writers = await Promise.all(slots.map((slot) => client.take(slot, 7)));
  });
  afterEach(async () => {
    await client.close();
    await log.close();
  });

  const segments = async (): Promise<number[]> =>
    (await readdir(join(log.dir, 'segments')))
      .filter((name) => name.endsWith('.seg'))
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => a - b);
  const removed = (below: number): Promise<void> =>
    eventually(`the segments before ${below} to be removed`, async () => ((await segments())[0] ?? 0) >= below);
  const writerOf = (stream: StreamId): SlotWriter => writers[slots.indexOf(slotOf(stream.id))] as SlotWriter;

  async function put(stream: StreamId, from: number, count: number, bytes = 900): Promise<Position[]> {
    const outcomes = await Promise.all(
      Array.from({ length: count }, (_, i) =>
        writerOf(stream).append(
          stream,
          version(from + i),
          1,
          bytesOf(`${stream.id}@${from + i + 1}`.padEnd(bytes, '.')),
        ),
      ),
    );
    return outcomes.map((outcome) => {
      assert.ok(outcome.kind === 'appended', JSON.stringify(outcome));
      return outcome.position;
    });
  }
  async function loseIndex(): Promise<void> {
    await log.kill();
    await rm(join(log.dir, 'index'), { recursive: true });
    await log.start();
  }
  async function flip(name: string, offset: number): Promise<void> {
    const file = await openFile(join(log.dir, 'segments', name), 'r+');
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, offset);
    byte[0] = (byte[0] as number) ^ 0x10;
    await file.write(byte, 0, 1, offset);
    await file.close();
  }
  /** Fills all slots beyond several segments and trims them up to the present. Gives the streams and the position trimmed to. */
  async function history(): Promise<{ streams: StreamId[]; before: Position }> {
    const streams = slots.map((slot) => freshStream(slot));
    for (const stream of streams) await put(stream, 0, 60);
    const marker = await put(streams[0] as StreamId, 60, 1);
    const before = marker[0] as Position;
    assert.ok(segmentOf(before) >= 5);
    for (const slot of slots) await client.trim(slot, before);
    return { streams, before };
  }

  it('removes the segments that every slot was trimmed beyond, and no other', async () => {
    const streams = slots.map((slot) => freshStream(slot));
    for (const stream of streams) await put(stream, 0, 40);
    const [before] = (await put(streams[0] as StreamId, 40, 1)) as [Position];
    await client.trim(slots[0] as Slot, before);
    await client.trim(slots[1] as Slot, before);
    assert.equal((await client.read(streams[2] as StreamId, version(1))).oldest, 1);
    assert.equal(
      (await readAll(client, streams[2] as StreamId)).length,
      40,
      'one slot was not trimmed: all of it is there',
    );
    await client.trim(slots[2] as Slot, before);
    await removed(segmentOf(before));
    assert.equal((await segments())[0], segmentOf(before), 'the segment that holds the position stays');
    assert.deepEqual((await readAll(client, streams[0] as StreamId)).map((one) => one.version).at(-1), 41);
    assert.deepEqual(
      (await client.readSlot(slots[2] as Slot, 0 as Position)).records.length,
      (await readAll(client, streams[2] as StreamId)).length,
    );
  });

  it('is not held up by a slot that fell silent, nor lets go of what comes after the trim', async () => {
    const [silent, busy] = [freshStream(slots[0] as Slot), freshStream(slots[1] as Slot)];
    await put(silent, 0, 3);
    await put(busy, 0, 3);
    // All of it, and far more: what is appended from now on is not meant.
    const all = (2 ** 52) as Position;
    await client.trim(slots[0] as Slot, all);
    await put(busy, 3, 100);
    const [before] = (await put(busy, 103, 1)) as [Position];
    await client.trim(slots[1] as Slot, before);
    await removed(segmentOf(before));
    assert.deepEqual(
      [(await client.read(silent, version(1))).oldest, (await client.read(silent, version(1))).head],
      [4, 3],
    );
    await put(silent, 3, 2);
    await put(busy, 104, 100);
    await loseIndex();
    assert.deepEqual(
      (await readAll(client, silent, 4)).map((record) => record.version),
      [4, 5],
    );
  });

  it('keeps heads, epochs, ends and what is oldest when the segments are gone and the index too', async () => {
    const { streams, before } = await history();
    const dormant = freshStream(slots[1] as Slot);
    await removed(segmentOf(before));
    const ends = await client.ends();
    const pages = await Promise.all(streams.map((stream) => client.read(stream, version(1))));
    const slotPages = await Promise.all(slots.map((slot) => client.readSlot(slot, 0 as Position)));
    await loseIndex();
    assert.deepEqual(await client.ends(), ends);
    assert.deepEqual(await Promise.all(streams.map((stream) => client.read(stream, version(1)))), pages);
    assert.deepEqual(await Promise.all(slots.map((slot) => client.readSlot(slot, 0 as Position))), slotPages);
    assert.equal(pages[1]?.head, 60);
    assert.equal(pages[1]?.oldest, 61, 'nothing of it is left');
    for (const slot of slots) await assert.rejects(client.take(slot, 6), /epoch 7/);
    for (const stream of streams.slice(1)) {
      const fork = await writerOf(stream).append(stream, version(0), 1, bytesOf('fork'));
      assert.deepEqual(fork, { kind: 'conflict', head: 60 });
      await put(stream, 60, 1);
      assert.deepEqual(
        (await readAll(client, stream, 61)).map((one) => one.version),
        [61],
      );
    }
    await put(dormant, 0, 1);
    await loseIndex();
    for (const stream of streams) assert.equal(await client.head(stream), 61);
    assert.equal((await client.read(dormant, version(1))).oldest, 1);
    assert.ok(!log.said.some((said) => said.includes('damaged')), log.said.join('\n'));
  });

  it('knows thousands of streams of which nothing is left, through several rounds of removal', async () => {
    const streams: StreamId[] = [];
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 1_000; i++) streams.push(freshStream(slots[i % 3] as number, i % 2 === 0 ? 'key' : 'hunt'));
      await Promise.all(streams.slice(-1_000).map((stream, i) => put(stream, 0, 1 + (i % 3), 40)));
      // Some come back after everything of them was gone.
      await Promise.all(
        streams
          .slice(0, -1_000)
          .filter((_, i) => i % 7 === round)
          .map(async (stream) => put(stream, await client.head(stream), 2, 40)),
      );
      const marker = freshStream(slots[0] as Slot);
      const [before] = (await put(marker, 0, 40)).slice(-1) as [Position];
      for (const slot of slots) await client.trim(slot, before);
      await removed(segmentOf(before));
    }
    const heads = await Promise.all(streams.map((stream) => client.head(stream)));
    assert.equal(heads.filter((head) => head === 0).length, 0);
    await loseIndex();
    assert.deepEqual(await Promise.all(streams.map((stream) => client.head(stream))), heads);
  });

  it('lets readers walk while it trims and removes: seamless, and no damage', async () => {
    const stream = freshStream(slots[0] as Slot);
    let head = 0;
    for (let round = 0; round < 12; round++) {
      const positions = await put(stream, head, 40);
      head += 40;
      const walks = Array.from({ length: 6 }, async () => {
        for (let from = 1; ; ) {
          const page = await client.read(stream, version(from), 2_000);
          let expected = Math.max(from, page.oldest);
          for (const record of page.records) {
            assert.equal(record.version, expected, `a page from ${from}, oldest ${page.oldest}`);
            expected++;
          }
          if (page.next === undefined) return;
          from = page.next;
        }
      });
      const [trimmed] = await Promise.all([client.trim(slots[0] as Slot, positions[20] as Position), ...walks]);
      assert.ok(trimmed <= (positions[20] as Position));
    }
    await removed(5);
    assert.ok(!log.said.some((said) => said.includes('damage')), log.said.join('\n'));
    assert.equal(await client.head(stream), head);
  });

  it('takes a missing segment that was not trimmed for damage, behind those that were', async () => {
    const { streams, before } = await history();
    await removed(segmentOf(before));
    await put(streams[0] as StreamId, 61, 120);
    await log.stop();
    const [, second] = await segments();
    await rm(join(log.dir, 'segments', segmentName(second as number)));
    await rm(join(log.dir, 'index'), { recursive: true });
    const reports = (await offline(log.dir)).filter((item) => item.kind === 'damage');
    assert.deepEqual(
      reports.map((item) => item.kind === 'damage' && segmentOf(item.from)),
      [second],
    );
    await log.start();
    await assert.rejects(readAll(client, streams[0] as StreamId), LogDamagedError);
    const outcome = await writerOf(streams[0] as StreamId).append(
      streams[0] as StreamId,
      version(181),
      1,
      bytesOf('no'),
    );
    assert.ok(outcome.kind === 'refused' && outcome.reason === 'damaged', JSON.stringify(outcome));
  });

  it('takes a missing first segment for damage when nothing was trimmed', async () => {
    const stream = freshStream(slots[0] as Slot);
    await put(stream, 0, 60);
    await log.stop();
    await rm(join(log.dir, 'segments', segmentName(1)));
    await rm(join(log.dir, 'index'), { recursive: true });
    assert.ok((await offline(log.dir)).some((item) => item.kind === 'damage' && segmentOf(item.from) === 1));
    await log.start();
    await assert.rejects(readAll(client, stream), LogDamagedError);
  });

  it('keeps a trimmed segment that cannot be read whole, and says so', async () => {
    const streams = slots.map((slot) => freshStream(slot));
    for (const stream of streams) await put(stream, 0, 60);
    const [before] = (await put(streams[0] as StreamId, 60, 1)) as [Position];
    await flip(segmentName(2), 5_000);
    for (const slot of slots) await client.trim(slot, before);
    await removed(2);
    await eventually('the damage to be told', () =>
      log.said.some((said) => /00000002.seg was trimmed but is damaged/.test(said)),
    );
    assert.equal((await segments())[0], 2);
    for (const stream of streams) assert.equal((await client.read(stream, version(1))).oldest > 1, true);
  });

  it('serves without the marks, showing what is still there, and without the base as long as it has its index', async () => {
    const { streams, before } = await history();
    await removed(segmentOf(before));
    await log.stop();
    await flip(marksName, 20);
    await flip(baseName, 40);
    await log.start();
    assert.ok(
      log.said.some((said) => said.includes('"base"')),
      log.said.join('\n'),
    );
    for (const stream of streams.slice(1)) assert.equal(await client.head(stream), 60);
    await put(streams[1] as StreamId, 60, 1);
  });

  it('refuses streams of which nothing is left when index and base are lost, rather than fork them', async () => {
    const { streams, before } = await history();
    await removed(segmentOf(before));
    await log.stop();
    // A head, not the table: the rest is served.
    await flip(baseName, 24 + 256 * 24 + 4 + 8 + 12);
    await rm(join(log.dir, 'index'), { recursive: true });
    await log.start();
    const quiet = streams[1] as StreamId;
    const outcome = await writerOf(quiet).append(quiet, version(0), 1, bytesOf('fork'));
    assert.ok(outcome.kind === 'refused' && outcome.reason === 'damaged', JSON.stringify(outcome));
    await assert.rejects(client.head(quiet), LogDamagedError);
    await put(streams[0] as StreamId, 61, 1);
  });

  it('shows offline what is still there, and takes no removed segment for a missing one', async () => {
    const { streams, before } = await history();
    await removed(segmentOf(before));
    await log.stop();
    const items = await offline(log.dir);
    assert.deepEqual(
      items.filter((item) => item.kind === 'damage'),
      [],
    );
    const shown = items.flatMap((item) => (item.kind === 'record' ? [item.record] : []));
    assert.equal(segmentOf(shown[0]?.position ?? 0), segmentOf(before));
    assert.ok(
      shown.some((record) => record.stream.id === streams[2]?.id),
      'also what its slot was let go of',
    );
  });

  it(`loses no head, no epoch and nothing that was kept through 15 kills while it trims (seed ${seed})`, async function () {
    this.timeout(60_000);
    const random = seeded(seed);
    const streams = slots.flatMap((slot) => [freshStream(slot), freshStream(slot), freshStream(slot, 'key')]);
    const heads = new Map(streams.map((stream) => [stream, 0]));
    const positions = new Map<StreamId, Position[]>(streams.map((stream) => [stream, []]));
    /** The highest position that each slot was ever asked to trim before. */
    const asked = new Map<Slot, number>(slots.map((slot) => [slot, 0]));
    let running = true;

    const load = async (stream: StreamId): Promise<void> => {
      while (running) {
        // Some sleep for a while, so that everything of them is trimmed.
        if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, random() * 200));
        const head = heads.get(stream) as number;
        const added = await put(stream, head, 1 + Math.floor(random() * 12), 200 + Math.floor(random() * 900));
        positions.get(stream)?.push(...added);
        heads.set(stream, head + added.length);
      }
    };
    const trims = async (slot: Slot): Promise<void> => {
      while (running) {
        const ends = await client.ends();
        const end = ends[slot] as number;
        const before = Math.max(asked.get(slot) as number, Math.floor(end - random() * 3 * 2 ** 32));
        asked.set(slot, Math.max(before, asked.get(slot) as number));
        await client.trim(slot, before as Position);
        await new Promise((resolve) => setTimeout(resolve, 5 + random() * 30));
      }
    };
    const work = Promise.all([...streams.map(load), ...slots.map(trims)]);
    work.catch(() => undefined);
    try {
      for (let kill = 0; kill < 15; kill++) {
        await Promise.race([work, new Promise((resolve) => setTimeout(resolve, 20 + random() * 120))]);
        await log.kill();
        if (random() < 0.4) await rm(join(log.dir, 'index'), { recursive: true });
        await log.start();
        await eventually('the client to be back', () => client.state.kind === 'up');
      }
    } finally {
      running = false;
    }
    await work;
    await removed(2);
    for (const lost of [false, true]) {
      if (lost) await loseIndex();
      for (const stream of streams) {
        const head = heads.get(stream) as number;
        const page = await client.read(stream, version(1));
        assert.equal(page.head, head, `head of ${stream.kind}/${stream.id}`);
        const kept = await readAll(client, stream, page.oldest);
        assert.deepEqual(
          kept.map((record) => record.version),
          Array.from({ length: head + 1 - page.oldest }, (_, i) => page.oldest + i),
          `${stream.kind}/${stream.id} from ${page.oldest} on`,
        );
        for (const record of kept) assert.ok(textOf(record).startsWith(`${stream.id}@${record.version}.`));
        const last = positions.get(stream)?.[page.oldest - 2];
        const limit = asked.get(slotOf(stream.id)) as number;
        assert.ok(page.oldest === 1 || (last as number) < limit, 'nothing was trimmed that nobody asked for');
        const fork = await writerOf(stream).append(stream, version(head - 1), 1, bytesOf('fork'));
        assert.deepEqual(fork, { kind: 'conflict', head });
      }
      for (const slot of slots) await assert.rejects(client.take(slot, 6), /epoch 7/);
    }
    await log.stop();
    assert.deepEqual(
      (await offline(log.dir)).filter((item) => item.kind === 'damage' || item.kind === 'torn'),
      [],
    );
    assert.ok(!log.said.some((said) => /damage/.test(said)), log.said.join('\n'));
  });
});
