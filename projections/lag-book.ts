import type { Position, Slot } from '../proto/ids.ts';
import type { SlotPage } from '../runtime/log/event-log.ts';
import { eventsIn } from './batch-fold.ts';
import { timeOfFirst } from './record-time.ts';

/**
 * How far the rows are behind the log, slot by slot, in events and in seconds.
 *
 * Owns: for each slot where its rows are, where its log ends, how many events are known to lie between, and since when the
 * oldest of them has waited. Does not read: it is told what others have read, by the projector's lanes and, where those
 * cannot go on, by a scout that reads ahead only to count (`scout.ts`).
 */
export interface SlotLag {
  readonly slot: Slot;
  readonly position: Position;
  readonly events: number;
  readonly seconds: number;
}

interface Entry {
  applied: Position;
  /** Up to where events were counted. */
  counted: Position;
  /** Hunt events between the two. */
  ahead: number;
  end: Position;
  /** Time of the oldest event that is not applied, if one is known. */
  oldestAt: number | undefined;
  /** When the log was first seen to end behind `applied`. */
  noticedAt: number | undefined;
}

export class LagBook {
  readonly #entries = new Map<Slot, Entry>();

  /** The slot's rows were found there. */
  found(slot: Slot, applied: Position): void {
    const known = this.#entries.get(slot);
    if (known?.applied === applied) return;
    this.#entries.set(slot, {
      applied,
      counted: applied,
      ahead: 0,
      end: (known?.end ?? applied) as Position,
      oldestAt: undefined,
      noticedAt: known?.noticedAt,
    });
  }

  forget(slot: Slot): void {
    this.#entries.delete(slot);
  }

  ended(slot: Slot, end: Position, now: number): void {
    const entry = this.#entries.get(slot);
    if (entry === undefined) return;
    entry.end = end;
    entry.noticedAt = end > entry.applied ? (entry.noticedAt ?? now) : undefined;
  }

  /** Rows were written up to `next`: that many events, the last of which happened at `lastAt` (0: not known). */
  applied(slot: Slot, next: Position, events: number, lastAt: number, now: number): void {
    const entry = this.#entries.get(slot);
    if (entry === undefined) return;
    entry.applied = next;
    entry.ahead = entry.counted > next ? Math.max(0, entry.ahead - events) : 0;
    entry.counted = Math.max(entry.counted, next) as Position;
    entry.end = Math.max(entry.end, next) as Position;
    // What waits behind this batch is not older than it.
    entry.oldestAt = entry.ahead === 0 || lastAt === 0 ? undefined : lastAt;
    entry.noticedAt = entry.end > next ? now : undefined;
  }

  /** A page that was read from `from` on. */
  counted(slot: Slot, from: Position, page: SlotPage): void {
    const entry = this.#entries.get(slot);
    if (entry === undefined || from !== entry.counted || page.next <= from) return;
    for (const record of page.records) {
      const events = eventsIn(record);
      if (events > 0 && entry.ahead === 0) entry.oldestAt ??= timeOfFirst(record);
      entry.ahead += events;
    }
    entry.counted = page.next;
    entry.end = Math.max(entry.end, page.end) as Position;
  }

  /** Where a scout would go on to count. */
  uncounted(slot: Slot): Position | undefined {
    const entry = this.#entries.get(slot);
    return entry !== undefined && entry.end > entry.counted ? entry.counted : undefined;
  }

  isBehind(slot: Slot): boolean {
    const entry = this.#entries.get(slot);
    return entry !== undefined && entry.end > entry.applied;
  }

  /** Since when the slot has had news that are not in its rows; 0: it has none. */
  behindMs(slot: Slot, now: number): number {
    const noticedAt = this.#entries.get(slot)?.noticedAt;
    return noticedAt === undefined ? 0 : now - noticedAt;
  }

  lagOf(slot: Slot, now: number): SlotLag | undefined {
    const entry = this.#entries.get(slot);
    if (entry === undefined) return undefined;
    const isOnlyOthers = entry.counted >= entry.end && entry.ahead === 0;
    const since = entry.end <= entry.applied || isOnlyOthers ? undefined : (entry.oldestAt ?? entry.noticedAt);
    const seconds = since === undefined ? 0 : Math.max(0, now - since) / 1000;
    return { slot, position: entry.applied, events: entry.ahead, seconds };
  }

  lags(now: number): SlotLag[] {
    return [...this.#entries.keys()].sort((a, b) => a - b).map((slot) => this.lagOf(slot, now) as SlotLag);
  }
}
