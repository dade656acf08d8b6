/**
 * What the log process does before it serves: from the index's checkpoint on, it reads the segments again, brings the index
 * up to date, cuts and erases a torn tail, and writes down what is damaged. Without an index it does so from the first segment
 * that is kept, on what the base says of those before it.
 */
import { slotCount } from '../../../proto/ids.ts';
import { LogDamagedError } from '../event-log.ts';
import { type Base, emptyBase, readHeads } from './base.ts';
import type { Damage } from './damage.ts';
import type { Disk } from './disk.ts';
import type { IndexStore } from './index-store.ts';
import { at, kindAt, offsetOf, positionOf, recordBytes, recordType, segmentOf, slotAt } from './record.ts';
import { lastNonZero, type ScanVisitor, scanSegment } from './scan.ts';
import { type OpenSegment, type Segments, segmentHeaderBytes, segmentName } from './segments.ts';
import type { StreamEntry } from './stream-index.ts';

const flushRecords = 200_000;

export interface Recovered {
  readonly active: OpenSegment;
  readonly offset: number;
  readonly spare: OpenSegment | undefined;
  readonly epochs: Float64Array;
  readonly slotLast: Float64Array;
  readonly scanned: number;
  readonly tornBytes: number;
}

interface Hole {
  readonly from: number;
  readonly to: number;
  readonly slots: Set<number>;
}

/** Rebuilds what the log process holds in memory from scanned records. */
class Replay implements ScanVisitor {
  readonly holes: Hole[] = [];
  scanned = 0;

  constructor(
    private readonly index: IndexStore,
    private readonly damage: Damage,
    readonly epochs: Float64Array,
    readonly slotLast: Float64Array,
    /** Records before this position were removed. */
    private readonly floor: number,
  ) {}

  record(bytes: Buffer, offset: number): void {
    if (bytes[offset + at.type] === recordType.end) return;
    this.scanned++;
    const position = bytes.readDoubleLE(offset + at.position);
    const slot = slotAt(bytes, offset);
    const previous = bytes.readDoubleLE(offset + at.slotPrev);
    if (previous !== this.slotLast[slot]) this.#lost(slot, previous, position);
    this.slotLast[slot] = position;
    this.epochs[slot] = Math.max(this.epochs[slot] as number, bytes.readDoubleLE(offset + at.epoch));
    if (bytes[offset + at.type] === recordType.events) this.#events(bytes, offset, position, slot);
  }

  #events(bytes: Buffer, offset: number, position: number, slot: number): void {
    const entry = this.index.streams.entry(kindAt(bytes, offset), bytes.readDoubleLE(offset + at.id));
    const length = recordBytes(bytes.readUInt32LE(offset + at.bodyLength));
    const version = bytes.readDoubleLE(offset + at.version);
    const count = bytes.readUInt32LE(offset + at.count);
    this.index.slots.add(slot, position, length, this.index.boundary);
    if (version + count - 1 <= entry.committed) return;
    if (version !== entry.committed + 1 && !this.#beginsHere(entry, slot)) {
      const what = `versions ${entry.committed + 1} to ${version - 1} are missing`;
      this.damage.addStream({ kind: entry.kind, id: entry.id, position, what });
    }
    this.index.streams.add(entry, version, count, position, length, this.index.boundary);
    entry.head = entry.committed;
  }

  /** The versions before were removed: nothing else of the stream was kept, and its slot lost nothing that was. */
  #beginsHere(entry: StreamEntry, slot: number): boolean {
    return entry.lastPosition < this.floor && !this.holes.some((hole) => hole.slots.has(slot));
  }

  damagedRecord(bytes: Buffer, offset: number): void {
    this.record(bytes, offset);
    if (bytes[offset + at.type] !== recordType.events) return;
    const position = bytes.readDoubleLE(offset + at.position);
    const what = 'the body fails its checksum';
    this.damage.addStream({ kind: kindAt(bytes, offset), id: bytes.readDoubleLE(offset + at.id), position, what });
  }

  damagedRegion(from: number, to: number): void {
    this.holes.push({ from, to, slots: new Set() });
  }

  /** The slot's record at `previous` was never seen. */
  #lost(slot: number, previous: number, position: number): void {
    let hole = this.holes.find((one) => previous >= one.from && previous < one.to);
    if (hole === undefined) {
      hole = { from: previous, to: position, slots: new Set() };
      this.holes.push(hole);
    }
    hole.slots.add(slot);
  }

  /** A slot without a later record may have had its last one in the hole. */
  finish(): void {
    for (const hole of this.holes) {
      for (let slot = 0; slot < slotCount; slot++)
        if ((this.slotLast[slot] as number) < hole.from) hole.slots.add(slot);
      if (hole.slots.size > 0) this.damage.addRegion({ from: hole.from, to: hole.to, slots: [...hole.slots] });
    }
  }
}

