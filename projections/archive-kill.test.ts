/** Archivers and the log killed with SIGKILL while both work. HUNT_TEST_SEED replays the waits. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Event } from '../proto/generated/hunt/v1/event.ts';
import type { Slot, StreamId } from '../proto/ids.ts';
import { encodeRecord } from '../runtime/activation/record.ts';
import { ArchivedLog } from '../runtime/log/archive/archived-log.ts';
import { FolderArchive } from '../runtime/log/archive/folder-archive.ts';
import { eventually, freshStream, readAll, seeded, version } from '../runtime/log/contract-fixture.ts';
import { EmbeddedLog } from '../runtime/log/embedded/client.ts';
import { LogProcess } from '../runtime/log/embedded/log-process.ts';

const seed = Number(process.env.HUNT_TEST_SEED ?? Date.now() % 2 ** 31);
const keepMs = 240;

interface Said {
  readonly message?: string;
  readonly fault?: string;
  readonly counted?: string;
}

describe('archivers that are killed', () => {
  it(`lose nothing between log and archive, whenever it happens (seed ${seed})`, async function () {
    this.timeout(60_000);
    const random = seeded(seed);
    const folder = await mkdtemp(join(tmpdir(), 'hunt-archive-'));
    const log = await LogProcess.start({ segmentBytes: 32 * 1024, indexFlushMs: 20 });
    const client = await EmbeddedLog.connect({ socketPath: log.socketPath, patienceMs: 20_000 });
    const slots = [70, 71, 72] as Slot[];
    const children = new Set<ChildProcess>();
    const said: Said[] = [];
    const start = (): ChildProcess => {
      const child = fork(fileURLToPath(new URL('./archive.child.js', import.meta.url)), [
        log.socketPath,
        folder,
        slots.join(','),
        String(keepMs),
      ]);
      children.add(child);
      child.on('message', (message: Said) => said.push(message));
      child.once('exit', () => children.delete(child));
      return child;
    };
    const kill = async (child: ChildProcess): Promise<void> => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    };
    const counted = (name: string): number => said.filter((one) => one.counted === name).length;
    let running = true;
    const written = new Map<StreamId, Buffer[]>();
    const write = async (slot: Slot): Promise<void> => {
      const writer = await client.take(slot, 1);
      const streams = [freshStream(slot), freshStream(slot)];
      for (const stream of streams) written.set(stream, []);
      while (running) {
        const stream = streams[Math.floor(random() * streams.length)] as StreamId;
        const all = written.get(stream) as Buffer[];
        const event = Event.encode({
          ...Event.decode(new Uint8Array()),
          huntId: stream.id,
          version: all.length + 1,
          playerId: 'p'.repeat(Math.floor(random() * 600)),
          occurredAt: Date.now(),
        }).finish();
        const bytes = encodeRecord([event], 1, 'n1@1');
        const outcome = await writer.append(stream, version(all.length), 1, bytes);
        assert.equal(outcome.kind, 'appended', JSON.stringify(outcome));
        all.push(bytes);
      }
    };
    try {
      const writing = Promise.all(slots.map(write));
      writing.catch(() => undefined);
      // Two at once, of which now one and now the other dies.
      const pair = [start(), start()];
      for (let round = 0; round < 6; round++) {
        const before = counted('hunt_archive_objects_total');
        await eventually('something to be archived', () => counted('hunt_archive_objects_total') > before, 20_000);
        await new Promise((resolve) => setTimeout(resolve, random() * 120));
        const victim = round % 2;
        await kill(pair[victim] as ChildProcess);
        if (round % 3 === 2) await log.restartServer();
        pair[victim] = start();
      }
      const trims = counted('hunt_archive_trims_total');
      await eventually('a few more trims', () => counted('hunt_archive_trims_total') > trims + 3, 20_000);
      running = false;
      await writing;
      for (const child of pair) await kill(child);
      const whole = new ArchivedLog(client, new FolderArchive(folder), (message) => assert.fail(message));
      let trimmed = 0;
      for (const [stream, all] of written) {
        const { oldest } = await client.read(stream, version(1));
        if (oldest > 1) trimmed++;
        const records = await readAll(whole, stream);
        assert.equal(records.length, all.length);
        for (const [i, record] of records.entries()) assert.ok(Buffer.from(record.bytes).equals(all[i] as Buffer));
      }
      assert.ok(trimmed > 0, 'some of it had left the log');
      assert.deepEqual(
        said.filter((one) => one.message?.includes('stays in the log')),
        [],
      );
    } finally {
      running = false;
      for (const child of children) child.kill('SIGKILL');
      await client.close();
      await log.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
