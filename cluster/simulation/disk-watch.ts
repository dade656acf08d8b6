/**
 * The log's own disk, seen from outside: when each version of a hunt had reached it (I1), and that nothing is written for a slot
 * under an epoch that was fenced by then (I2). By what is written and nothing else: the log process is not asked. Owns these
 * times. Where a write was cut short, a record counts that the file holds whole all the same, for a start of the log finds it; but
 * it fences nobody: blame must be certain.
 */

import {
  at,
  bodyChecks,
  headerChecks,
  kindAt,
  recordBytes,
  recordHeaderBytes,
  recordType,
} from '../../runtime/log/embedded/record.ts';
import { sharedKinds } from '../../runtime/log/event-log.ts';

export class DiskWatch {
  /** By hunt, then by version; simulated microseconds. */
  readonly #since = new Map<number, Map<number, number>>();
  /** By slot: the highest that was written. */
  readonly #epochs = new Map<number, number>();
  readonly faults: string[] = [];

  constructor(private readonly now: () => number) {}

  /** Undefined: it never was. */
  since(hunt: number, version: number): number | undefined {
    return this.#since.get(hunt)?.get(version);
  }

  /** Bytes that now are on disk: records one behind the other, or something else. Up to the first that does not check. */
  written(bytes: Buffer, isCertain: boolean): void {
    for (let offset = 0; offset + recordHeaderBytes <= bytes.length; ) {
      const position = bytes.readDoubleLE(offset + at.position);
      if (!headerChecks(bytes, offset, position) || !bodyChecks(bytes, offset)) return;
      const end = offset + recordBytes(bytes.readUInt32LE(offset + at.bodyLength));
      this.#record(bytes.subarray(offset, end), isCertain);
      offset = end;
    }
  }

  #record(record: Buffer, isCertain: boolean): void {
    const type = record[at.type];
    if (type !== recordType.events && type !== recordType.take) return;
    const kind = kindAt(record, 0);
    if (isCertain && !sharedKinds.includes(kind)) this.#fence(record, kind);
    if (type === recordType.events && kind === 'hunt') this.#reached(record);
  }

  #fence(record: Buffer, kind: string): void {
    const slot = record.readUInt16LE(at.slot);
    const epoch = record.readDoubleLE(at.epoch);
    const highest = this.#epochs.get(slot) ?? 0;
    this.#epochs.set(slot, Math.max(highest, epoch));
    if (epoch < highest && record[at.type] === recordType.events)
      this.faults.push(
        `log: ${kind} ${record.readDoubleLE(at.id)} version ${record.readDoubleLE(at.version)} was written under epoch ${epoch}, when slot ${slot} was taken under ${highest}`,
      );
  }

  #reached(record: Buffer): void {
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
