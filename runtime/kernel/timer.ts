/** The one door to timers. `after` runs once, `every` until cancelled; neither keeps the process alive by itself when `keepAlive` is false. */
export interface Timers {
  after(ms: number, run: () => void): Cancel;
  every(ms: number, run: () => void): Cancel;
  /** Runs once the present batch of I/O callbacks has been handled. */
  soon(run: () => void): void;
}
export type Cancel = () => void;

export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  every(ms, run) {
    const timer = setInterval(run, ms);
    return () => clearInterval(timer);
  },
  soon(run) {
    setImmediate(run);
  },
};
