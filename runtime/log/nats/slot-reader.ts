/**
 * Reads the records of one slot in the order of the log. From the live tail where that is on and reaches; else through a
 * consumer of the stream that lives as long as somebody reads on where the last page ended. Owns those consumers.
 */
import type { Position, Slot } from '../../../proto/ids.ts';
import { type LogRecord, LogUnavailableError, type SlotPage } from '../event-log.ts';
import type { Consumers, Cursor } from './consumers.ts';
import type { JetStreamApi } from './jetstream-api.ts';
import type { LiveTail } from './live-tail.ts';
import type { Names } from './names.ts';
import type { SlotRegister } from './slot-register.ts';
import { logRecord, recordOf } from './stored-messages.ts';

const batchMax = 1_000;
const cursorsMax = 64;
const attemptsMax = 3;

interface History {
  readonly records: readonly LogRecord[];
  readonly next: number;
  readonly isMore: boolean;
}

export interface SlotReaderParts {
  readonly api: JetStreamApi;
  readonly names: Names;
  readonly trims: SlotRegister;
  readonly tail: LiveTail;
  readonly consumers: Consumers;
}

export class SlotReader {
  #cursors: { readonly slot: Slot; readonly cursor: Cursor }[] = [];

  constructor(private readonly parts: SlotReaderParts) {}

  async read(slot: Slot, from: Position, bytesMax: number): Promise<SlotPage> {
    const { tail, trims, api, names } = this.parts;
    const [oldest, end] = await Promise.all([
      trims.ask(slot),
      tail.isOn ? tail.fresh().then(() => tail.endOf(slot)) : api.state(names.log).then((state) => state.last_seq + 1),
    ]);
    const start = Math.max(from, oldest, 1);
    const { records, next, isMore } =
      start >= end
        ? { records: [], next: start, isMore: false }
        : (this.#held(slot, start, bytesMax) ?? (await this.#history(slot, start, bytesMax)));
    const reached = Math.max(next, end);
    return {
      records,
      next: (isMore ? next : reached) as Position,
      end: (isMore ? Math.max(end, next + 1) : reached) as Position,
      oldest: oldest as Position,
    };
  }

  #held(slot: Slot, start: number, bytesMax: number): History | undefined {
    const records = this.parts.tail.read(slot, start, bytesMax);
    if (records === undefined) return undefined;
    const next = (records.at(-1)?.position ?? start - 1) + 1;
    return { records, next, isMore: (this.parts.tail.read(slot, next, 1)?.length ?? 0) > 0 };
  }

  async #history(slot: Slot, start: number, bytesMax: number): Promise<History> {
    const { consumers, names } = this.parts;
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const cursor =
        this.#takeCursor(slot, start) ?? (await consumers.create({ filter: names.recordsOf(slot), from: start }));
      if (cursor === undefined) return { records: [], next: start, isMore: false };
      const batch =
        (await consumers.fetch(cursor, { batch: batchMax, max_bytes: bytesMax })) ??
        // Not even the first message is so small.
        (await consumers.fetch(cursor, { batch: 1 }));
      if (batch === undefined) continue;
      if (batch.isMore) this.#keep(slot, batch.cursor);
      else consumers.delete(batch.cursor);
      const records: LogRecord[] = [];
      for (const message of batch.messages) {
        const record = recordOf(message);
        if (record !== undefined && record.count > 0) records.push(logRecord(record));
      }
      return { records, next: batch.cursor.next, isMore: batch.isMore };
    }
    throw new LogUnavailableError(`JetStream did not deliver the records of slot ${slot} in ${attemptsMax} attempts`);
  }

  #takeCursor(slot: Slot, next: number): Cursor | undefined {
    const found = this.#cursors.find((one) => one.slot === slot && one.cursor.next === next);
    this.#cursors = this.#cursors.filter((one) => one !== found);
    return found?.cursor;
  }

  #keep(slot: Slot, cursor: Cursor): void {
    this.#cursors.push({ slot, cursor });
    // The one that goes was not read on for longest; the server removes it.
    if (this.#cursors.length > cursorsMax) this.#cursors.shift();
  }
}
