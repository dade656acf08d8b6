/**
 * A process and the supervisor's promise to it: when it ends, by a kill or by itself, it is started again after a while. Owns
 * what runs in it at present; its state on disk is its machine's.
 */
import type { Seeded } from './seeded.ts';
import { type SimProcess, usPerMs } from './sim-process.ts';

/** From a death to the next start, and until a started process has loaded its code. */
const respawnUs = 200 * usPerMs;
const loadUs = 150 * usPerMs;

export interface SupervisedParts<R> {
  readonly process: SimProcess;
  readonly chance: Seeded;
  readonly boot: () => Promise<R>;
  readonly note: (what: string) => void;
}

export class Supervised<R> {
  running: R | undefined;
  deaths = 0;
  /** Nobody starts it again until {@link start}. */
  isHeld = false;
  #isComing = false;

  constructor(readonly parts: SupervisedParts<R>) {}

  get process(): SimProcess {
    return this.parts.process;
  }
  get name(): string {
    return this.parts.process.name;
  }
  get isUp(): boolean {
    return this.process.liveness === 'running' && this.running !== undefined;
  }

  start(): void {
    this.isHeld = false;
    if (this.process.liveness !== 'down' || this.#isComing) return;
    this.#isComing = true;
    const { chance, note, boot, process } = this.parts;
    process.schedule.after(chance.wait(loadUs), 'start', () => {
      this.#isComing = false;
      if (this.isHeld) return;
      process.start();
      const { life } = process;
      note('starts');
      process.later(0, 'boot', () => {
        boot().then(
          (running) => {
            if (process.life === life) this.running = running;
          },
          (error: unknown) => {
            if (process.life === life) this.die(`could not start: ${(error as Error).message}`);
          },
        );
      });
    });
  }

  /** It ends, whatever the reason. */
  die(why: string): void {
    if (this.process.liveness === 'down') return;
    this.parts.note(`is dead (${why})`);
    this.deaths++;
    this.running = undefined;
    this.process.die();
    if (this.isHeld) return;
    this.process.schedule.after(this.parts.chance.wait(respawnUs), 'respawn', () => {
      if (!this.isHeld) this.start();
    });
  }
}
