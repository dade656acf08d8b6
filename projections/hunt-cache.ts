import { type Slot, slotOf } from '../proto/ids.ts';
import type { HuntFold } from './hunt-fold.ts';

/**
 * Hunts that were folded lately, so that a busy one is not read from its rows for every batch. Bounded in bytes (I5); the
 * least recently used go first. What is in here is as of its slot's checkpoint, or is dropped.
 */
export const huntCacheBytesMax = 96 * 1024 * 1024;
/** One hunt with more keeps its header alone. */
export const huntBytesMax = huntCacheBytesMax / 4;

export class HuntCache {
  readonly #hunts = new Map<number, { readonly fold: HuntFold; readonly bytes: number }>();
  #bytes = 0;

  get(huntId: number): HuntFold | undefined {
    return this.#hunts.get(huntId)?.fold;
  }

  /** The hunt is as the tables have it. */
  put(fold: HuntFold): void {
    this.drop(fold.huntId);
    if (fold.bytes > huntBytesMax) fold.forgetMembers();
    const { bytes } = fold;
    this.#hunts.set(fold.huntId, { fold, bytes });
    this.#bytes += bytes;
    for (const huntId of this.#hunts.keys()) {
      if (this.#bytes <= huntCacheBytesMax) break;
      this.drop(huntId);
    }
  }

  drop(huntId: number): void {
    const kept = this.#hunts.get(huntId);
    if (kept === undefined) return;
    this.#hunts.delete(huntId);
    this.#bytes -= kept.bytes;
  }

  dropSlot(slot: Slot): void {
    for (const huntId of this.#hunts.keys()) if (slotOf(huntId) === slot) this.drop(huntId);
  }
}
