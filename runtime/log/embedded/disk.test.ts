/** The log process on a disk that fills up or breaks, and its bounds. In this process, so that the disk can be exchanged. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Slot } from '../../../proto/ids.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemTimers } from '../../kernel/timer.ts';
import { bytesOf, eventually, freshStream, readAll, textOf, version } from '../contract-fixture.ts';
import type { SlotWriter } from '../event-log.ts';
import { Follower } from '../feed.contract.ts';
import { EmbeddedLog } from './client.ts';
import { type Disk, type DiskFile, systemDisk } from './disk.ts';
import { openSegmentsReadOnly } from './offline.ts';
import { recordBytes } from './record.ts';
import { EmbeddedLogServer, type EmbeddedLogServerOptions } from './server.ts';
import { BodyWriter, logFrame, op } from './wire.ts';

/** A disk that does as it is told. */
class SwitchedDisk implements Disk {
  /** What the next writes to segments that are appended to do. */
  mode: 'well' | 'full' | 'half written' | 'dead' | 'slow' = 'well';
  /** Whether new files can be made. */
  room = true;
  held: (() => void)[] = [];

  async open(path: string, how: Parameters<Disk['open']>[1]): Promise<DiskFile> {
    const file = await systemDisk.open(path, how);
    const fails = (code: string): Error => Object.assign(new Error(`${code}: told to`), { code });
    return {
      write: async (bytes, offset) => {
        if (how.create && !this.room) throw fails('ENOSPC');
        if (!how.create && this.mode === 'slow') await new Promise<void>((resolve) => this.held.push(resolve));
        const erases = bytes.every((byte) => byte === 0);
        if (!how.create && this.mode === 'dead') {
          if (!erases) await file.write(bytes, offset);
          throw fails('EIO');
        }
        if (!how.create && !erases && this.mode === 'full') throw fails('ENOSPC');
        if (!how.create && !erases && this.mode === 'half written') {
          await file.write(bytes.subarray(0, bytes.length - 8), offset);
          throw fails('EDQUOT');
        }
        await file.write(bytes, offset);
      },
      read: (into, offset) => file.read(into, offset),
      sync: () => file.sync(),
      close: () => file.close(),
    };
  }
  rename = systemDisk.rename;
  remove = systemDisk.remove;
  makeFolder = systemDisk.makeFolder;
  list = systemDisk.list;
  syncFolder = systemDisk.syncFolder;

  release(): void {
    this.mode = 'well';
    for (const go of this.held.splice(0)) go();
  }
}

