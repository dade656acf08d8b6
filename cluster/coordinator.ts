/**
 * Carries operations on, one event after the other, on whichever node is first in the view (members.ts).
 *
 * Owns: nothing that would be missed: all it knows is the view. Does not own: what is next (operation-step.ts, chores.ts).
 * Keeps: each step is appended onto the view that it was decided on, so that two coordinators do no harm, and the next one goes
 * on where one died.
 */
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Cancel, Timers } from '../runtime/kernel/timer.ts';
import { nextChore } from './chores.ts';
import { coordinatorOf } from './members.ts';
import { isRunning } from './operation.ts';
import { nextStep, type Step } from './operation-step.ts';
import type { View } from './view.ts';
import type { ViewLog } from './view-log.ts';

const lookMs = 1_000;
const sayMsMax = 3_000;

export interface CoordinatorPorts {
  readonly viewLog: Pick<ViewLog, 'view' | 'onChange' | 'append'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly failed?: (error: unknown) => void;
}

/** The first event that is due, of any operation or chore; else the time at which one may be. */
export function dueStep(view: View, me: string, now: number): Step {
  let until = Number.POSITIVE_INFINITY;
  for (const operation of view.operations.filter(isRunning)) {
    const step = nextStep(view, operation, now);
    if (step.kind === 'append') return step;
    until = Math.min(until, step.until);
  }
  const chore = nextChore(view, me, now);
  return chore.kind === 'append' ? chore : { kind: 'wait', until: Math.min(until, chore.until) };
}

export class Coordinator {
  #isStepping = false;
  #lookAgain = false;
  #closed = false;
  #cancelTimer: Cancel | undefined;
  readonly #cancelLook: Cancel;
  readonly #stopListening: () => void;

  constructor(
    readonly me: string,
    private readonly ports: CoordinatorPorts,
  ) {
    this.#stopListening = ports.viewLog.onChange(() => this.#look());
    this.#cancelLook = ports.timers.every(lookMs, () => this.#look());
    this.#look();
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#cancelLook();
    this.#cancelTimer?.();
  }

  #look(): void {
    if (this.#closed) return;
    if (this.#isStepping) {
      this.#lookAgain = true;
      return;
    }
    const { viewLog, clock, timers } = this.ports;
    const now = clock.now();
    if (coordinatorOf(viewLog.view, now) !== this.me) return;
    const step = dueStep(viewLog.view, this.me, now);
    if (step.kind === 'append') {
      this.#isStepping = true;
      void this.#step();
      return;
    }
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (step.until - now < lookMs) this.#cancelTimer = timers.after(Math.max(1, step.until - now), () => this.#look());
  }

  async #step(): Promise<void> {
    const { viewLog, timers, failed } = this.ports;
    let reason = '';
    try {
      // Decided anew on whatever the view is by then.
      await viewLog.append(
        (view, now) => {
          if (this.#closed || coordinatorOf(view, now) !== this.me) return undefined;
          const step = dueStep(view, this.me, now);
          if (step.kind !== 'append') return undefined;
          reason = step.reason;
          return step.outcome;
        },
        { deadlineMs: sayMsMax, by: this.me, reason: () => reason },
      );
      this.#isStepping = false;
      if (this.#lookAgain) {
        this.#lookAgain = false;
        timers.soon(() => this.#look());
      }
    } catch (error) {
      failed?.(error);
      this.#isStepping = false;
    }
  }
}
