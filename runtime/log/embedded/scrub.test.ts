/** Looking for damage before anybody reads it. */
import assert from 'node:assert/strict';
import { mkdtemp, open as openFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Position, Slot, StreamId } from '../../../proto/ids.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemTimers } from '../../kernel/timer.ts';
import { bytesOf, eventually, freshStream, readAll, version } from '../contract-fixture.ts';
import { LogDamagedError, type LogRecord, type SlotWriter } from '../event-log.ts';
import { EmbeddedLog } from './client.ts';
import { at, offsetOf, recordHeaderBytes, segmentOf } from './record.ts';
import { segmentName } from './segments.ts';
import { EmbeddedLogServer, type EmbeddedLogServerOptions } from './server.ts';

const slot = 65 as Slot;

describe('the scrub of the embedded log', () => {
  let dir: string;
  let server: EmbeddedLogServer;
  let log: EmbeddedLog;
  let writer: SlotWriter;
  let streams: StreamId[];
  let said: string[];

  const start = async (more: Partial<EmbeddedLogServerOptions> = {}): Promise<void> => {
    const say = (_: object, message: string): void => void said.push(message);
    server = await EmbeddedLogServer.start({
      dir,
      socketPath: join(dir, 'log.sock'),
      sync: 'power',
      clock: systemClock,
      timers: systemTimers,
      logger: { info: say, warn: say, error: say },
      segmentBytes: 64 * 1024,
      indexFlushMs: 10,
      tailCacheBytes: 0,
      scrub: { bytesPerSecond: 1024 ** 3, firstMs: 30, everyMs: 30 },
      ...more,
    });
    log = await EmbeddedLog.connect({ socketPath: join(dir, 'log.sock') });
    writer = await log.take(slot, 1);
  };
  const stop = async (): Promise<void> => {
    await log.close();
    await server.close();
  };
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hunt-scrub-'));
    said = [];
    await start();
    streams = [freshStream(slot), freshStream(slot), freshStream(slot)];
    for (let v = 0; v < 80; v++) for (const stream of streams) assert.equal((await put(stream, v)).kind, 'appended');
  });
  afterEach(async () => {
    await stop();
    await rm(dir, { recursive: true, force: true });
  });

  const put = (stream: StreamId, head: number) =>
    writer.append(stream, version(head), 1, bytesOf(`${head + 1}`.padEnd(900, '.')));
  async function flip(position: number): Promise<void> {
    const file = await openFile(join(dir, 'segments', segmentName(segmentOf(position))), 'r+');
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, offsetOf(position));
    byte[0] = (byte[0] as number) ^ 16;
    await file.write(byte, 0, 1, offsetOf(position));
    await file.close();
  }
  const passes = async (more: number): Promise<void> => {
    const { scrubPasses } = server.stats();
    await eventually(`${more} more passes`, () => server.stats().scrubPasses >= scrubPasses + more);
  };

  it('reads the finished segments again and again, and finds a sound log sound', async () => {
    await passes(1);
    const before = server.stats();
    await passes(2);
    const after = server.stats();
    assert.equal(after.damages, 0);
    const bytes = after.scrubbedBytes - before.scrubbedBytes;
    assert.ok(bytes >= 2 * 3 * 60 * 1024, `${bytes} bytes in two passes over at least three segments`);
    assert.ok(!said.some((one) => /damage/.test(one)));
  });

  it('finds a flipped byte that nobody has read, reports it once, and tells whom it concerns', async () => {
    const [victim, ...sound] = streams as [StreamId, ...StreamId[]];
    const record = (await readAll(log, victim))[10] as LogRecord;
    await flip(record.position + recordHeaderBytes + 3);
    await eventually('the damage to be found', () => server.stats().damages > 0);
    await passes(2);
    assert.equal(said.filter((one) => one === 'found damage').length, 1);
    const refused = await put(victim, 80);
    assert.ok(refused.kind === 'refused' && refused.reason === 'damaged', JSON.stringify(refused));
    for (const stream of sound) assert.equal((await put(stream, 80)).kind, 'appended');
    // It is written down.
    await stop();
    await start({ scrub: { bytesPerSecond: 1, firstMs: 3_600_000, everyMs: 3_600_000 } });
    assert.equal(server.stats().damages, 1);
  });

  it('tells which slots lost a record where a header is gone, and doubts nobody whose head is known', async () => {
    const other = await log.take(66 as Slot, 1);
    const stranger = freshStream(66);
    assert.equal((await other.append(stranger, version(0), 1, bytesOf('x'))).kind, 'appended');
    const quiet = freshStream(slot);
    assert.equal((await put(quiet, 0)).kind, 'appended');
    const record = (await readAll(log, streams[0] as StreamId))[40] as LogRecord;
    await flip(record.position + at.version);
    await eventually('the damage to be found', () => server.stats().damages > 0);
    await assert.rejects(async () => {
      for (let next = 0 as Position; ; ) {
        const page = await log.readSlot(slot, next);
        if (page.next === page.end) return;
        next = page.next;
      }
    }, LogDamagedError);
    assert.equal((await log.readSlot(66 as Slot, 0 as Position)).records.length, 1);
    assert.equal((await put(quiet, 1)).kind, 'appended');
    assert.equal((await put(streams[1] as StreamId, 80)).kind, 'appended');
    await assert.rejects(readAll(log, streams[0] as StreamId), LogDamagedError);
  });

  it('minds nothing that was trimmed, and no segment that goes while it is read', async () => {
    const victim = streams[0] as StreamId;
    const records = await readAll(log, victim);
    const before = records[70] as LogRecord;
    await log.trim(slot, before.position);
    await eventually('the segments to be removed', () => server.stats().floor === segmentOf(before.position));
    await passes(2);
    assert.equal(server.stats().damages, 0);
    assert.ok(!said.some((one) => /cannot be looked through|found damage/.test(one)), said.join('\n'));
  });

  it('takes its time: no more bytes a second than it is told', async () => {
    await stop();
    await start({ scrub: { bytesPerSecond: 256 * 1024, firstMs: 1, everyMs: 3_600_000 } });
    const began = systemClock.monotonic();
    await eventually('a pass', () => server.stats().scrubPasses === 1, 20_000);
    const seconds = (systemClock.monotonic() - began) / 1000;
    const { scrubbedBytes } = server.stats();
    assert.ok(
      scrubbedBytes > 100 * 1024 && scrubbedBytes / seconds < 300 * 1024,
      `${scrubbedBytes} bytes in ${seconds} s`,
    );
  });
});
