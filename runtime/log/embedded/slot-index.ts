/**
 * Where the records of each slot lie, for reading a slot in the order of the log: runs (position, length), in blocks of up
 * to {@link blockRunsMax} in LMDB, the newest ones in memory until the next flush. Always at most 256 short lists.
 */
import { slotCount } from '../../../proto/ids.ts';
import type { Table } from './store.ts';

/** A stretch of bytes in one segment: one record or several that touch. */
export interface Run {
  readonly position: number;
  readonly length: number;
}

const blockRunsMax = 512;
const runBytes = 12;
export const runLengthMax = 64 * 1024;

function slotKey(slot: number, position: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = slot;
  key.writeDoubleBE(position, 1);
  return key;
}

export class SlotIndex {
  /** position, length, position, length, … not yet in LMDB. */
  readonly #runs: number[][] = Array.from({ length: slotCount }, () => []);
  /** On their way to LMDB. */
  #flushing: number[][] | undefined;

  /** Where each slot ended when everything of it that the index knew was removed; for an index that was lost since. */
  readonly baseEnds = new Float64Array(slotCount);

  constructor(private readonly blocks: Table) {}

  add(slot: number, position: number, length: number, boundary: number): void {
    const runs = this.#runs[slot] as number[];
    const last = runs.length - 2;
    if (last >= 0) {
      const start = runs[last] as number;
      const size = runs[last + 1] as number;
      if (start + size === position && position !== boundary && size + length <= runLengthMax) {
        runs[last + 1] = size + length;
        return;
      }
    }
    runs.push(position, length);
  }

  /** Behind the slot's last record: reading on from here finds only what is new. 0 for an empty slot. */
  end(slot: number): number {
    for (const runs of [this.#runs[slot], this.#flushing?.[slot]]) {
      if (runs !== undefined && runs.length > 0) return (runs.at(-2) as number) + (runs.at(-1) as number);
    }
    const last = { start: slotKey(slot, Number.MAX_SAFE_INTEGER), end: slotKey(slot, 0), reverse: true, limit: 1 };
    for (const { value } of this.blocks.getRange(last)) {
      return value.readDoubleLE(value.length - runBytes) + value.readUInt32LE(value.length - 4);
    }
    return this.baseEnds[slot] as number;
  }

  /** Position of the slot's first record at or behind `from`; undefined if there is none. */
  first(slot: number, from: number): number | undefined {
    return this.runsFrom(slot, from, 1)[0]?.position;
  }

  /** Lets go of the blocks of which everything lies before `below`, but for the newest. Called inside a batch. */
  prune(slot: number, below: number): void {
    let before: Buffer | undefined;
    for (const { key, value } of this.blocks.getRange({ start: slotKey(slot, 0), end: slotKey(slot, below) })) {
      if (before !== undefined) void this.blocks.remove(before);
      before = value.readDoubleLE(value.length - runBytes) < below ? key : undefined;
    }
  }

  /** The runs of `slot` that end behind `from`, in order, about `bytesMax` bytes of them. */
  runsFrom(slot: number, from: number, bytesMax: number): Run[] {
    const found: Run[] = [];
    let bytes = 0;
    let reached = from;
    const take = (position: number, length: number): boolean => {
      const stop = position + length;
      if (stop > reached) {
        // What was scanned again after a crash may lie in a run with what came after it.
        const start = found.length === 0 ? position : Math.max(position, reached);
        found.push({ position: start, length: stop - start });
        reached = stop;
        bytes += stop - start;
      }
      return bytes < bytesMax;
    };
    let first: Buffer | undefined;
    for (const { key } of this.blocks.getRange({
      start: slotKey(slot, from),
      end: slotKey(slot, 0),
      reverse: true,
      limit: 1,
    }))
      first = key;
    const range = { start: first ?? slotKey(slot, 0), end: slotKey(slot, Number.MAX_SAFE_INTEGER) };
    for (const { value } of this.blocks.getRange(range)) {
      for (let i = 0; i < value.length; i += runBytes) {
        if (!take(value.readDoubleLE(i), value.readUInt32LE(i + 8))) return found;
      }
    }
    for (const runs of [this.#flushing?.[slot], this.#runs[slot]]) {
      for (let i = 0; runs !== undefined && i < runs.length; i += 2) {
        if (!take(runs[i] as number, runs[i + 1] as number)) return found;
      }
    }
    return found;
  }

  /** Writes all runs before `boundary`. Called inside a batch; {@link flushed} ends it. */
  flush(boundary: number): void {
    this.#flushing = this.#runs.map((runs) => {
      let split = runs.length;
      while (split > 0 && (runs[split - 2] as number) >= boundary) split -= 2;
      return runs.splice(0, split);
    });
    for (let slot = 0; slot < slotCount; slot++) {
      const runs = this.#flushing[slot] as number[];
      if (runs.length > 0) this.#append(slot, runs);
    }
  }

  flushed(): void {
    this.#flushing = undefined;
  }

  failed(): void {
    const back = this.#flushing;
    this.#flushing = undefined;
    for (let slot = 0; back !== undefined && slot < slotCount; slot++) {
      this.#runs[slot] = (back[slot] as number[]).concat(this.#runs[slot] as number[]);
    }
  }

  #append(slot: number, runs: number[]): void {
    let key: Buffer | undefined;
    let held: Buffer = Buffer.alloc(0);
    const last = { start: slotKey(slot, Number.MAX_SAFE_INTEGER), end: slotKey(slot, 0), reverse: true, limit: 1 };
    for (const entry of this.blocks.getRange(last)) {
      if (entry.value.length < blockRunsMax * runBytes) {
        key = entry.key;
        held = Buffer.from(entry.value);
      }
      // After a crash between index and checkpoint the same records are scanned again: they are here already.
      const end =
        entry.value.readDoubleLE(entry.value.length - runBytes) + entry.value.readUInt32LE(entry.value.length - 4);
      cutBefore(end, runs);
    }
    for (let at = 0; at < runs.length; ) {
      const room = blockRunsMax - held.length / runBytes;
      const count = Math.min(room, (runs.length - at) / 2);
      const block = Buffer.allocUnsafe(held.length + count * runBytes);
      held.copy(block);
      for (let i = 0, to = held.length; i < count; i++, at += 2, to += runBytes) {
        block.writeDoubleLE(runs[at] as number, to);
        block.writeUInt32LE(runs[at + 1] as number, to + 8);
      }
      void this.blocks.put(key ?? slotKey(slot, block.readDoubleLE(0)), block);
      key = undefined;
      held = Buffer.alloc(0);
    }
  }
}

/** Lets go of what the runs hold before `position`, which ends a record; a run may hold records on both sides. */
function cutBefore(position: number, runs: number[]): void {
  while (runs.length > 0 && (runs[0] as number) < position) {
    const stop = (runs[0] as number) + (runs[1] as number);
    if (stop <= position) runs.splice(0, 2);
    else runs.splice(0, 2, position, stop - position);
  }
}
