/**
 * One slot as this process has folded it. Owns the position folded to, the fold's state and the index. Begins at the newest
 * checkpoint that the partition's last record points to, and goes on from there record by record; `apply` is the only way in
 * which a record is taken, whether it was fetched or, by the owner, just appended. Keeps I2 and I8.
 *
 * A log that ends below what was folded from it was cut off: acknowledged records are gone. That slot stops here, loudly
 * and for good, because going on would give the same versions to other events.
 */
import { LogDamagedError } from '../event-log.ts';
import { oldestOf, readCheckpoint, type SlotFold } from './checkpoint.ts';
import type { CheckpointEntry, Entry } from './entry.ts';
import { emptySlot, type FoldState, fold } from './fold.ts';
import { type SlotLimits, slotLimits } from './limits.ts';
import { fetchEntries } from './scan.ts';
import { SlotIndex } from './slot-index.ts';
import type { SlotSource } from './source.ts';

/** Records at the end of a partition that are asked for the newest checkpoint; more and more, where they do not know. */
const windowFirst = 64;
const windowGrowth = 16;

const overtakenMax = 3;

/** What the reader wanted to begin with is not there (any more). */
class OvertakenError extends LogDamagedError {}

const deletedByOthers = (slot: number, start: number): LogDamagedError =>
  new LogDamagedError(
    `slot ${slot} begins at ${start} and nothing says what was before: somebody else deleted records`,
  );

export interface FoldListener {
  /** Must see every record, however far behind the reader is: it waits for some. */
  readonly needsAll: boolean;
  folded(entry: Entry, offset: number, counted: boolean): void;
  /** The fold went on from a checkpoint: what lies between was not shown. */
  jumped(): void;
}

export class SlotReader implements SlotFold {
  position = 0;
  state: FoldState = emptySlot;
  index: SlotIndex;
  /** Offset of the checkpoint that reaches furthest + 1, 0 if there is none: what this process's records point to. */
  pointer = 0;
  /** How far that checkpoint reaches. */
  checkpointed = 0;
  /** Where Kafka's records begin, as far as this reader has heard. */
  logStart = 0;
  listener: FoldListener | undefined;
  #fault: LogDamagedError | undefined;
  #isBegun = false;
  #beginning: Promise<void> | undefined;
  #advancing: Promise<void> | undefined;
  #target = 0;

  constructor(
    readonly slot: number,
    readonly source: SlotSource,
    readonly limits: SlotLimits = slotLimits,
  ) {
    this.index = new SlotIndex(limits);
  }

  /** Why this slot has stopped. */
  get fault(): LogDamagedError | undefined {
    return this.#fault;
  }

  /** Folds all that was acknowledged before the call; resolves with the end that was found. */
  async catchUp(): Promise<number> {
    for (let tries = 1; ; tries++) {
      this.#throwIfStopped();
      const { logStart, position } = this;
      const end = await this.source.end(this.slot);
      if (end < position)
        throw this.stop(
          `it ends at ${end}, but was folded to ${position}: the log was cut off, acknowledged records are lost`,
        );
      try {
        await this.#advance(end);
      } catch (error) {
        // The checkpoint of a trim lies before its deletions: whoever asks for the end anew finds it.
        if (!(error instanceof OvertakenError) || tries > overtakenMax) throw error;
        continue;
      }
      if (logStart > this.index.trimmedTo) throw deletedByOthers(this.slot, logStart);
      return end;
    }
  }

