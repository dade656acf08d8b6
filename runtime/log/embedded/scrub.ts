/**
 * Reads the finished segments again, slowly, so that a byte that flipped on the disk is found before somebody needs it and
 * while a copy can still be had. Owns the pace; damage goes where all of it goes (damage.ts), and is reported once.
 *
 * Yields to appends: a step is about a millisecond of work, and waits while a commit is under way, though not for ever.
 */
import { slotCount } from '../../../proto/ids.ts';
import type { Cancel, Timers } from '../../kernel/timer.ts';
import { LogDamagedError } from '../event-log.ts';
import type { Damage } from './damage.ts';
import type { IndexStore } from './index-store.ts';
import { at, kindAt, positionOf, readRecord, recordType, segmentOf, slotAt } from './record.ts';
import { scanSegment } from './scan.ts';
import { type Segments, segmentHeaderBytes } from './segments.ts';
import { walkSegment } from './walk.ts';

export interface ScrubPace {
  readonly bytesPerSecond: number;
  /** From the start of the process to the first pass, and from the beginning of one pass to that of the next. */
  readonly firstMs: number;
  readonly everyMs: number;
}

/** 100 GB in seven hours, for two or three hundredths of the process's time; once a day. */
export const scrubPaceDefault: ScrubPace = {
  bytesPerSecond: 4 * 1024 * 1024,
  firstMs: 5 * 60_000,
  everyMs: 24 * 3_600_000,
};
const busyWaitMs = 5;
const busyWaitsMax = 20;

export interface ScrubParts {
  readonly segments: Segments;
  readonly index: IndexStore;
  readonly damage: Damage;
  readonly timers: Timers;
  readonly pace: ScrubPace;
  /** The first segment that is kept. */
  readonly floor: () => number;
  /** Records of the slot before this position were trimmed. */
  readonly below: (slot: number) => number;
  readonly isBusy: () => boolean;
  readonly onDamage: () => void;
  readonly onTrouble: (message: string) => void;
}

export class Scrub {
  /** Segments whose damage is known: it does not get better by looking. */
  readonly #damaged = new Set<number>();
  #cancel: Cancel;
  #running: Promise<void> | undefined;
  #isClosing = false;
  bytes = 0;
  passes = 0;

  constructor(private readonly parts: ScrubParts) {
    this.#cancel = parts.timers.after(parts.pace.firstMs, () => this.#begin());
  }

  #begin(): void {
    const { timers, pace, onTrouble } = this.parts;
    this.#cancel = timers.after(pace.everyMs, () => this.#begin());
    this.#running ??= this.#pass()
      .catch((error: Error) => {
        if (!this.#isClosing) onTrouble(`the segments cannot be looked through: ${error.message}`);
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  async #pass(): Promise<void> {
    const { index, floor, segments } = this.parts;
    for (let number = floor(); number < segmentOf(index.checkpointed); number++) {
      if (number < floor() || this.#damaged.has(number)) continue;
      const fault = await walkSegment(segments, number, this.#pause, () => undefined).catch((error: Error) => {
        if (!(error instanceof LogDamagedError)) throw error;
        return { position: positionOf(number, 0), what: error.message };
      });
      if (fault === undefined || number < floor()) continue;
      this.#damaged.add(number);
      await this.#report(number);
    }
    this.passes++;
  }

  readonly #pause = async (bytes: number): Promise<void> => {
    const { timers, pace, isBusy } = this.parts;
    this.bytes += bytes;
    const rest = (ms: number): Promise<void> => new Promise((resolve) => timers.after(ms, resolve));
    await rest(Math.max(1, Math.round((bytes / pace.bytesPerSecond) * 1000)));
    for (let waits = 0; isBusy() && waits < busyWaitsMax; waits++) await rest(busyWaitMs);
    if (this.#isClosing) throw new Error('the log is closing');
  };

  /** Tells damage in the segment from what was trimmed, as the start does. */
  async #report(number: number): Promise<void> {
    const { segments, damage, onDamage, index, below } = this.parts;
    const { bytes, size } = await segments.load(number).catch(() => ({ bytes: Buffer.alloc(0), size: undefined }));
    let isNew = false;
    const region = (from: number, to: number): void => {
      const slots: number[] = [];
      for (let slot = 0; slot < slotCount; slot++) {
        const first = index.slots.first(slot, Math.max(from, below(slot)));
        if (first !== undefined && first < to) slots.push(slot);
      }
      if (slots.length > 0 && damage.addRegion({ from, to, slots, headsKnown: true })) isNew = true;
    };
    scanSegment(
      bytes,
      number,
      segmentHeaderBytes,
      { last: false, cutAtFirstFault: false },
      {
        record: () => undefined,
        damagedRecord: (_, offset) => {
          if (bytes[offset + at.type] !== recordType.events) return;
          const { stream, position } = readRecord(bytes, offset);
          if (position < below(slotAt(bytes, offset))) return;
          const what = 'the body fails its checksum';
          if (damage.addStream({ kind: kindAt(bytes, offset), id: stream.id, position, what })) isNew = true;
        },
        damagedRegion: region,
      },
    );
    if (bytes.length < (size ?? bytes.length)) region(positionOf(number, bytes.length), positionOf(number + 1, 0));
    if (bytes.length === 0) region(positionOf(number, 0), positionOf(number + 1, 0));
    if (isNew) onDamage();
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#cancel();
    await this.#running;
  }
}
