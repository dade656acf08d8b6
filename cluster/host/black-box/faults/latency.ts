/** How long acks took in some phases, by the moment at which the actions were sent. Pure. */
import type { Wait } from '../crowd.ts';

export interface Latency {
  readonly acks: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export type Phase = readonly [from: number, to: number];

export function latencyOf(waits: readonly Wait[], phases: readonly Phase[]): Latency {
  const times = waits
    .filter(({ sentAt }) => phases.some(([from, to]) => sentAt >= from && sentAt < to))
    .map(({ ms }) => ms)
    .sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { acks: times.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: times.at(-1) ?? 0 };
}

/** What nobody notices. */
export interface Tolerance {
  readonly ratioMax: number;
  /** Fewer milliseconds than these are the scheduler's. */
  readonly noiseMs: number;
  readonly waitMsMax: number;
}
export const strict: Tolerance = { ratioMax: 1.5, noiseMs: 5, waitMsMax: 1_500 };
/** Where a whole test run shares the machine. */
export const lenient: Tolerance = { ratioMax: 4, noiseMs: 250, waitMsMax: 5_000 };

export const ratioOf = (calm: Latency, during: Latency): number => (calm.p50 === 0 ? 1 : during.p50 / calm.p50);

/** In words, what players could have noticed of a fault that is none of theirs (I10); undefined: nothing. */
export function noticed(calm: Latency, during: Latency, tolerance: Tolerance): string | undefined {
  if (during.acks === 0) return 'nobody was acknowledged';
  if (during.max > Math.max(tolerance.waitMsMax, calm.max)) return `somebody waited ${during.max.toFixed(0)} ms`;
  // Where others make every tenth ack of the calm as slow as this, nobody can tell the difference.
  const isUsual = during.p50 - calm.p50 <= tolerance.noiseMs || during.p50 <= calm.p90;
  if (ratioOf(calm, during) > tolerance.ratioMax && !isUsual)
    return `acks took ${during.p50.toFixed(1)} ms in the middle, ${calm.p50.toFixed(1)} ms otherwise`;
  return undefined;
}
