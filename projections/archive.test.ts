/** The archiver against a log and an archive that fail, lie and die at any moment. HUNT_TEST_SEED replays a sequence. */
import assert from 'node:assert/strict';
import { Event } from '../proto/generated/hunt/v1/event.ts';
import type { Position, Slot, StreamId } from '../proto/ids.ts';
import { encodeRecord } from '../runtime/activation/record.ts';
import type { Archive, ArchiveObject, ByteRange } from '../runtime/log/archive/archive.ts';
import { ArchiveUnavailableError } from '../runtime/log/archive/archive.ts';
import { ArchivedLog } from '../runtime/log/archive/archived-log.ts';
import { archiveRecords, isSameRecord, readObject } from '../runtime/log/archive/archiving.ts';
import { MemoryArchive } from '../runtime/log/archive/memory-archive.ts';
import { parseName } from '../runtime/log/archive/object-name.ts';
import { freshStream, readAll, seeded, version } from '../runtime/log/contract-fixture.ts';
import { type LogRecord, LogUnavailableError, type SlotWriter } from '../runtime/log/event-log.ts';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { TestTime } from '../runtime/runtime.fixture.ts';
import { Archiver, type ArchiverOptions } from './archive.ts';
import type { ArchiveMetric } from './archive-metrics.ts';

const seed = Number(process.env.HUNT_TEST_SEED ?? Date.now() % 2 ** 31);
const hour = 3_600_000;
const slot = 33 as Slot;

/** A log that checks what it is told to let go of: all of it must be whole in the archive, and as it was appended (I8). */
class JudgingLog extends MemoryLog {
  readonly everything = new Map<number, LogRecord[]>();
  readonly trims: { readonly slot: Slot; readonly before: Position }[] = [];
  fails: (() => boolean) | undefined;
  archive: Archive = new MemoryArchive();

  override async readSlot(...args: Parameters<MemoryLog['readSlot']>): ReturnType<MemoryLog['readSlot']> {
    if (this.fails?.() === true) throw new LogUnavailableError('told to');
    return super.readSlot(...args);
  }

  override async trim(slot: Slot, before: Position): Promise<Position> {
    this.trims.push({ slot, before });
    const archived = new Map<number, LogRecord>();
    for (const { name } of await this.archive.list('')) {
      if (parseName(name)?.level !== 0 || parseName(name)?.slot !== slot) continue;
      for (const record of await readObject(this.archive, name).catch(() => [])) archived.set(record.position, record);
    }
    for (const record of this.everything.get(slot) ?? []) {
      const held = archived.get(record.position);
      if (record.position < before)
        assert.ok(
          held !== undefined && isSameRecord(held, record),
          `position ${record.position} left the log unarchived`,
        );
    }
    if (this.fails?.() === true) throw new LogUnavailableError('told to');
    const kept = await super.trim(slot, before);
    if (this.fails?.() === true) throw new LogUnavailableError('the answer was lost');
    return kept;
  }
}

/** An archive that fails as it is told to, or stores something else than it was given. */
class FaultyArchive implements Archive {
  fails: ((call: 'put' | 'list' | 'get') => boolean) | undefined;
  spoils: ((name: string) => boolean) | undefined;

  constructor(readonly inner: MemoryArchive) {}

  async put(name: string, bytes: Uint8Array): Promise<void> {
    this.#may('put');
    const stored = Buffer.from(bytes);
    if (this.spoils?.(name) === true) stored[stored.length >> 1] = (stored[stored.length >> 1] as number) ^ 1;
    await this.inner.put(name, stored);
    this.#may('put');
  }
  async list(prefix: string): Promise<readonly ArchiveObject[]> {
    this.#may('list');
    return this.inner.list(prefix);
  }
  async get(name: string, range?: ByteRange): Promise<Buffer | undefined> {
    this.#may('get');
    return this.inner.get(name, range);
  }
  #may(call: 'put' | 'list' | 'get'): void {
    if (this.fails?.(call) === true) throw new ArchiveUnavailableError('told to');
  }
}