  /** Folds up to an offset that is known to be committed. */
  async #advance(upto: number): Promise<void> {
    this.#target = Math.max(this.#target, upto);
    if (!this.#isBegun || this.#isFarBehind(upto)) {
      this.#beginning ??= this.#begin(upto).finally(() => {
        this.#beginning = undefined;
      });
      await this.#beginning;
    }
    while (this.position < upto) {
      this.#throwIfStopped();
      this.#advancing ??= this.#fetchOn().finally(() => {
        this.#advancing = undefined;
      });
      await this.#advancing;
    }
    this.#throwIfStopped();
  }

  /** The record at the position folded to. */
  apply(offset: number, entry: Entry): void {
    if (offset !== this.position) throw new RangeError(`slot ${this.slot}: ${offset} applied at ${this.position}`);
    this.index.pass(offset, this.state);
    const next = fold(this.state, entry);
    const counted = next !== this.state;
    if (counted && entry.type === 'batch') {
      try {
        this.index.add(entry, offset);
      } catch (error) {
        throw this.stop((error as Error).message);
      }
    }
    this.state = next;
    this.position = offset + 1;
    if (entry.type === 'checkpoint') this.#passCheckpoint(entry, offset);
    this.listener?.folded(entry, offset, counted);
  }

  /** Stops the slot for good. */
  stop(message: string): LogDamagedError {
    this.#fault ??= new LogDamagedError(`slot ${this.slot}: ${message}`);
    return this.#fault;
  }

  #throwIfStopped(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  #isFarBehind(upto: number): boolean {
    if (this.#advancing !== undefined || this.listener?.needsAll === true) return false;
    return upto - this.position > this.limits.behindMax;
  }

  async #fetchOn(): Promise<void> {
    const at = this.position;
    const held = await fetchEntries(this.source, this.slot, at, this.#target, (entry, offset) => {
      // What was applied meanwhile, because it was appended here, is passed over.
      if (offset === this.position && this.#fault === undefined) this.apply(offset, entry);
    });
    if (held || this.position > at) return;
    const start = await this.source.start(this.slot);
    if (start <= at) throw this.stop(`there is no offset ${at} any more: the log was cut off`);
    // Trimmed beyond what this reader had folded: it begins anew.
    await this.#begin(this.#target);
  }

  /** From the newest checkpoint that helps, or from offset 0. */
  async #begin(end: number): Promise<void> {
    const start = await this.source.start(this.slot);
    this.logStart = Math.max(this.logStart, start);
    const found = end > start ? await this.#newestCheckpoint(start, end) : undefined;
    if (found !== undefined && found.fold.position > this.position) {
      const { position, state, index } = found.fold;
      Object.assign(this, { position, state, index, pointer: found.offset + 1, checkpointed: position });
      this.listener?.jumped();
    }
    if (start > this.position) throw new OvertakenError(deletedByOthers(this.slot, start).message);
    this.#isBegun = true;
  }

  async #newestCheckpoint(start: number, end: number): Promise<{ offset: number; fold: SlotFold } | undefined> {
    for (let window = windowFirst; ; window *= windowGrowth) {
      const from = Math.max(start, end - window);
      const pointers = new Set<number>();
      let isKnown = false;
      for (let at = from; at < end; ) {
        const before = at;
        const held = await fetchEntries(this.source, this.slot, at, end, (entry, offset) => {
          if (entry.type === 'checkpoint') pointers.add(offset + 1);
          else if (entry.type !== 'foreign') {
            isKnown = true;
            if (entry.pointer > start) pointers.add(entry.pointer);
          }
          at = offset + 1;
        });
        if (!held && at === before) throw new OvertakenError(`slot ${this.slot} was trimmed meanwhile`);
      }
      for (const pointer of [...pointers].sort((a, b) => b - a)) {
        const found = await this.#checkpointAt(pointer - 1);
        if (found !== undefined && found.position >= start && found.index.trimmedTo >= start)
          return { offset: pointer - 1, fold: found };
      }
      // Whoever wrote last knew of none, and before offset 0 there is nothing that only a checkpoint tells.
      if (from === start || (isKnown && start === 0 && pointers.size === 0)) return undefined;
    }
  }

  async #checkpointAt(offset: number): Promise<SlotFold | undefined> {
    let found: SlotFold | undefined;
    await fetchEntries(this.source, this.slot, offset, offset + 1, (entry) => {
      if (entry.type === 'checkpoint') found = readCheckpoint(entry, offset, this.limits);
    });
    return found;
  }

  #passCheckpoint(entry: CheckpointEntry, offset: number): void {
    if (entry.position > offset) return;
    if (entry.position >= this.checkpointed) {
      this.checkpointed = entry.position;
      this.pointer = offset + 1;
    }
    if (entry.trimmedTo <= this.index.trimmedTo) return;
    const fold = readCheckpoint(entry, offset, this.limits);
    if (fold !== undefined) this.index.cut(entry.trimmedTo, oldestOf(fold));
  }
}
