import assert from 'node:assert/strict';
import { Event } from '../../proto/generated/hunt/v1/event.ts';
import type { Position, Version } from '../../proto/ids.ts';
import { encodeRecord } from '../../runtime/activation/record.ts';
import { LogDamagedError, type LogRecord, type ReadPage } from '../../runtime/log/event-log.ts';
import { LogEventReader } from './log-event-reader.ts';

const event = (version: number, vector: Event['vector']): Event => ({
  huntId: 7,
  version,
  playerId: 'anna',
  seq: 0,
  occurredAt: 1,
  vector,
  teamId: '',
  by: '',
  fingerprint: 0,
  points: 0,
  outcome: { $case: 'announced', value: { text: 'x'.repeat(100) } },
});

/** Records of `counts` events each; the first event of a record bears the vector, as the runtime writes it. */
function recordsOf(counts: readonly number[]): LogRecord[] {
  let version = 1;
  return counts.map((count) => {
    const first = version as Version;
    const events = Array.from({ length: count }, (_, i) =>
      event(version + i, i === 0 ? [{ node: 'n1@3', count: version }] : []),
    );
    version += count;
    const bytes = encodeRecord(
      events.map((one) => Event.encode(one).finish()),
      1,
      'n1@3',
    );
    return {
      stream: { kind: 'hunt', id: 7 },
      version: first,
      count,
      epoch: 1,
      position: first as number as Position,
      bytes,
    };
  });
}

/** A log that gives one record a read, and has lost what is below `oldest`. */
function logOf(records: readonly LogRecord[], oldest = 1) {
  const head = records.reduce((sum, { count }) => sum + count, 0) as Version;
  return {
    reads: 0,
    async read(_stream: unknown, from: Version): Promise<ReadPage> {
      this.reads++;
      const at = records.findIndex((record) => record.version + record.count > Math.max(from, oldest));
      const record = records[at];
      const next = records[at + 1]?.version;
      return { records: record === undefined ? [] : [record], next, head, oldest: oldest as Version };
    },
  };
}

describe('the reader of events from the log', () => {
  const show = (one: Event) => ({ version: one.version });
  const versions = (events: readonly Event[]) => events.map(({ version }) => version);

  it('reads from the version after `from`, over records and their borders, with whole vectors', async () => {
    const reader = new LogEventReader(logOf(recordsOf([3, 1, 4])), show);
    const { events, head, oldest } = await reader.read(7, 1, 100, 1_000_000);
    assert.deepEqual([versions(events), head, oldest], [[2, 3, 4, 5, 6, 7, 8], 8, 1]);
    for (const one of events) assert.deepEqual(one.vector, [{ node: 'n1@3', count: one.version }]);
  });

  it('stops at the limit and at the bytes, and always gives something', async () => {
    const log = logOf(recordsOf([3, 1, 4]));
    const reader = new LogEventReader(log, show);
    assert.deepEqual(versions((await reader.read(7, 0, 2, 1_000_000)).events), [1, 2]);
    assert.deepEqual(versions((await reader.read(7, 0, 100, 1)).events), [1, 2, 3]);
    assert.equal(log.reads, 2);
  });

  it('gives nothing at the head, above it, and of a hunt without events', async () => {
    const reader = new LogEventReader(logOf(recordsOf([2])), show);
    assert.deepEqual(await reader.read(7, 2, 10, 1000), { events: [], head: 2, oldest: 1 });
    assert.deepEqual(await reader.read(7, 99, 10, 1000), { events: [], head: 2, oldest: 1 });
    assert.deepEqual(await new LogEventReader(logOf([]), show).read(7, 0, 10, 1000), {
      events: [],
      head: 0,
      oldest: 1,
    });
  });

  it('reports bytes that are no record as damage', async () => {
    const [record] = recordsOf([1]) as [LogRecord];
    const reader = new LogEventReader(logOf([{ ...record, bytes: Buffer.from([0x0a, 0x7f, 1]) }]), show);
    await assert.rejects(reader.read(7, 0, 10, 1000), LogDamagedError);
  });

  it('gives no events, but the oldest version, when what was asked for is trimmed', async () => {
    const reader = new LogEventReader(logOf(recordsOf([3, 1, 4]), 4), show);
    assert.deepEqual(await reader.read(7, 1, 10, 1000), { events: [], head: 8, oldest: 4 });
    assert.deepEqual(versions((await reader.read(7, 3, 10, 1_000_000)).events), [4, 5, 6, 7, 8]);
  });
});
