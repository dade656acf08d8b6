import assert from 'node:assert/strict';
import {
  at,
  placeRecord,
  positionOf,
  recordBytes,
  recordHeaderBytes,
  recordType,
  writeRecord,
} from '../../runtime/log/embedded/record.ts';
import { scanSegment } from '../../runtime/log/embedded/scan.ts';
import { segmentHeaderBytes } from '../../runtime/log/embedded/segments.ts';
import { DiskWatch } from './disk-watch.ts';
import { Schedule } from './schedule.ts';
import { Seeded } from './seeded.ts';
import { SimDisk } from './sim-disk.ts';
import { SimProcess } from './sim-process.ts';

const hunt = 4711;
const segmentBytes = 2_048;
const path = '/log/segments/00000001.seg';
/** Ends in zeros, and is padded with more: both are in a new segment already. */
const body = Buffer.concat([Buffer.from('found the daisy'), Buffer.alloc(6)]);
/** Over two sectors, the last one zeros alone. */
const longBody = Buffer.concat([Buffer.from('found the daisy'), Buffer.alloc(700)]);

/** One commit: a record a body, with versions from 1. */
function commitOf(bodies: readonly Buffer[]): Buffer {
  const commit = Buffer.alloc(bodies.reduce((sum, one) => sum + recordBytes(one.length), 0));
  let offset = 0;
  bodies.forEach((one, i) => {
    const fields = { type: recordType.events, kind: 'hunt', id: hunt, slot: 3, version: i + 1, count: 1, epoch: 1 };
    const length = writeRecord(commit, offset, fields, one);
    placeRecord(commit, offset, positionOf(1, segmentHeaderBytes + offset), 0, segmentHeaderBytes);
    offset += length;
  });
  return commit;
}

/** What is done to the disk while the commit is on its way. */
type Harm = (disk: SimDisk, log: SimProcess) => void;

const harms: Readonly<Record<string, Harm>> = {
  'a killed process': (_disk, log) => log.die(),
  'a full disk': (disk) => disk.fill(1),
  'a loss of power': (disk, log) => {
    disk.losePower();
    log.die();
  },
};

/** Writes the commit into a new segment, does harm, and compares what the watch says with what a start of the log finds. */
async function harmed(seed: number, harm: Harm, bodies: readonly Buffer[], syncs: boolean) {
  const schedule = new Schedule();
  const disk = new SimDisk(new Seeded(seed, 'disk'), { writeUs: 3_000, stallShare: 0, stallUs: 0 });
  const watch = new DiskWatch(() => schedule.now);
  disk.onWritten = (bytes, isDurable, isCertain) => {
    if (isDurable || !syncs) watch.written(bytes, isCertain);
  };
  const log = new SimProcess('log', schedule, new Seeded(seed));
  log.start();
  const done = async <T>(work: Promise<T>): Promise<T> => {
    schedule.next(Number.MAX_SAFE_INTEGER)?.run();
    return await work;
  };
  const files = disk.of(log);
  const made = await done(files.open(path, { create: true }));
  await done(made.write(Buffer.alloc(segmentBytes), 0));
  await done(made.sync());
  await done(files.syncFolder('/log/segments'));

  const file = await done(files.open(path, { syncs }));
  const written = file.write(commitOf(bodies), segmentHeaderBytes);
  harm(disk, log);
  if (log.liveness === 'running') await assert.rejects(done(written), { code: 'ENOSPC' });
  else log.start();

  const found = Buffer.alloc(segmentBytes);
  const again = await done(disk.of(log).open(path, { readOnly: true }));
  await done(again.read(found, 0));
  const versions: number[] = [];
  const record = (bytes: Buffer, offset: number): number => versions.push(bytes.readDoubleLE(offset + at.version));
  scanSegment(
    found,
    1,
    segmentHeaderBytes,
    { last: true, cutAtFirstFault: true },
    {
      record,
      damagedRecord: () => assert.fail('a torn tail is not damage'),
      damagedRegion: () => assert.fail('a torn tail is not damage'),
    },
  );
  return {
    versions,
    watched: bodies.map((_, i) => i + 1).filter((version) => watch.since(hunt, version) !== undefined),
  };
}

describe('the watch on the disk of a simulated log', () => {
  for (const [name, harm] of Object.entries(harms))
    it(`says of a commit that ${name} cut short what the log finds after`, async () => {
      const foundCounts = new Set<number>();
      for (let seed = 1; seed <= 600; seed++) {
        const bodies = [seed % 2 === 0 ? body : longBody, body];
        const { versions, watched } = await harmed(seed, harm, bodies, name === 'a loss of power');
        assert.deepEqual(watched, versions, `seed ${seed}`);
        foundCounts.add(versions.length);
      }
      assert.deepEqual([...foundCounts].sort(), [0, 1, 2], 'none, a part and all of it was found in some run');
    });

  it('does not take a record for written whose body is not there', () => {
    const watch = new DiskWatch(() => 1);
    const commit = commitOf([body]);
    commit.fill(0, recordHeaderBytes);
    watch.written(commit, false);
    assert.equal(watch.since(hunt, 1), undefined);
    watch.written(commitOf([body]), true);
    assert.equal(watch.since(hunt, 1), 1);
  });
});
