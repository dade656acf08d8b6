/** Log and archive judged as one history, on a log that serves and on the segments of one that does not. */
import assert from 'node:assert/strict';
import { mkdtemp, open as openFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Event } from '../../../proto/generated/hunt/v1/event.ts';
import type { Position, Slot, StreamId } from '../../../proto/ids.ts';
import { encodeRecord } from '../../../runtime/activation/record.ts';
import { archiveRange } from '../../../runtime/log/archive/archive.fixture.ts';
import { archiveRecords, readObject, writeCatalogs } from '../../../runtime/log/archive/archiving.ts';
import { catalogFanIn } from '../../../runtime/log/archive/catalog.ts';
import { FolderArchive } from '../../../runtime/log/archive/folder-archive.ts';
import { parseName } from '../../../runtime/log/archive/object-name.ts';
import { eventually, freshStream, version } from '../../../runtime/log/contract-fixture.ts';
import type { EmbeddedLog } from '../../../runtime/log/embedded/client.ts';
import { LogProcess } from '../../../runtime/log/embedded/log-process.ts';
import { segmentOf } from '../../../runtime/log/embedded/record.ts';
import { segmentName } from '../../../runtime/log/embedded/segments.ts';
import type { LogRecord } from '../../../runtime/log/event-log.ts';
import type { AuditReport } from './log-audit.ts';
import { auditLive, auditSegments } from './log-source.ts';

const slots = [40, 41] as Slot[];
const events = 120;
const quiet = (): void => undefined;

