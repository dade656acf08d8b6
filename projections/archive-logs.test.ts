/** The archiver on every log there is: what leaves each of them is read back as it was. */
import assert from 'node:assert/strict';
import { requireServer } from '../cluster/host/servers/require-server.ts';
import { sharedServer } from '../cluster/host/servers/shared-server.ts';
import { Event } from '../proto/generated/hunt/v1/event.ts';
import type { Position, Slot, StreamId } from '../proto/ids.ts';
import { encodeRecord } from '../runtime/activation/record.ts';
import { systemClock } from '../runtime/kernel/clock.ts';
import { systemTimers } from '../runtime/kernel/timer.ts';
import { ArchivedLog } from '../runtime/log/archive/archived-log.ts';
import { isSameRecord } from '../runtime/log/archive/archiving.ts';
import { MemoryArchive } from '../runtime/log/archive/memory-archive.ts';
import { freshStream, readAll, version } from '../runtime/log/contract-fixture.ts';
import { LogProcess } from '../runtime/log/embedded/log-process.ts';
import type { EventLog, LogRecord } from '../runtime/log/event-log.ts';
import { freshTopic } from '../runtime/log/kafka/kafka-log.fixture.ts';
import { KafkaLog } from '../runtime/log/kafka/kafka-log.ts';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { connectNatsLog } from '../runtime/log/nats/nats-log.ts';
import { Archiver } from './archive.ts';
import { noArchiveMetrics } from './archive-metrics.ts';
import { silentJournal } from './journal.ts';

const day = 24 * 3_600_000;
const slot = 55 as Slot;
const bodyBytes = 1_500;

async function readSlot(log: EventLog): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (let next = 0 as Position; ; ) {
    const page = await log.readSlot(slot, next, 20_000);
    records.push(...page.records);
    if (page.next >= page.end) return records;
    next = page.next;
  }
}

function archivesOn(
  name: string,
  open: (this: Mocha.Context) => Promise<{ log: EventLog; close(): Promise<void> }>,
): void {
  describe(`the archiver on ${name}`, () => {
    let log: EventLog;
    let close: () => Promise<void>;

    before(async function () {
      ({ log, close } = await open.call(this));
    });
    after(() => close?.());

    it('moves history out of the log, and out of both it is what it was', async () => {
      const archive = new MemoryArchive();
      const faults: string[] = [];
      const journal = {
        ...silentJournal,
        error: (facts: object, message: string) => void faults.push(`${message} ${JSON.stringify(facts)}`),
      };
      let later = 0;
      const archiver = (): Archiver =>
        new Archiver({
          log,
          archive,
          ownedSlots: () => [slot],
          keepMs: day,
          clock: { now: () => systemClock.now() + later, monotonic: () => systemClock.monotonic() },
          timers: systemTimers,
          journal,
          metrics: noArchiveMetrics,
        });
      const whole = new ArchivedLog(log, archive, (message) => faults.push(message));
      const writer = await whole.take(slot, 1);
      const streams = [freshStream(slot), freshStream(slot), freshStream(slot, 'key')];
      const heads = new Map(streams.map((stream) => [stream, 0]));
      const append = async (stream: StreamId): Promise<void> => {
        const head = heads.get(stream) as number;
        const event = Event.encode({
          ...Event.decode(new Uint8Array()),
          huntId: stream.id,
          version: head + 1,
          playerId: 'p'.repeat(bodyBytes),
          occurredAt: Date.now() + later,
        });
        const outcome = await writer.append(stream, version(head), 1, encodeRecord([event.finish()], 1, 'n1@1'));
        assert.equal(outcome.kind, 'appended', JSON.stringify(outcome));
        heads.set(stream, head + 1);
      };
      const mustBe = (found: readonly LogRecord[], wanted: readonly LogRecord[], what: string): void => {
        assert.equal(found.length, wanted.length, what);
        for (const [i, record] of wanted.entries())
          assert.ok(isSameRecord(record, found[i] as LogRecord), `${what}, record ${i}`);
      };

      let everything: LogRecord[] = [];
      for (let round = 0; round < 3; round++) {
        // The last stream falls silent, so that nothing of it is left.
        for (let i = 0; i < 60; i++) await append(streams[i % (round === 0 ? 3 : 2)] as StreamId);
        everything = await readSlot(whole);
        const of = archiver();
        await of.round();
        later += 2 * day;
        await of.round();
        // A new one finds out by itself where the others were.
        await archiver().round();
        const { oldest } = await log.read(streams[0] as StreamId, version(1));
        assert.ok(oldest > 1, `round ${round}: the log has the stream from ${oldest} on`);
        mustBe(await readSlot(whole), everything, 'the slot');
        for (const stream of streams) {
          const own = everything.filter(
            (record) => record.stream.id === stream.id && record.stream.kind === stream.kind,
          );
          mustBe(await readAll(whole, stream, 1, 4_000), own, `${stream.kind}/${stream.id}`);
          assert.equal(await whole.head(stream), own.length);
        }
      }
      assert.equal(everything.length, 180);
      assert.deepEqual(faults, []);
    }).timeout(60_000);
  });
}

archivesOn('the embedded log', async () => {
  const server = await LogProcess.start({ segmentBytes: 32 * 1024, indexFlushMs: 20, tailCacheBytes: 0 });
  const log = await server.open();
  return {
    log,
    close: async () => {
      await log.close();
      await server.close();
    },
  };
});
archivesOn('the log in memory', async () => ({ log: new MemoryLog(), close: () => Promise.resolve() }));
archivesOn('the NATS log', async function () {
  requireServer(this, 'nats');
  const { url } = await sharedServer('nats');
  const cluster = `archive.${Date.now() % 2 ** 40}`;
  const log = await connectNatsLog({
    servers: [url],
    cluster,
    logBytesMax: 64 * 1024 * 1024,
    pageBytesMax: 16 * 1024 * 1024,
  });
  return { log, close: () => log.close() };
});
archivesOn('the Kafka log', async function () {
  requireServer(this, 'kafka');
  const { url } = await sharedServer('kafka');
  const log = await KafkaLog.connect({ ...(await freshTopic(url)), shared: new MemoryLog(), patienceMs: 60_000 });
  return { log, close: () => log.close() };
});
