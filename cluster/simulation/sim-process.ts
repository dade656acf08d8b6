/**
 * One simulated process: its clocks, timers and randomness, and its life. Whatever it does happens in entries of the schedule
 * that it owns; a crash makes all of them void (state in memory is simply never called again), a stop keeps them for later
 * while the clocks go on.
 */
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Cancel, Timers } from '../../runtime/kernel/timer.ts';
import type { Entry, Owner, Schedule } from './schedule.ts';
import type { Seeded } from './seeded.ts';

export const usPerMs = 1_000;
/** One turn of a process's loop, between two batches of input. */
const turnUs = 30;
/** How late a timer may be, without anybody being stopped. */
const timerLagUs = 400;

/** When simulated time is 0: a summer's morning. */
export const worldBeganAt = Date.UTC(2026, 5, 6, 8);

export type Liveness = 'down' | 'running' | 'stopped';

export class SimProcess implements Owner {
  liveness: Liveness = 'down';
  /** How often it was started: entries of an earlier life are void. */
  life = 0;
  readonly clock: Clock;
  /** Of the present life: whoever held those of an earlier one has died with it. */
  timers: Timers;
  readonly random: Seeded;
  readonly #chance: Seeded;
  #wallAheadMs: number;
  #monotonicAheadMs: number;
  #rate: number;
  #kept: Entry[] = [];
  readonly #deathWatch = new Set<() => void>();

  constructor(
    readonly name: string,
    readonly schedule: Schedule,
    chance: Seeded,
  ) {
    this.#chance = chance.fork(`process ${name}`);
    this.random = this.#chance.fork('own');
    this.#wallAheadMs = this.#chance.within(-40, 40);
    this.#monotonicAheadMs = this.#chance.within(1_000, 1_000_000);
    this.#rate = 1 + (this.#chance.next() - 0.5) / 5_000;
    this.clock = {
      now: () => Math.floor(worldBeganAt + this.#elapsedMs() + this.#wallAheadMs),
      monotonic: () => this.#monotonicAheadMs + this.#elapsedMs(),
    };
    this.timers = this.#timersOf(0);
  }

  #timersOf(life: number): Timers {
    return {
      after: (ms, run) => this.#after(ms, run, life),
      every: (ms, run) => this.#every(ms, run, life),
      soon: (run) => void this.later(1 + this.#chance.int(turnUs), 'soon', run, life),
    };
  }

  #elapsedMs(): number {
    return (this.schedule.now / usPerMs) * this.#rate;
  }

  /** Something that happens to this process; void after its death. */
  later(us: number, what: string, run: () => void, life = this.life): Entry {
    return this.schedule.after(us, what, run, this, life);
  }

  #after(ms: number, run: () => void, life: number): Cancel {
    const us = Math.max(0, ms) * usPerMs + this.#chance.int(timerLagUs);
    const entry = this.later(us, 'timer', run, life);
    return () => {
      entry.isCancelled = true;
    };
  }

  #every(ms: number, run: () => void, life: number): Cancel {
    let cancel: Cancel;
    let isOver = false;
    const arm = (): void => {
      const tick = (): void => {
        if (!isOver) arm();
        run();
      };
      cancel = this.#after(ms, tick, life);
    };
    arm();
    return () => {
      isOver = true;
      cancel();
    };
  }

  admit(entry: Entry): 'run' | 'later' | 'never' {
    if (entry.life !== this.life || this.liveness === 'down') return 'never';
    if (this.liveness === 'running') return 'run';
    this.#kept.push(entry);
    return 'later';
  }

  start(): void {
    this.life++;
    this.timers = this.#timersOf(this.life);
    this.liveness = 'running';
    this.#kept = [];
  }

  /** SIGKILL, or its own end. Calls those who watch (the kernel closes its sockets and files). */
  die(): void {
    if (this.liveness === 'down') return;
    this.liveness = 'down';
    this.#kept = [];
    const watching = [...this.#deathWatch];
    this.#deathWatch.clear();
    for (const watch of watching) watch();
  }

  /** Called once, at the end of the present life, unless it was taken back. */
  onDeath(watch: () => void): Cancel {
    this.#deathWatch.add(watch);
    return () => void this.#deathWatch.delete(watch);
  }

  /** SIGSTOP. */
  stop(): void {
    if (this.liveness === 'running') this.liveness = 'stopped';
  }

  /** SIGCONT: what came meanwhile is found waiting, timers first, as a loop that wakes up does. */
  goOn(): void {
    if (this.liveness !== 'stopped') return;
    this.liveness = 'running';
    const kept = this.#kept;
    this.#kept = [];
    const timersFirst = [
      ...kept.filter(({ what }) => what === 'timer'),
      ...kept.filter(({ what }) => what !== 'timer'),
    ];
    for (const entry of timersFirst)
      if (!entry.isCancelled) this.later(0, entry.what, () => !entry.isCancelled && entry.run());
  }

  /** The wall clock is set. */
  setWallBy(ms: number): void {
    this.#wallAheadMs += ms;
  }

  get wallAheadMs(): number {
    return this.#wallAheadMs;
  }
}
