/** Trimming on a disk that fails or stalls at the wrong moment. In this process, so that the disk can be exchanged. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Position, Slot, StreamId } from '../../../proto/ids.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemTimers } from '../../kernel/timer.ts';
import { bytesOf, eventually, freshStream, readAll, version } from '../contract-fixture.ts';
import { LogUnavailableError, type SlotWriter } from '../event-log.ts';
import { baseName } from './base.ts';
import { EmbeddedLog } from './client.ts';
import { type Disk, type DiskFile, systemDisk } from './disk.ts';
import { marksName } from './marks.ts';
import { segmentOf } from './record.ts';
import { segmentName } from './segments.ts';
import { EmbeddedLogServer } from './server.ts';

/** Fails to rename what it is told to, and holds the reads of a file. */
class StallingDisk implements Disk {
  unnamed: string | undefined;
  held: { readonly name: string; readonly waiting: (() => void)[] } | undefined;

  async open(path: string, how: Parameters<Disk['open']>[1]): Promise<DiskFile> {
    const { held } = this;
    if (how.readOnly && held !== undefined && path.endsWith(held.name))
      await new Promise<void>((resolve) => held.waiting.push(resolve));
    return systemDisk.open(path, how);
  }
  async rename(from: string, to: string): Promise<void> {
    if (this.unnamed !== undefined && to.endsWith(`/${this.unnamed}`))
      throw Object.assign(new Error('EIO: told to'), { code: 'EIO' });
    await systemDisk.rename(from, to);
  }
  remove = systemDisk.remove;
  makeFolder = systemDisk.makeFolder;
  list = systemDisk.list;
  syncFolder = systemDisk.syncFolder;
}

describe('trimming on a failing disk', () => {
  const slot = 60 as Slot;
  let dir: string;
  let disk: StallingDisk;
  let server: EmbeddedLogServer;
  let log: EmbeddedLog;
  let writer: SlotWriter;
  let stream: StreamId;
  let positions: Position[];
  const said: string[] = [];

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hunt-trim-'));
    disk = new StallingDisk();
    said.length = 0;
    const say = (_: object, message: string): void => void said.push(message);
    server = await EmbeddedLogServer.start({
      dir,
      socketPath: join(dir, 'log.sock'),
      sync: 'power',
      clock: systemClock,
      timers: systemTimers,
      logger: { info: say, warn: say, error: say },
      disk,
      segmentBytes: 32 * 1024,
      indexFlushMs: 10,
      tailCacheBytes: 0,
    });
    log = await EmbeddedLog.connect({ socketPath: join(dir, 'log.sock') });
    writer = await log.take(slot, 1);
    stream = freshStream(slot);
    positions = [];
    for (let v = 0; v < 100; v++) {
      const outcome = await writer.append(stream, version(v), 1, bytesOf(`${v + 1}`.padEnd(900, '.')));
      assert.ok(outcome.kind === 'appended');
      positions.push(outcome.position);
    }
    await eventually('the index to be written', () => server.stats().unindexed === 0);
  });
  afterEach(async () => {
    await log.close();
    await server.close();
    await rm(dir, { recursive: true, force: true });
  });

  const firstSegment = async (): Promise<string | undefined> =>
    (await readdir(join(dir, 'segments'))).filter((name) => name.endsWith('.seg')).sort()[0];

  it('rejects a trim that cannot be written down, keeps everything, and takes it later', async () => {
    disk.unnamed = marksName;
    const before = positions[80] as Position;
    await assert.rejects(log.trim(slot, before), LogUnavailableError);
    assert.equal((await readAll(log, stream)).length, 100);
    assert.equal((await log.read(stream, version(1))).oldest, 1);
    disk.unnamed = undefined;
    assert.ok((await log.trim(slot, before)) > (positions[0] as Position));
    assert.ok((await log.read(stream, version(1))).oldest > 1);
  });

  it('removes no segment before the base says what must outlive it', async () => {
    disk.unnamed = baseName;
    await log.trim(slot, positions[80] as Position);
    await eventually('the failure to be told', () => said.some((one) => /cannot be removed: EIO/.test(one)));
    assert.equal(await firstSegment(), segmentName(1));
    disk.unnamed = undefined;
    // Whatever makes the log look again.
    await writer.append(stream, version(100), 1, bytesOf('more'));
    await eventually('the segments to be removed', async () => (await firstSegment()) !== segmentName(1));
    assert.equal(server.stats().floor, segmentOf(positions[80] as Position));
  });

  it('reads on from what is left when a segment is removed under a read, and takes it for no damage', async () => {
    disk.held = { name: segmentName(2), waiting: [] };
    const from = positions.findIndex((position) => segmentOf(position) === 2) + 1;
    const reading = log.read(stream, version(from));
    const slotReading = log.readSlot(slot, positions[from - 1] as Position);
    const { waiting } = disk.held;
    await eventually('the reads to reach the disk', () => waiting.length > 0);
    const kept = await log.trim(slot, positions[80] as Position);
    // The removal opens the segment as well.
    disk.held = undefined;
    await rm(join(dir, 'segments', segmentName(2)));
    for (const go of waiting) go();
    const page = await reading;
    assert.equal(page.records[0]?.position, kept);
    assert.equal(page.records[0]?.version, page.oldest);
    assert.equal((await slotReading).records[0]?.position, kept);
    assert.equal(server.stats().damages, 0);
  });
});