describe('the archiver', () => {
  let log: JudgingLog;
  let objects: MemoryArchive;
  let archive: FaultyArchive;
  let time: TestTime;
  let writers: Map<Slot, SlotWriter>;
  let heads: Map<string, number>;
  let said: string[];
  let counts: Map<string, number>;

  beforeEach(() => {
    log = new JudgingLog();
    objects = new MemoryArchive();
    log.archive = objects;
    archive = new FaultyArchive(objects);
    time = new TestTime();
    writers = new Map();
    heads = new Map();
    said = [];
    counts = new Map();
  });

  function archiver(more: Partial<ArchiverOptions> = {}): Archiver {
    const say = (facts: object, message: string): void => void said.push(`${message}: ${JSON.stringify(facts)}`);
    const metrics = {
      count: (name: ArchiveMetric, by: number, label = '') =>
        void counts.set(`${name} ${label}`, (counts.get(`${name} ${label}`) ?? 0) + by),
      gauge: (name: ArchiveMetric, value: number) => void counts.set(name, value),
    };
    return new Archiver({
      log,
      archive,
      ownedSlots: () => [slot],
      keepMs: 24 * hour,
      clock: time.clock,
      timers: time.timers,
      journal: { info: say, warn: say, error: say },
      metrics,
      ...more,
    });
  }

  async function append(stream: StreamId, bytes = 100, at = time.wall): Promise<void> {
    const owner = (stream.id % 256) as Slot;
    const writer = writers.get(owner) ?? (await log.take(owner, 1));
    writers.set(owner, writer);
    const key = `${stream.kind}/${stream.id}`;
    const head = heads.get(key) ?? 0;
    const event = Event.encode({
      ...Event.decode(new Uint8Array()),
      huntId: stream.id,
      version: head + 1,
      playerId: 'p'.padEnd(bytes, 'p'),
      occurredAt: at,
    }).finish();
    const outcome = await writer.append(stream, version(head), 1, encodeRecord([event], 1, 'n1@1'));
    assert.ok(outcome.kind === 'appended');
    heads.set(key, head + 1);
    const record = log.records(stream).at(-1) as LogRecord;
    log.everything.set(owner, [...(log.everything.get(owner) ?? []), record]);
  }
  async function inLog(of = slot): Promise<number> {
    let count = 0;
    for (let next = 0 as Position; ; ) {
      const page = await MemoryLog.prototype.readSlot.call(log, of, next);
      count += page.records.length;
      if (page.next === page.end) return count;
      next = page.next;
    }
  }
  const names = (): string[] => [...objects.objects.keys()].filter((name) => name.endsWith('.records')).sort();
  /** Lets time pass at once: nobody here waits for a timer. */
  const pass = (ms: number): void => {
    time.wall += ms;
    time.mono += ms;
  };
  /** Rounds as they come, four an hour. */
  async function hours(of: Archiver, count: number): Promise<void> {
    for (let i = 0; i < count * 4; i++) {
      pass(hour / 4);
      await of.round();
    }
  }
  async function mustBeOneHistory(streams: readonly StreamId[]): Promise<void> {
    const whole = new ArchivedLog(log, objects);
    for (const stream of streams) {
      const records = await readAll(whole, stream);
      const all = (log.everything.get((stream.id % 256) as Slot) ?? []).filter(
        (one) => one.stream.id === stream.id && one.stream.kind === stream.kind,
      );
      assert.equal(records.length, all.length);
      for (const [i, record] of records.entries()) assert.ok(isSameRecord(record, all[i] as LogRecord));
    }
  }
  const spoil = (name: string): void => {
    const bytes = objects.objects.get(name) as Buffer;
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
  };

  it('says while the archive is full or away, and no longer', async () => {
    const one = archiver();
    await append(freshStream(slot));
    archive.fails = (call) => call === 'put';
    await hours(one, 8);
    assert.deepEqual([one.away, one.faults, counts.get('hunt_archive_away')], ['told to', [], 1]);
    archive.fails = undefined;
    await hours(one, 1);
    assert.deepEqual([one.away, counts.get('hunt_archive_away')], [undefined, 0]);
  });

  it('keeps a day in the log, copies what is older in time, and lets it go when it is of age', async () => {
    const one = archiver();
    const stream = freshStream(slot);
    for (let i = 0; i < 30; i++) {
      await append(stream);
      await hours(one, 1);
    }
    assert.ok(
      (await inLog()) >= 24 && (await inLog()) <= 31,
      `${await inLog()} records of an hour each are in the log`,
    );
    await hours(one, 7);
    assert.ok((await inLog()) < 30, 'what was of age has left');
    await hours(one, 40);
    assert.equal(await inLog(), 0);
    assert.ok(names().length >= 4 && names().length <= 8, `a few objects: ${names().length}`);
    await mustBeOneHistory([stream]);
    assert.equal(counts.get('hunt_archive_records_total '), 30);
    assert.equal(counts.get('hunt_archive_log_bytes'), 0);
    assert.deepEqual(said, []);
  });

  it('archives nothing of the last minute, and much at once when much waits', async () => {
    const one = archiver();
    const stream = freshStream(slot);
    for (let i = 0; i < 50; i++) await append(stream, 200_000);
    await one.round();
    assert.deepEqual(names(), []);
    assert.ok((counts.get('hunt_archive_pending_bytes') ?? 0) >= 10_000_000);
    pass(61_000);
    await one.round();
    assert.equal(names().length, 2, 'two of 4 MiB; the rest is less than that');
    assert.ok((counts.get('hunt_archive_pending_bytes') ?? 0) < 4 * 1024 * 1024);
    assert.ok((counts.get('hunt_archive_lag_seconds') ?? 0) >= 61);
    assert.equal(await inLog(), 50, 'it stays in the log for its day');
  });

  it('lets the oldest go of whatever slot when there is more than should be kept', async () => {
    const slots = [33, 34] as Slot[];
    const keepBytes = 128 * 1_000_000;
    const one = archiver({ ownedSlots: () => slots, keepBytes });
    const [first, second] = [freshStream(33), freshStream(34)];
    for (let i = 0; i < 20; i++) {
      await append(i < 10 ? first : second, 100_000);
      pass(61_000);
      await one.round();
    }
    // Two of 256 slots may keep 1 MB together.
    await append(second, 100_000);
    pass(61_000);
    await one.round();
    await one.round();
    const left = (await inLog(slots[0])) + (await inLog(slots[1]));
    assert.ok(left >= 5 && left <= 12, `${left} of 21 records of 100 kB are left`);
    assert.ok((await inLog(slots[0])) < (await inLog(slots[1])), 'the oldest went');
    await mustBeOneHistory([first, second]);
  });

  it('does nothing with a keep time of 0, and begins by itself with any other', async () => {
    const stream = freshStream(slot);
    await append(stream);
    const never = archiver({ keepMs: 0 });
    never.start();
    await time.advance(100_000);
    await never.close();
    assert.equal(log.calls.readSlot, 0);
    const one = archiver({ keepMs: 8 * 60_000 });
    one.start();
    await time.advance(20 * 60_000);
    await one.close();
    assert.equal(await inLog(), 0);
    await mustBeOneHistory([stream]);
  });

  it('trims nothing while the archive does not take it, or keeps something else than it was given', async () => {
    const stream = freshStream(slot);
    for (let i = 0; i < 20; i++) await append(stream);
    const one = archiver();
    archive.fails = (call) => call === 'put';
    await hours(one, 60);
    assert.equal(await inLog(), 20);
    assert.ok(said.some((one) => one.includes('archived later')));
    assert.ok((counts.get('hunt_archive_failures_total copy') ?? 0) > 0);
    archive.fails = undefined;
    archive.spoils = (name) => name.endsWith('.records');
    await hours(one, 60);
    assert.equal(await inLog(), 20);
    assert.ok(one.faults[0]?.message.includes('other bytes'), JSON.stringify(one.faults));
    archive.spoils = undefined;
    await hours(one, 30);
    assert.deepEqual([await inLog(), one.faults], [0, []]);
    await mustBeOneHistory([stream]);
  });

  it('goes on after it was killed between copy and trim, and copies nothing twice', async () => {
    const stream = freshStream(slot);
    for (let i = 0; i < 20; i++) await append(stream);
    const killed = archiver();
    await hours(killed, 20);
    const before = names();
    assert.ok(before.length > 0 && (await inLog()) === 20);
    const next = archiver();
    await hours(next, 10);
    assert.equal(await inLog(), 0);
    assert.deepEqual(names(), before);
    await mustBeOneHistory([stream]);
  });

  it('trims nothing on the word of an object that was damaged since, and mends it from the log', async () => {
    const stream = freshStream(slot);
    for (let i = 0; i < 20; i++) await append(stream);
    const one = archiver();
    await hours(one, 20);
    assert.equal(names().length, 1);
    spoil(names()[0] as string);
    for (let i = 0; i < 40 && counts.get('hunt_archive_objects_total mended') === undefined; i++) {
      assert.equal(log.trims.length, 0);
      pass(hour / 4);
      await one.round();
    }
    assert.deepEqual([log.trims.length, counts.get('hunt_archive_objects_total mended')], [0, 1]);
    assert.ok(said.some((message) => message.includes('written anew')));
    await hours(one, 1);
    assert.equal(await inLog(), 0);
    await mustBeOneHistory([stream]);
    // Also when the archiver is a new one, which cannot even read how old the object is.
    for (let i = 0; i < 20; i++) await append(stream);
    await hours(one, 20);
    const last = names().at(-1) as string;
    const bytes = objects.objects.get(last) as Buffer;
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] as number) ^ 1;
    const next = archiver();
    await hours(next, 3);
    assert.equal(await inLog(), 20, 'mended, and kept until it is of age');
    assert.equal(counts.get('hunt_archive_objects_total mended'), 2);
    await hours(next, 10);
    assert.equal(await inLog(), 0);
    await mustBeOneHistory([stream]);
  });

  it('trims nothing where the archive has something else, however whole', async () => {
    const stream = freshStream(slot);
    for (let i = 0; i < 20; i++) await append(stream);
    const one = archiver();
    await hours(one, 20);
    const [name] = names() as [string];
    const records = await readObject(objects, name);
    const other = records.map((record, i) => (i === 7 ? { ...record, bytes: Buffer.from('something else') } : record));
    const { slot: of, from, to } = parseName(name) as NonNullable<ReturnType<typeof parseName>>;
    await archiveRecords(objects, { slot: of, from, to, oldestAt: 0, newestAt: 0 }, other);
    await hours(one, 20);
    assert.deepEqual([await inLog(), log.trims.length], [20, 0]);
    assert.match(one.faults[0]?.message ?? '', /is not what the log has/);
    assert.equal(said.length, 1, 'said once, not in every round');
  });

  it('copies again what is missing from the archive as long as the log has it, and stops when it has not', async () => {
    const stream = freshStream(slot);
    for (let day = 0; day < 3; day++) {
      for (let i = 0; i < 5; i++) await append(stream);
      await hours(archiver(), 8);
    }
    assert.equal(names().length, 3);
    objects.objects.delete(names()[1] as string);
    const one = archiver();
    await hours(one, 26);
    assert.equal(await inLog(), 0);
    await mustBeOneHistory([stream]);
    for (let i = 0; i < 5; i++) await append(stream);
    const [, second] = names();
    const kept = objects.objects.get(second as string) as Buffer;
    objects.objects.delete(second as string);
    const next = archiver();
    await hours(next, 30);
    assert.match(next.faults[0]?.message ?? '', /restore the objects/);
    assert.equal(await inLog(), 5);
    objects.objects.set(second as string, kept);
    await hours(next, 30);
    assert.deepEqual([await inLog(), next.faults], [0, []]);
    // The newest are missing: the streams' versions tell.
    for (let i = 0; i < 5; i++) await append(stream);
    const last = names().at(-1) as string;
    objects.objects.delete(last);
    const late = archiver();
    await hours(late, 30);
    assert.match(late.faults[0]?.message ?? '', /begins at version \d+ in the log, and the archive lacks version/);
    assert.equal(await inLog(), 5);
  });

  it('refuses the archive of another log', async () => {
    const stream = freshStream(slot);
    for (let i = 0; i < 20; i++) await append(stream);
    await hours(archiver(), 10);
    const other = new JudgingLog();
    other.archive = objects;
    log = other;
    writers.clear();
    heads.clear();
    const fresh = freshStream(slot);
    for (let i = 0; i < 5; i++) await append(fresh);
    const shorter = archiver();
    await hours(shorter, 40);
    assert.match(shorter.faults[0]?.message ?? '', /the archive of another log/);
    for (let i = 0; i < 50; i++) await append(fresh);
    const longer = archiver();
    await hours(longer, 40);
    assert.match(longer.faults[0]?.message ?? '', /the archive of another log/);
    assert.equal(log.trims.length, 0);
  });

  it('does no harm beside others, whoever is ahead', async () => {
    const stream = freshStream(slot);
    const several = [archiver(), archiver(), archiver({ keepMs: 16 * hour })];
    for (let i = 0; i < 60; i++) {
      await append(stream);
      pass(hour);
      await Promise.all(several.map((one) => one.round()));
    }
    for (let i = 0; i < 40; i++) {
      pass(hour);
      for (const one of several) await one.round();
    }
    assert.equal(await inLog(), 0);
    assert.deepEqual(
      several.flatMap((one) => one.faults),
      [],
    );
    await mustBeOneHistory([stream]);
  });

  it('looks after the slots that it is told to, and forgets the others', async () => {
    let owned = [33, 34] as Slot[];
    const one = archiver({ ownedSlots: () => owned });
    const [first, second] = [freshStream(33), freshStream(34)];
    for (let i = 0; i < 3; i++) for (const stream of [first, second]) await append(stream);
    owned = [34 as Slot];
    await hours(one, 40);
    assert.deepEqual([await inLog(33 as Slot), await inLog(34 as Slot)], [3, 0]);
    assert.equal(counts.get('hunt_archive_slots'), 1);
  });

  it(`never trims what is not archived, whatever fails and whoever dies at any moment (seed ${seed})`, async function () {
    this.timeout(60_000);
    const random = seeded(seed);
    const streams = [freshStream(slot), freshStream(slot, 'key'), freshStream(slot)];
    let trouble = 0;
    archive.fails = () => random() < trouble;
    archive.spoils = (name) => random() < trouble && name.endsWith('.records');
    log.fails = () => random() < trouble;
    let several = [archiver({ keepMs: 4 * hour }), archiver({ keepMs: 4 * hour })];
    for (let round = 0; round < 250; round++) {
      for (let i = Math.floor(random() * 4); i >= 0; i--)
        await append(streams[Math.floor(random() * streams.length)] as StreamId, Math.floor(random() * 400));
      pass(Math.floor(random() * hour));
      trouble = random() < 0.5 ? random() * 0.4 : 0;
      await Promise.all(several.map((one) => one.round()));
      // A kill: what it knew is gone.
      if (random() < 0.2) several = [archiver({ keepMs: 4 * hour }), ...several.slice(0, 1)];
      const victims = names();
      if (random() < 0.1 && victims.length > 0) {
        const name = victims.at(-1) as string;
        // Only what the log still has can be mended.
        const { oldest } = await MemoryLog.prototype.readSlot.call(log, slot, 0 as Position, 1);
        if ((parseName(name)?.from ?? 0) >= oldest) spoil(name);
      }
    }
    trouble = 0;
    const last = archiver({ keepMs: 4 * hour });
    await hours(last, 12);
    assert.deepEqual([await inLog(), last.faults], [0, []], said.slice(-3).join('\n'));
    assert.ok(log.trims.length > 10);
    await mustBeOneHistory(streams);
  });
});
