/**
 * Offers work at a fixed rate, whatever becomes of it (open loop): each piece has its scheduled time, and who is late, waits in
 * the figures. Owns the schedule; what a piece is, is the caller's.
 */
import { delay } from '../cluster/host/black-box/deadline.ts';

export interface OpenLoop {
  readonly perSecond: number;
  readonly seconds: number;
  /** How often the due pieces are handed over. What a piece waits for its tick counts in its latency. */
  readonly tickMs: number;
  /** Hands over `count` pieces; piece i was due at `firstDueMs + i * stepMs` (performance.now). */
  readonly issue: (count: number, firstDueMs: number, stepMs: number) => void;
}

/** Resolves when the last piece was handed over. Returns how many. */
export async function runOpenLoop({ perSecond, seconds, tickMs, issue }: OpenLoop): Promise<number> {
  const stepMs = 1_000 / perSecond;
  const total = Math.floor(perSecond * seconds);
  const begun = performance.now();
  let issued = 0;
  while (issued < total) {
    const due = Math.min(total, Math.floor((performance.now() - begun) / stepMs) + 1);
    if (due > issued) {
      issue(due - issued, begun + issued * stepMs, stepMs);
      issued = due;
    }
    const nextTick = begun + Math.ceil((performance.now() - begun + 0.01) / tickMs) * tickMs;
    await delay(Math.max(1, Math.round(nextTick - performance.now())));
  }
  return issued;
}
