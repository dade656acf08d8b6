/**
 * When each version of a hunt had reached the disk, by what was written to it and nothing else: the log process is not asked.
 * Owns these times. Where a write was cut short, what may be there counts as there: a checker must not blame too much.
 */
import { at, recordBytes, recordHeaderBytes, recordMark, recordType } from '../../runtime/log/embedded/record.ts';

const kindLength = 'hunt'.length;

export class Durability {
  /** By hunt, then by version; simulated microseconds. */
  readonly #since = new Map<number, Map<number, number>>();

  constructor(private readonly now: () => number) {}

  /** Undefined: it never was. */
  since(hunt: number, version: number): number | undefined {
    return this.#since.get(hunt)?.get(version);
  }

  /** Bytes that now are on disk: records one behind the other, or something else. */
  written(bytes: Buffer): void {
    for (let offset = 0; offset + recordHeaderBytes <= bytes.length; ) {
      if (bytes.readUInt32LE(offset) !== recordMark) return;
      const end = offset + recordBytes(bytes.readUInt32LE(offset + at.bodyLength));
      if (end > bytes.length) return;
      if (bytes[offset + at.type] === recordType.events) this.#record(bytes.subarray(offset, end));
      offset = end;
    }
  }

  #record(record: Buffer): void {
    if (record[at.kindLength] !== kindLength || record.toString('latin1', at.kind, at.kind + kindLength) !== 'hunt')
      return;
    const hunt = record.readDoubleLE(at.id);
    const first = record.readDoubleLE(at.version);
    let since = this.#since.get(hunt);
    if (since === undefined) {
      since = new Map();
      this.#since.set(hunt, since);
    }
    for (let i = record.readUInt32LE(at.count) - 1; i >= 0; i--)
      if (!since.has(first + i)) since.set(first + i, this.now());
  }
}