export async function recover(
  disk: Disk,
  segments: Segments,
  index: IndexStore,
  damage: Damage,
  base: Base | undefined,
  cutAtFirstFault: boolean,
): Promise<Recovered> {
  const { floor: lowest, ends, ...before } = base ?? emptyBase();
  // Those before were about to be removed.
  const numbers = (await segments.list()).filter((number) => number >= lowest);
  if (base !== undefined && numbers.length === 0)
    throw new LogDamagedError(`all segments from ${segmentName(lowest)} on are missing: restore them`);
  const floor = positionOf(lowest, segmentHeaderBytes);
  const found = index.checkpoint();
  const checkpoint = found !== undefined && found.position >= floor ? found : undefined;
  const epochs = Float64Array.from((checkpoint ?? before).epochs);
  const slotLast = Float64Array.from((checkpoint ?? before).slotLast);
  index.slots.baseEnds.set(ends);
  index.checkpointed = checkpoint?.position ?? 0;
  if (checkpoint === undefined) await restoreHeads(disk, segments, index, damage, floor);
  const replay = new Replay(index, damage, epochs, slotLast, base === undefined ? 0 : floor);
  const start = checkpoint?.position ?? floor;
  const highest = numbers.at(-1) ?? 0;
  if (checkpoint !== undefined && highest < segmentOf(start) - 1) {
    throw new LogDamagedError(
      `the index knows records up to segment ${segmentName(segmentOf(start))}, but the newest segment is ${segmentName(highest)}: restore the segments, or delete the index folder to serve what is left`,
    );
  }
  index.boundary = start;

  // Spare segments at the end hold nothing yet; the last one with content is where a commit may be torn.
  let last = highest;
  while (numbers.includes(last) && last > segmentOf(start)) {
    const { bytes } = await segments.load(last);
    if (lastNonZero(bytes, segmentHeaderBytes) > segmentHeaderBytes) break;
    last--;
  }

  let active: { number: number; offset: number; size: number } | undefined;
  let torn: { number: number; from: number; to: number } | undefined;
  for (let number = segmentOf(start); number <= last; number++) {
    if (!numbers.includes(number)) {
      replay.damagedRegion(positionOf(number, 0), positionOf(number + 1, 0));
      continue;
    }
    const { bytes, size } = await segments.load(number);
    const from = number === segmentOf(start) ? offsetOf(start) : segmentHeaderBytes;
    const isLast = number === last;
    if (bytes.length < (size ?? 0) && !isLast)
      replay.damagedRegion(positionOf(number, bytes.length), positionOf(number, size ?? 0));
    const end = scanSegment(bytes, number, from, { last: isLast, cutAtFirstFault }, replay);
    if (end.tornUpTo !== undefined) torn = { number, from: end.offset, to: end.tornUpTo };
    active = end.ended ? undefined : { number, offset: end.offset, size: bytes.length };
    if (index.streams.unindexed > flushRecords && replay.holes.length === 0 && torn === undefined) {
      const position = end.ended ? positionOf(number + 1, segmentHeaderBytes) : positionOf(number, end.offset);
      await index.flush({ position, epochs, slotLast }, async () => undefined);
    }
  }
  replay.finish();
  if (damage.any) await index.saveDamage(damage);

  // Stale bytes behind the cut must never be taken for records of a later commit.
  if (torn !== undefined) {
    const open = await segments.openForAppend(torn.number, 0);
    await open.file.write(Buffer.alloc(torn.to - torn.from), torn.from);
    await open.file.sync();
    await open.file.close();
  }

  const number = active?.number ?? Math.max(last + 1, segmentOf(start));
  const exists = numbers.includes(number);
  const opened = exists
    ? await segments.openForAppend(number, active?.size ?? (await segments.load(number)).bytes.length)
    : await segments.prepare(number, () => true);
  const spare = numbers.includes(number + 1)
    ? await segments.openForAppend(number + 1, (await segments.load(number + 1)).bytes.length)
    : undefined;
  return {
    active: opened,
    offset: active?.offset ?? segmentHeaderBytes,
    spare,
    epochs,
    slotLast,
    scanned: replay.scanned,
    tornBytes: torn === undefined ? 0 : torn.to - torn.from,
  };
}

/** What the base knows and a lost index does not. What the base has lost too, nobody knows: no stream without a later record is safe. */
async function restoreHeads(
  disk: Disk,
  segments: Segments,
  index: IndexStore,
  damage: Damage,
  floor: number,
): Promise<void> {
  try {
    for await (const heads of readHeads(disk, segments.folder)) await index.restore(heads);
  } catch (error) {
    if (!(error instanceof LogDamagedError)) throw error;
    damage.addRegion({ from: floor, to: floor, slots: Array.from({ length: slotCount }, (_, slot) => slot) });
  }
}