describe('log verify on log and archive', () => {
  let log: LogProcess;
  let client: EmbeddedLog;
  let folder: string;
  let archive: FolderArchive;
  let streams: StreamId[];
  let objects: string[];

  beforeEach(async () => {
    log = await LogProcess.start({ segmentBytes: 32 * 1024, indexFlushMs: 20, tailCacheBytes: 0 });
    client = await log.open();
    folder = await mkdtemp(join(tmpdir(), 'hunt-archive-'));
    archive = new FolderArchive(folder);
    streams = slots.map((slot) => freshStream(slot));
    const positions: Position[] = [];
    const writers = await Promise.all(slots.map((slot) => client.take(slot, 1)));
    for (let v = 1; v <= events; v++) {
      for (const [i, stream] of streams.entries()) {
        const event = Event.encode({
          ...Event.decode(new Uint8Array()),
          huntId: stream.id,
          version: v,
          playerId: 'ada',
          seq: v,
          occurredAt: v,
          vector: [{ node: 'n1@1', count: v }],
          outcome: { $case: 'hintTaken', value: { stage: 's', clue: 'c'.repeat(500), n: 1 } },
        }).finish();
        const outcome = await writers[i]?.append(stream, version(v - 1), 1, encodeRecord([event], 1, 'n1@1'));
        assert.ok(outcome?.kind === 'appended');
        if (i === 0) positions.push(outcome.position);
      }
    }
    // Three objects a slot; the last one overlaps what stays in the log.
    const cuts = [0, positions[30], positions[70], positions[100]] as Position[];
    objects = [];
    for (const slot of slots) {
      for (let i = 1; i < cuts.length; i++)
        objects.push((await archiveRange(client, archive, slot, cuts[i - 1] as number, cuts[i] as number)) as string);
      await client.trim(slot, cuts[3] as Position);
    }
    const { oldest } = await client.read(streams[0] as StreamId, version(1));
    assert.ok(oldest > 70 && oldest < 101, `the log begins at ${oldest}, within what is archived`);
    const first = segmentName(segmentOf(positions[oldest - 1] as Position));
    await eventually('the segments before to be removed', async () =>
      (await readdir(join(log.dir, 'segments'))).every((name) => !name.endsWith('.seg') || name >= first),
    );
  });
  afterEach(async () => {
    await client.close();
    await log.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** The same of a log that serves and of one that does not. */
  async function both(judge: (report: AuditReport) => void): Promise<void> {
    judge(await auditLive(client, archive, { slots }, quiet));
    await log.stop();
    judge(await auditSegments(log.dir, archive, { slots }, quiet));
  }
  async function flip(object: string, at: number): Promise<void> {
    const file = await openFile(join(folder, 'objects', object), 'r+');
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] as number) ^ 8;
    await file.write(byte, 0, 1, at);
    await file.close();
  }
  async function rewrite(
    object: string,
    change: (records: readonly LogRecord[]) => readonly LogRecord[],
  ): Promise<void> {
    const { slot, from, to } = parseName(object) as NonNullable<ReturnType<typeof parseName>>;
    const records = change(await readObject(archive, object));
    await archiveRecords(archive, { slot, from, to, oldestAt: 0, newestAt: 0 }, records);
  }

  it('finds one whole history, each event once', () =>
    both((report) => {
      assert.deepEqual(report.first_faults, []);
      assert.deepEqual([report.ok, report.hunts, report.events, report.batches], [true, 2, 2 * events, 2 * events]);
    }));

  it('finds what is in neither', async () => {
    await rm(join(folder, 'objects', objects[1] as string));
    await both((report) => {
      assert.deepEqual([report.ok, report.holes, report.events], [false, 1, 2 * events - 40]);
      assert.match(report.first_faults[0]?.detail ?? '', /versions 31 to 70 are missing/);
    });
  });

  it('finds a flipped byte in the archive, also of what is still in the log', async () => {
    await flip(objects[0] as string, 40);
    await flip(objects[5] as string, 40);
    await both((report) => {
      assert.equal(report.ok, false);
      assert.ok(report.undecodable >= 2, JSON.stringify(report));
      for (const object of [objects[0], objects[5]])
        assert.ok(
          report.first_faults.some((fault) => fault.kind === 'undecodable' && fault.detail.includes(object as string)),
          `${object} in ${JSON.stringify(report.first_faults)}`,
        );
    });
  });

  it('finds a record that the archive has otherwise than the log', async () => {
    await rewrite(objects[2] as string, (records) =>
      records.map((record, i) => (i === records.length - 1 ? { ...record, epoch: record.epoch + 1 } : record)),
    );
    await both((report) => {
      assert.deepEqual([report.ok, report.forks, report.holes, report.events], [false, 1, 0, 2 * events]);
      assert.equal(report.first_faults[0]?.version, 100);
    });
  });

  it('finds a record that the archive lacks while the log has it', async () => {
    await rewrite(objects[2] as string, (records) => records.slice(0, -1));
    await both((report) => {
      assert.deepEqual([report.ok, report.holes, report.events], [false, 1, 2 * events]);
      assert.match(report.first_faults[0]?.detail ?? '', /the archive lacks/);
    });
  });

  it('finds a damaged catalog, and the history whole all the same', async () => {
    const [slot] = slots as [Slot];
    const rest = (await client.readSlot(slot, 0 as Position, 1_000_000)).records;
    // One object a record, as many as make a catalog together with those that are there.
    const from = parseName(objects[2] as string)?.to as Position;
    const ends = rest.filter((record) => record.position >= from).map((record) => record.position + 1);
    for (const [i, to] of ends.entries())
      await archiveRange(client, archive, slot, i === 0 ? from : (ends[i - 1] as number), to);
    const more = catalogFanIn - 3 - ends.length;
    assert.ok(more > 0);
    let last = ends.at(-1) as number;
    const writer = await client.take(slot, 1);
    for (let i = 0; i < more; i++) {
      const key = freshStream(slot, 'key');
      const event = Event.encode({
        ...Event.decode(new Uint8Array()),
        huntId: key.id,
        version: 1,
        vector: [{ node: 'n1@1', count: 1 }],
      });
      const outcome = await writer.append(key, version(0), 1, encodeRecord([event.finish()], 1, 'n1@1'));
      assert.ok(outcome.kind === 'appended');
      await archiveRange(client, archive, slot, last, outcome.position + 1);
      last = outcome.position + 1;
    }
    assert.equal(await writeCatalogs(archive, slot), 1);
    const catalog = (await archive.list('')).find(({ name }) => name.endsWith('.catalog1'))?.name as string;
    assert.equal((await auditLive(client, archive, { slots }, quiet)).ok, true);
    await flip(catalog, 30);
    await both((report) => {
      assert.deepEqual([report.ok, report.undecodable, report.holes, report.events], [false, 1, 0, 2 * events]);
      assert.ok(report.first_faults[0]?.detail.includes(catalog));
    });
  });

  it('looks at one hunt alone when it is told to', async () => {
    const [stream] = streams as [StreamId];
    const report = await auditLive(client, archive, { slots: [slots[0] as Slot], hunt: stream.id }, quiet);
    assert.deepEqual([report.ok, report.hunts, report.events], [true, 1, events]);
  });
});
