/** One history out of log and archive. One seed = one sequence; HUNT_TEST_SEED replays it. */
import assert from 'node:assert/strict';
import { open as openFile, rm } from 'node:fs/promises';
import type { Position, Slot, StreamId, Version } from '../../../proto/ids.ts';
import { bytesOf, freshStream, readAll, seeded, textOf, version } from '../contract-fixture.ts';
import { eventLogContract } from '../event-log.contract.ts';
import { LogDamagedError, type LogRecord, LogUnavailableError, type SlotWriter } from '../event-log.ts';
import { MemoryLog } from '../memory/memory-log.ts';
import { archiveRange, CountedArchive } from './archive.fixture.ts';
import { ArchiveUnavailableError } from './archive.ts';
import { ArchivedLog } from './archived-log.ts';
import { writeCatalogs } from './archiving.ts';
import { catalogFanIn } from './catalog.ts';
import { MemoryArchive } from './memory-archive.ts';

const seed = Number(process.env.HUNT_TEST_SEED ?? Date.now() % 2 ** 31);
const slot = 90 as Slot;

eventLogContract('a log with nothing in its archive', async () => {
  const archive = await CountedArchive.make();
  const only = new MemoryLog();
  return { open: () => Promise.resolve(new ArchivedLog(only, archive)), close: () => archive.remove() };
});

async function readSlot(log: ArchivedLog | MemoryLog, from: number, bytesMax: number): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (let next = from as Position; ; ) {
    const page = await log.readSlot(slot, next, bytesMax);
    records.push(...page.records);
    assert.ok(page.next <= page.end, `${page.next} beyond ${page.end}`);
    if (page.next === page.end) return records;
    assert.ok(page.next > next, `reading from ${next} goes on at ${page.next}`);
    next = page.next;
  }
}
const plain = (records: readonly LogRecord[]) => records.map((one) => ({ ...one, bytes: textOf(one) }));

