/**
 * The new owner's part in moves: it says when it serves a slot, how long that took since the old one stopped, and how the
 * canary fares.
 *
 * Owns: what is to be said still. Does not own: the slots. What cannot be said now is said later; with the node its words die,
 * and the operation gives up waiting for them.
 */
import type { ServedSlot } from '../proto/generated/node/v1/cluster.ts';
import type { Slot } from '../proto/ids.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Cancel, Timers } from '../runtime/kernel/timer.ts';
import { isRunning, type Move, type Operation } from './operation.ts';
import { nodeOf, type View } from './view.ts';
import type { ViewDecision, ViewLog } from './view-log.ts';

const sayMsMax = 3_000;
const sayAgainMs = 500;
/** What is served within this time is said together: nobody waits for these words but the pace. */
const gatherMs = 30;
/** A stall that looks longer than this tells of clocks that disagree between two machines. */
const stallMsBelieved = 20_000;

export interface SlotHealth {
  readonly commands: number;
  readonly faults: number;
  readonly parked: number;
}

export interface ArrivalPorts {
  readonly viewLog: Pick<ViewLog, 'view' | 'onChange' | 'append'>;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Of a slot that this node serves. */
  readonly health: (slot: Slot) => SlotHealth;
  readonly measured?: (slot: Slot, stallMs: number, reason: string) => void;
}

/** The operation that gave us that slot, while it waits for us to serve it. */
export function arriving(view: View, slot: Slot, me: string): { operation: Operation; move: Move } | undefined {
  for (const operation of view.operations) {
    if (!isRunning(operation)) continue;
    const move = operation.moves.find((one) => one.slot === slot && one.state === 'assigned' && one.to === me);
    if (move !== undefined) return { operation, move };
  }
  return undefined;
}

export const sayServed =
  (node: string, incarnation: number, slots: readonly ServedSlot[]): ViewDecision =>
  (view) => {
    const awaited = slots.filter(
      ({ slot, epoch }) => view.epochs[slot] === epoch && arriving(view, slot as Slot, node) !== undefined,
    );
    if (awaited.length === 0 || nodeOf(view, node)?.incarnation !== incarnation) return undefined;
    return { $case: 'served', value: { node, incarnation, slots: awaited } };
  };

export class Arrivals {
  #toSay: ServedSlot[] = [];
  #isSaying = false;
  readonly #verdicts = new Map<string, Cancel>();
  readonly #stopListening: () => void;
  #cancelAgain: Cancel | undefined;
  #closed = false;

  constructor(
    readonly me: string,
    readonly incarnation: number,
    private readonly ports: ArrivalPorts,
  ) {
    this.#stopListening = ports.viewLog.onChange((view) => this.#lookForCanary(view));
  }

  /** A slot is served here; `sinceSeenMs` since this node saw the view that gave it to it. */
  served(slot: Slot, epoch: number, sinceSeenMs: number): void {
    const { clock, viewLog, measured } = this.ports;
    const arrival = arriving(viewLog.view, slot, this.me);
    if (arrival === undefined) {
      measured?.(slot, sinceSeenMs, epoch === this.incarnation ? 'start' : 'failover');
      return;
    }
    const { operation, move } = arrival;
    // From the old owner's last turn: its own part by its own clock, the rest by both.
    const told = move.stoppedMs + Math.max(0, clock.now() - move.since);
    const stallMs = told < stallMsBelieved ? told : move.stoppedMs + sinceSeenMs;
    measured?.(slot, stallMs, operation.kind);
    this.#toSay.push({ slot, epoch, stallMs });
    this.#saySoon();
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#cancelAgain?.();
    for (const cancel of this.#verdicts.values()) cancel();
  }

  #saySoon(): void {
    if (this.#isSaying || this.#closed) return;
    this.#isSaying = true;
    this.#cancelAgain = this.ports.timers.after(gatherMs, () => void this.#say());
  }

  async #say(): Promise<void> {
    const { viewLog, timers } = this.ports;
    while (this.#toSay.length > 0 && !this.#closed) {
      const slots = this.#toSay;
      this.#toSay = [];
      try {
        await viewLog.append(sayServed(this.me, this.incarnation, slots), { deadlineMs: sayMsMax, by: this.me });
      } catch {
        this.#toSay.unshift(...slots);
        this.#cancelAgain = timers.after(sayAgainMs, () => {
          this.#isSaying = false;
          this.#saySoon();
        });
        return;
      }
    }
    this.#isSaying = false;
  }

  #lookForCanary(view: View): void {
    for (const operation of view.operations) {
      const [first] = operation.moves;
      const isOurs = first?.state === 'served' && first.to === this.me && view.owners[first.slot] === this.me;
      if (operation.state !== 'canary' || operation.canary !== undefined || !isOurs) continue;
      if (this.#verdicts.has(operation.id)) continue;
      const slot = first.slot as Slot;
      const before = this.ports.health(slot);
      const cancel = this.ports.timers.after(operation.canaryS * 1_000, () => {
        void this.#judge(operation.id, slot, before);
      });
      this.#verdicts.set(operation.id, cancel);
    }
    for (const [id, cancel] of this.#verdicts) {
      if (view.operations.some((one) => one.id === id && one.state === 'canary')) continue;
      cancel();
      this.#verdicts.delete(id);
    }
  }

  async #judge(operation: string, slot: Slot, before: SlotHealth): Promise<void> {
    const { viewLog, health } = this.ports;
    const now = health(slot);
    const commands = now.commands - before.commands;
    const faults = now.faults - before.faults;
    const troubles = [
      ...(faults > 0 ? [`${faults} faults`] : []),
      ...(now.parked > 0 ? [`${now.parked} hunts parked`] : []),
    ];
    const healthy = troubles.length === 0;
    const detail = healthy ? '' : `slot ${slot} on ${this.me}: ${troubles.join(', ')}`;
    const decide: ViewDecision = (view) => {
      const present = view.operations.find((one) => one.id === operation);
      if (present?.state !== 'canary' || present.canary !== undefined || view.owners[slot] !== this.me)
        return undefined;
      return { $case: 'judged', value: { operation, slot, healthy, detail, commands } };
    };
    // Unsaid, the operation takes the canary for dead.
    await viewLog.append(decide, { deadlineMs: sayMsMax, by: this.me }).catch(() => undefined);
  }
}
