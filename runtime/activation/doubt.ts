import type { StreamId, Version } from '../../proto/ids.ts';
import type { LogRecord } from '../log/event-log.ts';
import type { NodeContext } from './context.ts';
import { pause } from './loading.ts';
import type { HeldRecord } from './recent-records.ts';

/** What the log says of appends whose outcome was unknown. */
export interface Doubt {
  /** So many of them, the oldest, are in the log. */
  readonly committed: number;
  /** Of the others: none are left; another's record stands in their place, so they never happened; or nobody knows yet. */
  readonly rest: 'none' | 'conflict' | 'ambiguous';
  readonly askedAt: number;
}

/** Reads the log until it answers, for a bounded time. A record is ours if its bytes are: they name owner and epoch. */
export async function resolveDoubt(
  node: NodeContext,
  stream: StreamId,
  flights: readonly HeldRecord[],
  isOver: () => boolean,
): Promise<Doubt> {
  const { clock, limits, log } = node;
  const began = clock.monotonic();
  const first = flights[0]?.version ?? 1;
  for (let wait = 20; ; wait = Math.min(wait * 2, 1_000)) {
    const askedAt = clock.monotonic();
    try {
      const records: LogRecord[] = [];
      for (let from: Version | undefined = first as Version; from !== undefined; ) {
        const page = await log.read(stream, from);
        records.push(...page.records);
        from = page.next;
      }
      return { ...compare(flights, records), askedAt };
    } catch {
      if (isOver() || clock.monotonic() - began > limits.doubtMs) return { committed: 0, rest: 'ambiguous', askedAt };
      await pause(node, wait);
    }
  }
}

function compare(flights: readonly HeldRecord[], records: readonly LogRecord[]): Omit<Doubt, 'askedAt'> {
  for (const [i, flight] of flights.entries()) {
    const record = records[i];
    if (record === undefined) return { committed: i, rest: 'ambiguous' };
    if (record.version !== flight.version || Buffer.compare(record.bytes, flight.bytes) !== 0)
      return { committed: i, rest: 'conflict' };
  }
  return { committed: flights.length, rest: records.length > flights.length ? 'conflict' : 'none' };
}
