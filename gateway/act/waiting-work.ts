/**
 * Commands and calls that wait for their slot to have an owner that can be reached. Owns their order by slot, their bytes
 * and the timer that tries again: soon at first, less and less often while the trouble lasts. Does not own what becomes of
 * them: the router answers those whose time is over.
 * Invariants: per slot work leaves in the order of arrival; the bytes of all that wait are known, so that the router
 * can refuse more (I5).
 */
import type { Slot } from '../../proto/ids.ts';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import type { NodeLink } from './node-link.ts';
import type { Pending } from './pending.ts';

const retryMsMin = 15;
const retryMsMax = 250;
/** After so long without trouble the next one is a new one. */
const calmMs = 1_000;

export interface WaitingParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly jitter: (ms: number) => number;
  /** The link to the slot's owner; undefined: there is none at the moment. */
  readonly linkOf: (slot: Slot) => NodeLink | undefined;
}

export class WaitingWork {
  readonly #bySlot = new Map<Slot, Pending[]>();
  #bytes = 0;
  #retryMs = retryMsMin;
  #waitedAt = Number.NEGATIVE_INFINITY;
  #retry: (() => void) | undefined;
  #closed = false;

  constructor(private readonly parts: WaitingParts) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** Whoever comes for such a slot waits too, or it would overtake. */
  has(slot: Slot): boolean {
    return this.#bySlot.has(slot);
  }

  add(work: Pending): void {
    work.where = 'waiting';
    const now = this.parts.clock.monotonic();
    // A new trouble is looked at soon, a lasting one less and less often.
    if (now - this.#waitedAt > calmMs) this.#retryMs = retryMsMin;
    this.#waitedAt = now;
    let list = this.#bySlot.get(work.slot);
    if (list === undefined) {
      list = [];
      this.#bySlot.set(work.slot, list);
    }
    list.push(work);
    this.#bytes += bytesOf(work);
    this.#tryLater();
  }

  /** It is answered while it waits; called before it is marked so. */
  leave(work: Pending): void {
    if (work.where === 'waiting') this.#bytes -= bytesOf(work);
  }

  /** Something has changed: whatever waits is tried at once. */
  tryNow(): void {
    this.#retryMs = retryMsMin;
    this.#sendAll();
  }

  close(): void {
    this.#closed = true;
    this.#retry?.();
  }

  #tryLater(): void {
    if (this.#retry !== undefined || this.#closed) return;
    this.#retry = this.parts.timers.after(this.parts.jitter(this.#retryMs), () => {
      this.#retry = undefined;
      this.#retryMs = Math.min(retryMsMax, this.#retryMs * 1.5);
      this.#sendAll();
    });
  }

  /** Sends what waits for a slot that has an owner now, in the order of arrival. */
  #sendAll(): void {
    if (this.#closed) return;
    for (const [slot, list] of [...this.#bySlot]) {
      const link = this.parts.linkOf(slot);
      if (link === undefined) {
        this.#bySlot.set(
          slot,
          list.filter((work) => work.where !== 'done'),
        );
        continue;
      }
      this.#bySlot.delete(slot);
      list.sort((a, b) => a.serial - b.serial);
      for (const work of list) {
        if (work.where !== 'waiting') continue;
        this.#bytes -= bytesOf(work);
        if (link.state === 'closed') this.add(work);
        else if (work.kind === 'command') link.submit(work);
        else link.call(work);
      }
    }
    if (this.#bySlot.size > 0) this.#tryLater();
  }
}

const bytesOf = (work: Pending): number => (work.kind === 'command' ? work.length : work.payload.length);
