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
  /** The stream's last version, as the log said; 0: it said nothing. */
  readonly head: Version;
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
      let head = 0 as Version;
      for (let from: Version | undefined = first as Version; from !== undefined; ) {
        const page = await log.read(stream, from);
        records.push(...page.records);
        from = page.next;
        head = page.head;
      }
      return { ...compare(flights, records), head, askedAt };
    } catch {
      if (isOver() || clock.monotonic() - began > limits.doubtMs)
        return { committed: 0, rest: 'ambiguous', head: 0 as Version, askedAt };
      await pause(node, wait);
    }
  }
}

function compare(flights: readonly HeldRecord[], records: readonly LogRecord[]): Pick<Doubt, 'committed' | 'rest'> {
  for (const [i, flight] of flights.entries()) {
    const record = records[i];
    if (record === undefined) return { committed: i, rest: 'ambiguous' };
    if (record.version !== flight.version || Buffer.compare(record.bytes, flight.bytes) !== 0)
      return { committed: i, rest: 'conflict' };
  }
  return { committed: flights.length, rest: records.length > flights.length ? 'conflict' : 'none' };
}
