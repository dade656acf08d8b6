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

export interface Given {
  readonly slot: Slot;
  readonly moving: Moving;
  readonly stoppedAt: number;
}

/** These moves of one operation are done as far as the old owner is concerned, but those that were taken back meanwhile. */
export const assignMoved =
  (given: readonly Given[], from: string, monotonic: () => number): ViewDecision =>
  (view) => {
    const still = given.filter(({ slot, moving: { to, operation } }) => {
      const present = view.moving.get(slot);
      const isMeant = present?.to === to && present.operation === operation;
      return view.owners[slot] === from && isMeant && isServing(nodeOf(view, to));
    });
    const [first] = still;
    if (first === undefined) return undefined;
    const { operation } = first.moving;
    const slots = still.map(({ slot, moving }) => ({ node: moving.to, slots: [slot] }));
    const stoppedMs = monotonic() - Math.min(...still.map((one) => one.stoppedAt));
    return { $case: 'assigned', value: { slots, operation, stoppedMs } };
  };

export class Handoff {
  readonly #underWay = new Set<Slot>();
  readonly #stopListening: () => void;
  #closed = false;
  /** Given up, and not said yet. */
  #given: Given[] = [];
  #saying: Promise<{ readonly failure?: unknown }> = Promise.resolve({});

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
    this.#given.push({ slot, moving, stoppedAt });
    // Whoever is ready while another one is being said, is said with the next.
    this.#saying = this.#saying.then(() => this.#say());
    const { failure } = await this.#saying;
    if (failure !== undefined) throw failure;
  }

  async #say(): Promise<{ readonly failure?: unknown }> {
    const { viewLog, clock } = this.ports;
    for (let [first] = this.#given; first !== undefined; [first] = this.#given) {
      const { operation } = first.moving;
      const given = this.#given.filter((one) => one.moving.operation === operation);
      this.#given = this.#given.filter((one) => one.moving.operation !== operation);
      const decide = assignMoved(given, this.me, () => clock.monotonic());
      try {
        await viewLog.append(decide, { deadlineMs: sayMsMax, by: this.me, reason: 'handed over' });
      } catch (failure) {
        return { failure };
      }
    }
    return {};
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
