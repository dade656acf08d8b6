import { LogDamagedError } from '../event-log.ts';
import { type BatchEntry, type Entry, readEntry } from './entry.ts';
import { adopt, type FoldState, fold } from './fold.ts';
import { readRecordBatches } from './record-batch.ts';
import { fetchBytesMax, type SlotSource } from './source.ts';

const fetchBytesMin = 16 * 1024;
/** What a record is taken to weigh before it was seen: the less is wanted, the less is fetched. */
const recordBytesGuess = 2 * 1024;
const lagPauseMs = 10;

/** A place in a partition, and the fold's state there; without one, the record there is known to be a batch that counts. */
export interface ScanStart {
  readonly offset: number;
  readonly state: FoldState | undefined;
}

/**
 * Folds a stretch of a partition and shows the batches in it that count, in their order, until `visit` says stop (then that batch
 * was not taken). Resolves with the place to go on from. Undefined if Kafka does not hold the stretch any more.
 */
export async function scan(
  source: SlotSource,
  slot: number,
  start: ScanStart,
  upto: number,
  visit: (batch: BatchEntry, offset: number) => 'on' | 'stop',
): Promise<ScanStart | undefined> {
  let { offset, state } = start;
  let isStopped = false;
  while (offset < upto && !isStopped) {
    const got = await fetchEntries(source, slot, offset, upto, (entry, at) => {
      if (isStopped) return;
      const next = state === undefined ? adoptFirst(entry, slot, at) : fold(state, entry);
      if (next !== state && entry.type === 'batch' && visit(entry, at) === 'stop') {
        isStopped = true;
        return;
      }
      state = next;
      offset = at + 1;
    });
    if (!got) return undefined;
  }
  return { offset, state };
}

/**
 * Fetches once from `offset` on and shows every record below `upto`. False if Kafka does not hold the offset. Records without
 * a gap are what all positions rely on: a gap is damage.
 */
export async function fetchEntries(
  source: SlotSource,
  slot: number,
  offset: number,
  upto: number,
  visit: (entry: Entry, offset: number) => void,
): Promise<boolean> {
  const bytesMax = Math.min(fetchBytesMax, Math.max(fetchBytesMin, (upto - offset) * recordBytesGuess));
  const found = await source.fetch(slot, offset, bytesMax);
  if (found === undefined) return false;
  let expected = offset;
  readRecordBatches(found.bytes, found.from, found.to, (at, place) => {
    if (at < offset || at >= upto) return;
    if (at !== expected) throw new LogDamagedError(`slot ${slot}: no record at offset ${expected}: is it compacted?`);
    expected++;
    visit(readEntry(place), at);
  });
  // A leader that is new does not show at once all that it holds.
  if (expected === offset) await source.pause(lagPauseMs);
  return true;
}

function adoptFirst(entry: Entry, slot: number, offset: number): FoldState {
  if (entry.type !== 'batch') throw new LogDamagedError(`slot ${slot}: no batch at offset ${offset} where one counted`);
  return adopt(entry);
}
