import type { ActorEvent } from '../decider.ts';
import type { EventCodec } from '../define-actor.ts';
import { recentBytesMax } from '../limits.ts';
import { splitRecord } from './record.ts';

export interface HeldRecord {
  /** Of the first event. */
  readonly version: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** The latest records of one activation, so that most duplicates are answered without a read of the log. */
export class RecentRecords {
  #records: HeldRecord[] = [];
  #bytes = 0;

  add(record: HeldRecord): void {
    this.#records.push(record);
    this.#bytes += record.bytes.byteLength;
    while (this.#bytes > recentBytesMax && this.#records.length > 0)
      this.#bytes -= this.#records.shift()?.bytes.byteLength ?? 0;
  }

  find(version: number): HeldRecord | undefined {
    return findRecord(this.#records, version);
  }
}

export function findRecord<R extends HeldRecord>(records: readonly R[], version: number): R | undefined {
  for (let i = records.length - 1; i >= 0; i--) {
    const record = records[i] as R;
    if (version >= record.version) return version < record.version + record.count ? record : undefined;
  }
  return undefined;
}

/** The event of that version in a record that holds it. */
export function eventIn<E extends ActorEvent>(record: HeldRecord, version: number, codec: EventCodec<E>): E {
  const bytes = splitRecord(record.bytes).events[version - record.version];
  if (bytes === undefined)
    throw new Error(`the record at version ${record.version} holds fewer than the ${record.count} events it says`);
  return codec.decode(bytes);
}
