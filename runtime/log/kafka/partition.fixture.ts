/** A partition in memory, in Kafka's own bytes, for tests of what reads one. Test code. */
import { type Entry, type ForeignEntry, recordValue, writeKey } from './entry.ts';
import { writeRecordBatch } from './record-batch.ts';
import type { FetchResult } from './requests.ts';
import type { SlotSource } from './source.ts';
import { WireWriter } from './wire.ts';

interface StoredBatch {
  readonly base: number;
  readonly count: number;
  readonly bytes: Buffer;
}

export class MemoryPartition implements SlotSource {
  logStart = 0;
  logEnd = 0;
  readonly #batches: StoredBatch[] = [];

  /** Resolves with the offset of the first. */
  append(...entries: readonly Exclude<Entry, ForeignEntry>[]): number {
    const base = this.logEnd;
    const out = new WireWriter();
    const records = entries.map((entry) => ({ key: writeKey(entry), value: recordValue(entry) }));
    writeRecordBatch(out, records, 0);
    // As the leader does it.
    const bytes = Buffer.from(out.written);
    bytes.writeInt32BE(0, 0);
    bytes.writeUInt32BE(base, 4);
    this.#batches.push({ base, count: entries.length, bytes });
    this.logEnd += entries.length;
    return base;
  }

  async end(): Promise<number> {
    return this.logEnd;
  }

  async start(): Promise<number> {
    return this.logStart;
  }

  async fetch(slot: number, offset: number, bytesMax: number): Promise<FetchResult | undefined> {
    if (offset < this.logStart || offset > this.logEnd) return undefined;
    const found: Buffer[] = [];
    let length = 0;
    for (const { base, count, bytes } of this.#batches) {
      if (base + count <= offset) continue;
      if (found.length > 0 && length + bytes.length > bytesMax) break;
      found.push(bytes);
      length += bytes.length;
    }
    const bytes = Buffer.concat(found);
    const { logEnd: highWatermark, logStart } = this;
    return { partition: slot, error: 0, highWatermark, logStart, bytes, from: 0, to: bytes.length };
  }

  pause(): Promise<void> {
    return Promise.resolve();
  }
}