describe('the embedded log on a failing disk', () => {
  const slot = 40 as Slot;
  let dir: string;
  let disk: SwitchedDisk;
  let server: EmbeddedLogServer;
  let log: EmbeddedLog;
  let writer: SlotWriter;
  const said: string[] = [];

  const start = (more: Partial<EmbeddedLogServerOptions> = {}): Promise<EmbeddedLogServer> => {
    const say = (_: object, message: string): void => void said.push(message);
    return EmbeddedLogServer.start({
      dir,
      socketPath: join(dir, 'log.sock'),
      sync: 'power',
      clock: systemClock,
      timers: systemTimers,
      logger: { info: say, warn: say, error: say },
      disk,
      segmentBytes: 64 * 1024,
      indexFlushMs: 50,
      ...more,
    });
  };
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hunt-disk-'));
    disk = new SwitchedDisk();
    said.length = 0;
    server = await start();
    log = await EmbeddedLog.connect({ socketPath: join(dir, 'log.sock') });
    writer = await log.take(slot, 1);
  });
  afterEach(async () => {
    disk.room = true;
    disk.release();
    await log.close();
    await server.close();
    await rm(dir, { recursive: true, force: true });
  });

  for (const mode of ['full', 'half written'] as const) {
    it(`refuses appends as full when a write fails (${mode}), serves reads, and recovers`, async () => {
      const stream = freshStream(slot);
      assert.equal((await writer.append(stream, version(0), 1, bytesOf('kept'))).kind, 'appended');
      disk.mode = mode;
      const outcomes = await Promise.all(
        [1, 2, 3].map((v) => writer.append(stream, version(v), 1, bytesOf(`lost ${v}`))),
      );
      for (const outcome of outcomes) {
        assert.ok(outcome.kind === 'refused' && outcome.reason === 'full', JSON.stringify(outcome));
        assert.match(outcome.message, /free space/);
      }
      assert.deepEqual((await readAll(log, stream)).map(textOf), ['kept']);
      await assert.rejects(log.take(slot, 9), /free space/);
      assert.match(server.stats().trouble ?? '', /free space/);
      disk.mode = 'well';
      await eventually('the log to take appends again', () => server.stats().trouble === undefined);
      assert.equal((await writer.append(stream, version(1), 1, bytesOf('after'))).kind, 'appended');
      await server.close();
      server = await start();
      assert.deepEqual(
        (await readAll(log, stream)).map(textOf),
        ['kept', 'after'],
        'what was refused never comes alive',
      );
      for await (const item of openSegmentsReadOnly(dir))
        assert.ok(item.kind === 'record' || item.kind === 'take', item.kind);
    });
  }

  it('says ambiguous when not even the failed write can be erased, and forks nothing afterwards', async () => {
    const stream = freshStream(slot);
    assert.equal((await writer.append(stream, version(0), 1, bytesOf('kept'))).kind, 'appended');
    disk.mode = 'dead';
    assert.equal((await writer.append(stream, version(1), 1, bytesOf('unknown'))).kind, 'ambiguous');
    assert.equal((await writer.append(stream, version(1), 1, bytesOf('no'))).kind, 'refused');
    assert.equal(await log.head(stream), 1);
    disk.mode = 'well';
    await eventually('the failed write to be erased', () => server.stats().trouble === undefined);
    assert.equal((await writer.append(stream, version(1), 1, bytesOf('next'))).kind, 'appended');
    await server.close();
    server = await start();
    assert.deepEqual((await readAll(log, stream)).map(textOf), ['kept', 'next']);
  });

  it('goes on within the last segment when no further one can be made, then refuses, then recovers', async () => {
    const stream = freshStream(slot);
    disk.room = false;
    let head = 0;
    for (;;) {
      const outcome = await writer.append(stream, version(head), 1, Buffer.alloc(8_000, 1));
      if (outcome.kind !== 'appended') {
        assert.ok(outcome.kind === 'refused' && outcome.reason === 'full', JSON.stringify(outcome));
        break;
      }
      head++;
      assert.ok(head < 100, 'two segments hold no hundred such records');
    }
    assert.ok(head >= 5);
    assert.equal((await readAll(log, stream)).length, head);
    disk.room = true;
    await eventually('a further segment', () => server.stats().trouble === undefined);
    for (let i = 0; i < 20; i++)
      assert.equal((await writer.append(stream, version(head++), 1, Buffer.alloc(8_000, 1))).kind, 'appended');
    assert.equal((await readAll(log, stream)).length, head);
  });

  it('keeps the end of the last segment for takes and the cluster, so that a full disk hinders no start and no failover', async () => {
    const stream = freshStream(slot);
    disk.room = false;
    let head = 0;
    while ((await writer.append(stream, version(head), 1, Buffer.alloc(1_000, 1))).kind === 'appended') head++;
    const view = log.shared({ kind: 'cluster', id: slot });
    for (let i = 0; i < 40; i++) {
      const [appended, successor] = await Promise.all([
        view.append(version(i), 1, bytesOf('a node joined')),
        log.take(slot, i + 2),
      ]);
      assert.deepEqual([appended.kind, successor.epoch], ['appended', i + 2]);
    }
    const refused = await (await log.take(slot, 50)).append(stream, version(head), 1, bytesOf('small'));
    assert.ok(refused.kind === 'refused' && refused.reason === 'full', JSON.stringify(refused));
    await server.close();
    server = await start();
    assert.equal((await log.take(slot, 51)).epoch, 51, 'a start that has no next segment either');
    disk.room = true;
    const kept = await log.take(slot, 52);
    await eventually('a further segment', async () => {
      return (await kept.append(stream, version(head), 1, bytesOf('after'))).kind === 'appended';
    });
  });

  it('answers nothing and shows nothing before the write has returned (I1)', async () => {
    const stream = freshStream(slot);
    const follower = new Follower(log, stream, 0);
    await log.subscribe(stream, follower);
    const rival = await EmbeddedLog.connect({ socketPath: join(dir, 'log.sock') });
    const second = await rival.take(slot, 1);
    disk.mode = 'slow';
    let answered = false;
    const append = writer.append(stream, version(0), 1, bytesOf('slow')).then((outcome) => {
      answered = true;
      return outcome;
    });
    await eventually('the write to begin', () => disk.held.length > 0);
    let refused = false;
    const conflict = second.append(stream, version(0), 1, bytesOf('rival')).then((outcome) => {
      refused = true;
      return outcome;
    });
    assert.equal(await rival.head(stream), 0, 'not in the log yet');
    assert.equal((await readAll(rival, stream)).length, 0);
    assert.deepEqual([answered, refused, follower.upto], [false, false, 0]);
    disk.release();
    assert.equal((await append).kind, 'appended');
    assert.deepEqual(await conflict, { kind: 'conflict', head: 1 });
    await eventually('the record at the follower', () => follower.upto === 1);
    await rival.close();
  });

  it('refuses a record that no segment holds, naming the bound', async () => {
    const outcome = await writer.append(freshStream(slot), version(0), 1, Buffer.alloc(64 * 1024));
    assert.ok(outcome.kind === 'refused' && outcome.reason === 'too_large', JSON.stringify(outcome));
    assert.match(outcome.message, /at most \d+/);
  });

  it('refuses as busy beyond the bytes that may be unanswered, and takes more once they are answered', async () => {
    await server.close();
    server = await start({ segmentBytes: 8 * 1024 * 1024 });
    await log.head(freshStream(slot));
    disk.mode = 'slow';
    const stream = freshStream(slot);
    const outcomes: Promise<{ kind: string }>[] = [];
    for (let v = 0; v < 700; v++) outcomes.push(writer.append(stream, version(v), 1, Buffer.alloc(50_000)));
    const last = await (outcomes.at(-1) as Promise<{ kind: string; reason?: string }>);
    assert.deepEqual([last.kind, last.reason], ['refused', 'busy']);
    disk.release();
    await eventually('the disk to take all', () => {
      disk.release();
      return server.stats().waitingBytes === 0;
    });
    const kinds = (await Promise.all(outcomes)).map((one) => one.kind);
    const done = kinds.lastIndexOf('appended') + 1;
    assert.equal(
      kinds.slice(0, done).every((kind) => kind === 'appended'),
      true,
    );
    assert.equal(await log.head(stream), done);
  });

  it('keeps few streams in memory and knows the heads of all', async () => {
    await server.close();
    server = await start({ streamsInMemory: 50 });
    const streams = Array.from({ length: 1_000 }, () => freshStream(slot));
    for (let v = 0; v < 2; v++) {
      const outcomes = await Promise.all(
        streams.map((stream) => writer.append(stream, version(v), 1, bytesOf(`${stream.id}@${v}`))),
      );
      assert.ok(outcomes.every((one) => one.kind === 'appended'));
      await eventually('the index to be written', () => server.stats().unindexed === 0);
    }
    await eventually('streams to be let go', async () => {
      await writer.append(streams[0] as never, await log.head(streams[0] as never), 1, bytesOf('more'));
      return server.stats().streamsInMemory <= 100;
    });
    for (const stream of streams.slice(1, 100)) assert.equal(await log.head(stream), 2);
    assert.deepEqual(
      (await readAll(log, streams[500] as never)).map(textOf),
      [0, 1].map((v) => `${streams[500]?.id}@${v}`),
    );
  });

  it('cuts a subscriber that does not drain to heads alone, and lets it catch up', async () => {
    await server.close();
    server = await start({ segmentBytes: 4 * 1024 * 1024, tailCacheBytes: 0 });
    const stream = freshStream(slot);
    // A gateway that subscribes and then reads nothing from its socket.
    const socket = createConnection(join(dir, 'log.sock'));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.write(new BodyWriter().stream(stream).reply(logFrame.request, 1, op.subscribe));
    await eventually('the subscription', () => server.stats().subscriptions === 1);
    socket.pause();
    let head = 0;
    while (server.stats().feedCuts === 0) {
      assert.ok(head < 2_000, 'a subscriber 100 MB behind was never cut');
      const outcomes = await Promise.all(
        [0, 1, 2, 3].map((i) => writer.append(stream, version(head + i), 1, Buffer.alloc(50_000))),
      );
      assert.ok(outcomes.every((one) => one.kind === 'appended'));
      head += 4;
    }
    const frames: Buffer[] = [];
    socket.on('data', (chunk) => frames.push(chunk));
    socket.resume();
    await eventually('a heads frame with the head', () => {
      const bytes = Buffer.concat(frames);
      const expected = new BodyWriter().stream(stream).f64(head).frame(logFrame.heads);
      return bytes.indexOf(expected) >= 0;
    });
    socket.destroy();
    await eventually('the subscription to be forgotten', () => server.stats().subscriptions === 0);
  });

  it('ends a link that sends what no client sends, and nothing else', async () => {
    for (const garbage of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.alloc(64, 255),
      new BodyWriter().u32(1).u8(0).bytes(Buffer.alloc(90, 1)).frame(logFrame.append),
    ]) {
      const socket = createConnection(join(dir, 'log.sock'));
      const ended = new Promise((resolve) => socket.once('close', resolve));
      socket.resume();
      socket.write(garbage);
      await ended;
    }
    const stream = freshStream(slot);
    assert.equal((await writer.append(stream, version(0), 1, bytesOf('well'))).kind, 'appended');
  });

  it('reads 10,000 events of one stream in well under 20 ms, hot and from disk', async function () {
    this.timeout(20_000);
    for (const tailCacheBytes of [64 * 1024 * 1024, 0]) {
      await server.close();
      server = await start({ segmentBytes: 8 * 1024 * 1024, tailCacheBytes });
      const stream = freshStream(slot);
      const others = Array.from({ length: 20 }, () => freshStream(slot));
      const outcomes: Promise<{ kind: string }>[] = [];
      for (let turn = 0; turn < 1_000; turn++) {
        outcomes.push(writer.append(stream, version(turn * 10), 10, Buffer.alloc(1_200, turn)));
        outcomes.push(writer.append(others[turn % 20] as never, version(Math.floor(turn / 20)), 1, Buffer.alloc(300)));
      }
      assert.ok((await Promise.all(outcomes)).every((one) => one.kind === 'appended'));
      const times: number[] = [];
      for (let i = 0; i < 9; i++) {
        const began = performance.now();
        const records = await readAll(log, stream, 1, 4 * 1024 * 1024);
        times.push(performance.now() - began);
        assert.equal(records.length, 1_000);
        assert.equal((records.at(-1)?.version ?? 0) + 9, 10_000);
      }
      times.sort((a, b) => a - b);
      // The best of nine: what the log needs, not what else the machine does.
      assert.ok(
        (times[0] as number) < 20,
        `took ${times.map((ms) => ms.toFixed(1)).join(' ')} ms for ${1_000 * recordBytes(1_200)} bytes`,
      );
    }
  });
});
