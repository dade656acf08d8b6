/**
 * The one door to time and chance, shut: while a simulation runs, whoever asks Node itself for the time, a timer or a random
 * number gets those of the simulated process that runs at the moment. A library that keeps a timer of its own (ws, for a close
 * that is never answered) is simulated by that like everything else. Only for processes that do nothing but simulate.
 */
import type { SimProcess } from './sim-process.ts';

export interface Door {
  /** Whose entry runs. */
  present: SimProcess | undefined;
  open(): void;
}

/** Node's own, for the loop itself. */
export const realSetImmediate = setImmediate;
export const realNow = performance.now.bind(performance);

/**
 * Runs all ticks and microtasks that wait, and those that they make, as Node does between two callbacks of its loop. Throws
 * what one of them throws; the others are left for the next call. A turn of the whole loop (setImmediate) would do the
 * same, and ask the kernel for news each time.
 */
export const settle: () => void = (process as unknown as { readonly _tickCallback: () => void })._tickCallback;

export function shutDoor(): Door {
  const real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    now: Date.now,
    random: Math.random,
  };
  const door: Door = {
    present: undefined,
    open() {
      Object.assign(globalThis, {
        setTimeout: real.setTimeout,
        clearTimeout: real.clearTimeout,
        setInterval: real.setInterval,
        clearInterval: real.clearInterval,
      });
      Date.now = real.now;
      Math.random = real.random;
    },
  };
  const present = (what: string): SimProcess => {
    if (door.present === undefined) throw new Error(`${what} outside of every simulated process`);
    return door.present;
  };
  const timer = (cancel: () => void) => ({ cancel, unref: () => undefined, ref: () => undefined });
  const clear = (handle: unknown): void => {
    if (typeof handle === 'object' && handle !== null && 'cancel' in handle) (handle as { cancel(): void }).cancel();
    else real.clearTimeout(handle as undefined);
  };
  Object.assign(globalThis, {
    setTimeout: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      timer(present('setTimeout').timers.after(ms, () => run(...args))),
    setInterval: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      timer(present('setInterval').timers.every(ms, () => run(...args))),
    clearTimeout: clear,
    clearInterval: clear,
  });
  Date.now = () => door.present?.clock.now() ?? real.now();
  Math.random = () => door.present?.random.next() ?? real.random();
  return door;
}
