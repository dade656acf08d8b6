import type { Slot } from '../proto/ids.ts';
import type { EventLog } from '../runtime/log/event-log.ts';
import type { LagBook } from './lag-book.ts';

/** Of one read ahead. */
const scoutBytesMax = 1024 * 1024;
/** Reads of one round: what is far behind is counted over many rounds, so that the log has time for those who play. */
const roundReadsMax = 4;

/** Reads ahead in slots whose rows wait, only to count. Returns whether there is more to count. */
export async function scout(
  log: Pick<EventLog, 'readSlot'>,
  book: LagBook,
  slots: Iterable<Slot>,
  readsMax = roundReadsMax,
  isOver: () => boolean = () => false,
): Promise<boolean> {
  let reads = 0;
  for (const slot of slots) {
    for (let from = book.uncounted(slot); from !== undefined; from = book.uncounted(slot)) {
      if (reads++ === readsMax || isOver()) return true;
      const page = await log.readSlot(slot, from, scoutBytesMax);
      if (page.next <= from) break;
      book.counted(slot, from, page);
    }
  }
  return false;
}
