/**
 * The owner's part in handing slots over: whatever the view names as moving from here is prepared while it is still served,
 * given up, and assigned to its new owner by this node itself, which alone knows when it is done.
 *
 * Owns: which handovers are under way. Does not own: which slots move, and when (coordinator.ts), nor what serving means.
 * Keeps: the new owner may take the slot only under a new epoch (I2), so that an error here costs time and nothing else. If
 * the move is taken back, or cannot be said, this node goes on serving.
 */
import type { Slot } from '../proto/ids.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Timers } from '../runtime/kernel/timer.ts';
import { prepareMsMax } from './limits.ts';
import type { SlotKeeper } from './slot-keeper.ts';
import { isServing, type Moving, nodeOf, type View } from './view.ts';
import type { ViewDecision, ViewLog } from './view-log.ts';

const sayMsMax = 3_000;

export interface HandoffPorts {
  readonly viewLog: Pick<ViewLog, 'view' | 'onChange' | 'append'>;
  readonly keeper: Pick<SlotKeeper, 'serves' | 'give' | 'keep'>;
  /** Writes what would make giving the slot up take long; it is served meanwhile. */
  readonly prepare: (slot: Slot) => Promise<void>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly failed?: (slot: Slot, error: unknown) => void;
}

/** The move is done as far as the old owner is concerned, unless it was taken back meanwhile. */
export const assignMoved =
  (slot: Slot, from: string, { to, operation }: Moving, stoppedMs: () => number): ViewDecision =>
  (view) => {
    const present = view.moving.get(slot);
    if (view.owners[slot] !== from || present?.to !== to || present.operation !== operation) return undefined;
    if (!isServing(nodeOf(view, to))) return undefined;
    const slots = [{ node: to, slots: [slot] }];
    return { $case: 'assigned', value: { slots, operation, stoppedMs: stoppedMs() } };
  };

export class Handoff {
  readonly #underWay = new Set<Slot>();
  readonly #stopListening: () => void;
  #closed = false;

  constructor(
    readonly me: string,
    private readonly ports: HandoffPorts,
  ) {
    this.#stopListening = ports.viewLog.onChange((view) => this.#look(view));
    this.#look(ports.viewLog.view);
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
  }

  #look(view: View): void {
    if (this.#closed) return;
    for (const [number, moving] of view.moving) {
      const slot = number as Slot;
      if (view.owners[slot] !== this.me || this.#underWay.has(slot) || !this.ports.keeper.serves(slot)) continue;
      this.#underWay.add(slot);
      void this.#hand(slot, moving)
        .catch((error: unknown) => this.ports.failed?.(slot, error))
        .finally(() => {
          this.#underWay.delete(slot);
          this.ports.keeper.keep(slot);
          // It may have been named again meanwhile.
          this.ports.timers.soon(() => this.#look(this.ports.viewLog.view));
        });
    }
  }

  async #hand(slot: Slot, moving: Moving): Promise<void> {
    const { viewLog, keeper, clock } = this.ports;
    await this.#prepare(slot);
    if (viewLog.view.moving.get(slot) !== moving) return;
    const stoppedAt = clock.monotonic();
    await keeper.give(slot);
    const decide = assignMoved(slot, this.me, moving, () => clock.monotonic() - stoppedAt);
    await viewLog.append(decide, { deadlineMs: sayMsMax, by: this.me, reason: 'handed over' });
  }

  /** What cannot be written in time is read from the log by the new owner. */
  #prepare(slot: Slot): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.ports.timers.after(prepareMsMax, resolve);
      void this.ports
        .prepare(slot)
        .catch(() => undefined)
        .then(() => {
          cancel();
          resolve();
        });
    });
  }
}
