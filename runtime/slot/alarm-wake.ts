import { type StreamId, streamKey } from '../../proto/ids.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Cancel, Timers } from '../kernel/timer.ts';

/**
 * Wakes an owner when an alarm is due, and nothing more: whether that alarm is still pending, the actor's state decides.
 * So an implementation may fire late, early, twice or for an alarm long cleared; only never firing costs something, and
 * the agenda arms everything again once a minute. (A Redis-backed one would lose alarms with a flush: that is why.)
 */
export interface AlarmWake {
  /** Replaces what was armed for the stream. */
  arm(stream: StreamId, at: number): void;
  disarm(stream: StreamId): void;
  close(): void;
}

interface Armed {
  readonly at: number;
  readonly key: string;
  readonly stream: StreamId;
}

/** Timers hold no longer delays than 2^31 ms, and the wall clock may be set meanwhile: look again at least so often. */
const longestWaitMs = 60_000;
/** Replaced entries that the heap may hold beyond as many as there are live ones. */
const heapSlack = 64;

/** The process's own: a heap and one timer. */
export class EmbeddedAlarmWake implements AlarmWake {
  readonly #heap: Armed[] = [];
  /** What is armed at present; everything else in the heap was replaced or disarmed. */
  readonly #armed = new Map<string, Armed>();
  #timer: { readonly at: number; readonly cancel: Cancel } | undefined;
  #isClosed = false;

  constructor(
    readonly clock: Clock,
    readonly timers: Timers,
    readonly fire: (stream: StreamId) => void,
  ) {}

  arm(stream: StreamId, at: number): void {
    const key = streamKey(stream);
    if (this.#isClosed || this.#armed.get(key)?.at === at) return;
    const armed = { at, key, stream };
    this.#armed.set(key, armed);
    this.#push(armed);
    if (this.#heap.length > 2 * this.#armed.size + heapSlack) this.#compact();
    this.#setTimer();
  }

  disarm(stream: StreamId): void {
    this.#armed.delete(streamKey(stream));
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#heap.length = 0;
    this.#armed.clear();
  }

  #setTimer(): void {
    const next = this.#heap[0];
    if (next === undefined || (this.#timer !== undefined && this.#timer.at <= next.at)) return;
    this.#timer?.cancel();
    const ms = Math.min(Math.max(0, next.at - this.clock.now()), longestWaitMs);
    this.#timer = { at: next.at, cancel: this.timers.after(ms, () => this.#ring()) };
  }

  #ring(): void {
    this.#timer = undefined;
    const now = this.clock.now();
    for (let next = this.#heap[0]; next !== undefined && next.at <= now; next = this.#heap[0]) {
      this.#pop();
      if (this.#armed.get(next.key) !== next) continue;
      this.#armed.delete(next.key);
      this.fire(next.stream);
    }
    this.#setTimer();
  }

  #compact(): void {
    this.#heap.length = 0;
    for (const armed of this.#armed.values()) this.#push(armed);
  }

  #push(armed: Armed): void {
    const heap = this.#heap;
    let at = heap.push(armed) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((heap[parent] as Armed).at <= armed.at) break;
      heap[at] = heap[parent] as Armed;
      at = parent;
    }
    heap[at] = armed;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Armed).at < (heap[child] as Armed).at) child++;
      if ((heap[child] as Armed).at >= last.at) break;
      heap[at] = heap[child] as Armed;
      at = child;
    }
    heap[at] = last;
  }
}