describe('a log with an archive behind it', () => {
  let own: MemoryLog;
  let archive: CountedArchive;
  let log: ArchivedLog;
  let writer: SlotWriter;
  let damage: string[];

  beforeEach(async () => {
    own = new MemoryLog();
    archive = await CountedArchive.make();
    damage = [];
    log = new ArchivedLog(own, archive, (message) => damage.push(message));
    writer = await log.take(slot, 3);
  });
  afterEach(() => archive.remove());

  async function append(stream: StreamId, expected: number, count: number, bytes = 100): Promise<number> {
    const text = `${stream.id}@${expected + 1} `.padEnd(bytes, 'x');
    const outcome = await writer.append(stream, version(expected), count, bytesOf(text));
    assert.equal(outcome.kind, 'appended');
    return expected + count;
  }
  /** `count` records of one event each; positions 0, 1, 2 … of the slot. */
  async function history(stream: StreamId, count: number): Promise<LogRecord[]> {
    for (let v = 0; v < count; v++) await append(stream, v, 1);
    return readAll(own, stream);
  }
  async function archiveAndTrim(cuts: readonly number[]): Promise<string[]> {
    const objects: string[] = [];
    for (let i = 1; i < cuts.length; i++)
      objects.push((await archiveRange(own, archive, slot, cuts[i - 1] as number, cuts[i] as number)) as string);
    await own.trim(slot, cuts.at(-1) as Position);
    return objects;
  }
  async function flip(object: string, at: number): Promise<void> {
    const file = await openFile(archive.path(object), 'r+');
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] as number) ^ 4;
    await file.write(byte, 0, 1, at);
    await file.close();
  }

  it('asks nothing of the archive while nothing was trimmed, nor for what is still in the log', async () => {
    const stream = freshStream(slot);
    const all = await history(stream, 30);
    assert.deepEqual(await readAll(log, stream), all);
    assert.deepEqual(await readSlot(log, 0, 500), all);
    await archiveRange(own, archive, slot, 0, 20);
    const before = { ...archive.calls };
    await own.trim(slot, 20 as Position);
    archive.fails = () => new ArchiveUnavailableError('it is away');
    assert.deepEqual(await readAll(log, stream, 21), all.slice(20));
    assert.deepEqual(await readSlot(log, 20, 500), all.slice(20));
    assert.deepEqual([await log.head(stream), (await log.ends())[slot]], [30, 30]);
    assert.deepEqual(
      [(await log.read(stream, version(25))).oldest, (await log.readSlot(slot, 25 as Position)).oldest],
      [1, 0],
    );
    assert.deepEqual(archive.calls, before);
    await assert.rejects(log.read(stream, version(20)), LogUnavailableError);
    await assert.rejects(log.readSlot(slot, 19 as Position), LogUnavailableError);
    archive.fails = undefined;
    assert.deepEqual(plain(await readAll(log, stream)), plain(all));
  });

  it('is one history from the first event, whatever is asked for and however small the page', async () => {
    const stream = freshStream(slot);
    const all = await history(stream, 40);
    await archiveAndTrim([0, 7, 8, 20, 33]);
    for (const bytesMax of [1, 250, 1_000, 100_000]) {
      for (const from of [1, 7, 8, 9, 21, 33, 34, 40])
        assert.deepEqual(plain(await readAll(log, stream, from, bytesMax)), plain(all.slice(from - 1)), `from ${from}`);
      for (const from of [0, 6, 7, 8, 32, 33, 39, 40])
        assert.deepEqual(plain(await readSlot(log, from, bytesMax)), plain(all.slice(from)), `from position ${from}`);
    }
    const first = await log.read(stream, version(1), 250);
    assert.deepEqual([first.records.length, first.next, first.head, first.oldest], [2, 3, 40, 1]);
    assert.deepEqual((await log.readSlot(slot, 0 as Position)).oldest, 0);
  });

  it('gives the record that contains the version, and the head of a stream of which nothing is left', async () => {
    const stream = freshStream(slot);
    let head = 0;
    for (let i = 0; i < 10; i++) head = await append(stream, head, 3);
    await archiveAndTrim([0, 4, 10]);
    assert.equal((await log.read(stream, version(5))).records[0]?.version, 4);
    const last = await log.read(stream, version(29));
    assert.deepEqual([last.records.length, last.next, last.head, last.oldest], [1, undefined, 30, 1]);
    const beyond = await log.read(stream, version(31));
    assert.deepEqual([beyond.records.length, beyond.next, beyond.head], [0, undefined, 30]);
    const none = await log.read(freshStream(slot), version(1));
    assert.deepEqual([none.records.length, none.head, none.oldest], [0, 0, 1]);
  });

  it(`is what a log that was never trimmed would be, with several who archive and trim at any time (seed ${seed})`, async function () {
    this.timeout(60_000);
    const random = seeded(seed);
    const below = (n: number): number => Math.floor(random() * n);
    const reference = new MemoryLog();
    const twin = await reference.take(slot, 3);
    const streams = [freshStream(slot), freshStream(slot, 'key'), freshStream(slot), freshStream(slot)];
    const heads = streams.map(() => 0);
    let archived = 0;
    const step = async (): Promise<void> => {
      const i = Math.floor(random() ** 2 * streams.length);
      const [stream, head, count] = [streams[i] as StreamId, heads[i] as number, 1 + below(3)];
      const text = `${stream.id}@${head + 1} `.padEnd(1 + below(random() < 0.02 ? 60_000 : 300), 'x');
      await twin.append(stream, version(head), count, bytesOf(text));
      await writer.append(stream, version(head), count, bytesOf(text));
      heads[i] = head + count;
    };
    const archiveMore = async (): Promise<void> => {
      const end = (await own.ends())[slot] as number;
      if (end <= archived) return;
      const oldest = (await own.readSlot(slot, 0 as Position, 1)).oldest;
      // Another archiver may have begun anywhere before.
      const from = random() < 0.5 ? archived : oldest + below(archived - oldest + 1);
      const to = archived + 1 + below(Math.min(120, end - archived));
      if ((await archiveRange(own, archive, slot, from, to)) !== undefined) archived = Math.max(archived, to);
      if (random() < 0.7) await own.trim(slot, below(archived + 1) as Position);
    };
    for (let round = 0; round < 120; round++) {
      for (let i = below(60); i >= 0; i--) await step();
      await archiveMore();
      if (random() < 0.2) await writeCatalogs(archive, slot);
      if (random() < 0.1) log = new ArchivedLog(own, archive, (message) => damage.push(message));
      const at = below(streams.length);
      const from = 1 + below((heads[at] as number) + 1);
      const bytesMax = [1, 400, 20_000, 1_000_000][below(4)] as number;
      const stream = streams[at] as StreamId;
      // Trimmed between the pages of a walk, too.
      const walked: LogRecord[] = [];
      for (let next: Version | undefined = version(from); next !== undefined; ) {
        const page: Awaited<ReturnType<ArchivedLog['read']>> = await log.read(stream, next, bytesMax);
        assert.equal(page.oldest, 1);
        walked.push(...page.records);
        next = page.next;
        if (random() < 0.05) await archiveMore();
      }
      assert.deepEqual(plain(walked), plain(await readAll(reference, stream, from)), `${stream.kind} from ${from}`);
      const position = below((await own.ends())[slot] as number);
      assert.deepEqual(
        plain(await readSlot(log, position, bytesMax)),
        plain(await readSlot(reference, position, 1_000_000)),
        `the slot from ${position}`,
      );
    }
    assert.deepEqual(damage, []);
    assert.ok(
      (await archive.list('')).some(({ name }) => name.endsWith('.catalog1')),
      'there were catalogs',
    );
  });

  it('finds a stream of long ago in a few reads, by the catalogs', async () => {
    const memory = new MemoryArchive();
    const archive = new CountedArchive('', memory);
    log = new ArchivedLog(own, archive);
    const old = freshStream(slot);
    await append(old, 0, 1);
    const busy = freshStream(slot);
    let head = 0;
    const objects = catalogFanIn * catalogFanIn + 5;
    for (let i = 0; i < objects; i++) {
      head = await append(busy, head, 1);
      await archiveRange(own, archive, slot, i === 0 ? 0 : i + 1, i + 2);
      if (i % catalogFanIn === catalogFanIn - 1) await writeCatalogs(archive, slot);
    }
    await own.trim(slot, (objects + 1) as Position);
    const { name } = (await archive.list('')).find((one) => one.name.endsWith('.catalog2')) ?? {};
    assert.ok(name !== undefined, 'a catalog of catalogs');
    const before = archive.calls.get;
    assert.deepEqual((await readAll(log, old)).map(textOf).length, 1);
    assert.ok(archive.calls.get - before <= 4, `${archive.calls.get - before} reads`);
    const middle = archive.calls.get;
    assert.equal((await log.read(busy, version(700), 1)).records[0]?.version, 700);
    assert.ok(archive.calls.get - middle <= 4, `${archive.calls.get - middle} reads`);
    // Worth nothing without the objects: a damaged one is left aside.
    const catalog = memory.objects.get(name) as Buffer;
    catalog[30] = (catalog[30] as number) ^ 4;
    const other = new ArchivedLog(own, archive, (message) => damage.push(message));
    assert.equal((await other.read(busy, version(700), 1)).records[0]?.version, 700);
    assert.equal((await other.read(old, version(1))).records.length, 1);
    assert.equal(damage.length, 1);
  });

  it('reports a damaged object, and reads what lies before and behind it', async () => {
    const stream = freshStream(slot);
    const all = await history(stream, 60);
    const objects = await archiveAndTrim([0, 20, 40, 50]);
    await flip(objects[1] as string, 12);
    assert.deepEqual(plain((await log.read(stream, version(1), 1_000_000)).records), plain(all.slice(0, 20)));
    await assert.rejects(readAll(log, stream), LogDamagedError);
    await assert.rejects(
      log.read(stream, version(30)),
      /0000000000000020-0000000000000040.records: the block at 8 is damaged/,
    );
    await assert.rejects(readSlot(log, 0, 100), LogDamagedError);
    await assert.rejects(log.readSlot(slot, 25 as Position), LogDamagedError);
    assert.deepEqual(plain(await readAll(log, stream, 41)), plain(all.slice(40)));
    assert.deepEqual(plain(await readSlot(log, 40, 100)), plain(all.slice(40)));
    assert.match(damage[0] ?? '', /0000000000000020/);
    // Put right again, it is read again.
    await flip(objects[1] as string, 12);
    assert.deepEqual(plain(await readAll(log, stream)), plain(all));
  });

  it('reads around a damaged object where another holds the same', async () => {
    const stream = freshStream(slot);
    const all = await history(stream, 60);
    const spare = (await archiveRange(own, archive, slot, 10, 30)) as string;
    const objects = await archiveAndTrim([0, 20, 40, 50]);
    const rest = (await archive.list('')).length;
    assert.equal(rest, 4);
    await flip(objects[0] as string, 12);
    await assert.rejects(readAll(log, stream), LogDamagedError);
    assert.deepEqual(plain(await readAll(log, stream, 11)), plain(all.slice(10)));
    assert.deepEqual(plain(await readSlot(log, 10, 700)), plain(all.slice(10)));
    await flip(spare, 12);
    await assert.rejects(readAll(new ArchivedLog(own, archive), stream, 15), LogDamagedError);
  });

  it('takes a gap between archive and log for damage, and a missing beginning for what it is', async () => {
    const stream = freshStream(slot);
    const all = await history(stream, 60);
    const objects = await archiveAndTrim([0, 20, 40, 50]);
    await rm(archive.path(objects[1] as string));
    await assert.rejects(readAll(log, stream), LogDamagedError);
    await assert.rejects(readSlot(log, 0, 100), LogDamagedError);
    await rm(archive.path(objects[2] as string));
    const later = new ArchivedLog(own, archive);
    await assert.rejects(readAll(later, stream), /versions 21 to 50 .* neither/);
    await rm(archive.path(objects[0] as string));
    const none = new ArchivedLog(own, archive);
    assert.equal((await none.read(stream, version(1))).oldest, 51);
    assert.deepEqual((await none.readSlot(slot, 0 as Position)).oldest, 50);
    assert.deepEqual(plain(await readAll(none, stream, 51)), plain(all.slice(50)));
    // An archive that was begun late.
    const late = await CountedArchive.make();
    try {
      await archiveRange(own, late, slot, 50, 55);
      await own.trim(slot, 55 as Position);
      const begun = new ArchivedLog(own, late);
      const page = await begun.read(stream, version(1));
      assert.deepEqual([page.oldest, page.records[0]?.version], [51, 51]);
      assert.deepEqual(plain(await readAll(begun, stream)), plain(all.slice(50)));
      assert.equal((await begun.read(stream, version(57))).oldest, 51);
      const slotPage = await begun.readSlot(slot, 0 as Position);
      assert.deepEqual([slotPage.oldest, slotPage.records[0]?.position], [50, 50]);
    } finally {
      await late.remove();
    }
  });
});
