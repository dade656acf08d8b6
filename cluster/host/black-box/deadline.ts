/** Waiting in tests: always for a condition, always with a deadline that says what was waited for. */
import { systemClock } from '../../../runtime/kernel/clock.ts';
import { systemTimers } from '../../../runtime/kernel/timer.ts';

export const delay = (ms: number): Promise<void> => new Promise((done) => systemTimers.after(ms, done));

const pollEveryMs = 15;

/** Resolves with the first truthy answer of `condition`; rejects after `ms`, naming `what`. A condition that throws counts as "not yet". */
export async function until<T>(what: string, ms: number, condition: () => T | Promise<T>): Promise<NonNullable<T>> {
  const end = systemClock.monotonic() + ms;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as NonNullable<T>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (systemClock.monotonic() > end)
      throw new Error(`waited ${ms} ms for ${what}${last instanceof Error ? `: ${last.message}` : ''}`);
    await delay(pollEveryMs);
  }
}

/** `promise`, but rejected after `ms` with a sentence that names `what`. */
export function within<T>(what: string, ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = systemTimers.after(ms, () => reject(new Error(`waited ${ms} ms for ${what}`)));
    promise.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
