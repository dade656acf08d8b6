import { type Position, streamKey } from '../../../proto/ids.ts';
import { LogUnavailableError } from '../event-log.ts';
import type { Brokers } from './brokers.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import type { CheckpointEntry } from './entry.ts';
import { emptySlot } from './fold.ts';
import { deleteRecords, errorName, kafkaError } from './requests.ts';
import { scan } from './scan.ts';
import type { SlotIndex } from './slot-index.ts';
import { checkpointBytesMax, type SlotLane } from './slot-lane.ts';
import type { SlotReader } from './slot-reader.ts';

const deleteMs = 5_000;
/** Readers overtake a trim only by another trim. */
const triesMax = 5;

/**
 * Lets go of the slot's records below `before`: exactly at a record that counts, so that who begins there knows the state. First a
 * checkpoint that knows what is let go of is written, then Kafka deletes. Readers go by the checkpoint, so that a crash in
 * between leaves a slot that is trimmed and takes more room than it must; the next trim makes up for it.
 */
export async function trim(lane: SlotLane, brokers: Brokers, before: Position): Promise<Position> {
  const { reader } = lane;
  await reader.catchUp();
  const entry = await planTrim(reader, before);
  if (entry !== undefined) {
    if (entry.bytes.byteLength > checkpointBytesMax)
      throw new RangeError(
        `slot ${reader.slot}: an index of ${entry.bytes.byteLength} bytes (a checkpoint has at most ${checkpointBytesMax})`,
      );
    if (!(await lane.checkpoint(entry)))
      throw new LogUnavailableError(`slot ${reader.slot}: the checkpoint of a trim was not written in time`);
    await reader.catchUp();
  }
  const { trimmedTo } = reader.index;
  if (trimmedTo > 0) await deleteBelow(reader, brokers, trimmedTo);
  return trimmedTo as Position;
}

/** The checkpoint that lets go of what lies below `before`; undefined if that is nothing. The reader has caught up. */
export async function planTrim(reader: SlotReader, before: number): Promise<CheckpointEntry | undefined> {
  const at = await lastCountedAt(reader, before);
  if (at <= reader.index.trimmedTo) return undefined;
  const oldest = await oldestAt(reader, at);
  // A copy: the index itself is cut when the checkpoint is folded, in this process as in all others.
  const copy = readCheckpoint(writeCheckpoint(reader), reader.position, reader.limits);
  copy?.index.cut(at, oldest);
  return copy && writeCheckpoint(copy);
}

/** The last record at or below the position that counts; what is trimmed already if there is none. */
async function lastCountedAt(reader: SlotReader, position: number): Promise<number> {
  const { index, source, slot } = reader;
  let last = index.trimmedTo;
  for (const { ranges } of index.streams.values())
    for (const { firstOffset } of ranges) if (firstOffset <= position && firstOffset > last) last = firstOffset;
  const start = last === 0 ? { offset: 0, state: emptySlot } : { offset: last, state: undefined };
  await scan(source, slot, start, Math.min(position + 1, reader.position), (_, offset) => {
    last = offset;
    return 'on';
  });
  return last;
}

/** The first version from `at` on of every stream; head + 1 where none is left. */
async function oldestAt(reader: SlotReader, at: number): Promise<Map<string, number>> {
  const oldest = new Map<string, number>();
  const straddling = new Set<string>();
  const upto = sortByCut(reader.index, at, oldest, straddling);
  if (straddling.size === 0) return oldest;
  await scan(reader.source, reader.slot, { offset: at, state: undefined }, upto, (batch) => {
    const key = streamKey(batch.stream);
    if (straddling.delete(key)) oldest.set(key, batch.version);
    return straddling.size === 0 ? 'stop' : 'on';
  });
  return oldest;
}

/** Says of each stream what its ranges tell; where one begins below the cut and ends above, the records must be asked. */
function sortByCut(index: SlotIndex, at: number, oldest: Map<string, number>, straddling: Set<string>): number {
  let upto = at;
  for (const [key, { head, ranges }] of index.streams) {
    const first = ranges.find(({ lastOffset }) => lastOffset >= at);
    if (first === undefined) oldest.set(key, head + 1);
    else if (first.firstOffset >= at) oldest.set(key, first.firstVersion);
    else {
      straddling.add(key);
      upto = Math.max(upto, first.lastOffset + 1);
    }
  }
  return upto;
}

async function deleteBelow(reader: SlotReader, brokers: Brokers, before: number): Promise<void> {
  let fault = 'it has no leader';
  for (let tries = 0; tries < triesMax; tries++) {
    const leader = brokers.leaderOf(reader.slot);
    try {
      if (leader !== undefined) {
        const error = await brokers.ask(leader, 'ask', deleteRecords(brokers.topic, reader.slot, before, deleteMs));
        if (error === kafkaError.none) {
          reader.logStart = Math.max(reader.logStart, before);
          return;
        }
        fault = errorName(error);
      }
    } catch (error) {
      fault = (error as Error).message;
    }
    await brokers.refresh().catch(() => undefined);
  }
  throw new LogUnavailableError(`slot ${reader.slot} is trimmed, but Kafka did not delete its records: ${fault}`);
}
