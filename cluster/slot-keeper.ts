/**
 * Makes a node serve the slots that the view gives it, and no others.
 *
 * Owns: which slots this node has taken, under which epoch, and the takes that are under way.
 * Does not own: what serving a slot means; the port does. Keeps: a slot is taken only under the epoch that the view
 * names (the log fences every lower one, I2), so it never matters how stale this copy of the view is.
 */
import { type Slot, slotCount } from '../proto/ids.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Timers } from '../runtime/kernel/timer.ts';
import type { ViewSource } from './placement.ts';
import { isServing, nodeOf } from './view.ts';

export interface SlotServer {
  /** Takes the slot from the log and serves it. Rejects when that did not work; taking again is harmless. */
  take(slot: Slot, epoch: number): Promise<void>;
  /** Finishes what is under way and stops serving. Never rejects. `isPrepared`: what takes long was done before. */
  release(slot: Slot, isPrepared?: boolean): Promise<void>;
}

export interface SlotKeeperPorts {
  readonly view: ViewSource;
  readonly server: SlotServer;
  readonly clock: Clock;
  readonly timers: Timers;
  /** A slot is served; `stallMs` since the view was seen that gave it to us. */
  taken?(slot: Slot, epoch: number, stallMs: number): void;
  failed?(slot: Slot, error: unknown): void;
}

/** Takes that are under way at once. */
export const takesInFlightMax = 28;
const retryMs = 100;

type SlotState =
  | { readonly kind: 'taking'; readonly epoch: number }
  | { readonly kind: 'serving'; readonly epoch: number }
  | { readonly kind: 'releasing' }
  /** The last try failed; the next comes with the retry. */
  | { readonly kind: 'resting' };

export class SlotKeeper {
  readonly #node: string;
  readonly #incarnation: number;
  readonly #ports: SlotKeeperPorts;
  readonly #slots = new Map<Slot, SlotState>();
  /** When the view was seen that gave us a slot that is not served yet. */
  readonly #wantedSince = new Map<Slot, number>();
  /** Ours under the view still, and given up already: they are being handed over. */
  readonly #given = new Set<Slot>();
  /** What the last try to take it met. */
  readonly #failures = new Map<Slot, string>();
  readonly #stopListening: () => void;
  #inFlight = 0;
  #retry: (() => void) | undefined;
  #closed = false;

  constructor(node: string, incarnation: number, ports: SlotKeeperPorts) {
    this.#node = node;
    this.#incarnation = incarnation;
    this.#ports = ports;
    this.#stopListening = ports.view.onChange(() => this.#look());
    this.#look();
  }

  get serving(): number {
    let count = 0;
    for (const state of this.#slots.values()) if (state.kind === 'serving') count++;
    return count;
  }

  /** What should be served here and is not, and why, as far as that is known. */
  unserved(): { readonly slot: Slot; readonly forMs: number; readonly reason: string }[] {
    const now = this.#ports.clock.monotonic();
    return this.#wanted()
      .filter(([slot]) => !this.serves(slot))
      .map(([slot]) => ({
        slot,
        forMs: Math.round(now - (this.#wantedSince.get(slot) ?? now)),
        reason: this.#failures.get(slot) ?? this.#slots.get(slot)?.kind ?? 'waiting',
      }));
  }

  /** Whether that slot is served here. */
  serves(slot: Slot): boolean {
    return this.#slots.get(slot)?.kind === 'serving';
  }

  /** Whether everything that the view gives this node is served. */
  get settled(): boolean {
    return this.#wanted().every(([slot, epoch]) => {
      const state = this.#slots.get(slot);
      return state?.kind === 'serving' && state.epoch === epoch;
    });
  }

  /** The log says that a higher epoch has the slot: it is taken again if the view, once read anew, still gives it to us. */
  lost(slot: Slot): void {
    if (this.#slots.get(slot)?.kind !== 'serving') return;
    this.#slots.set(slot, { kind: 'resting' });
    this.#retryLater();
  }

  /** Stops serving a slot that was prepared for it and that the view still gives to us, until {@link keep} or a view that does not. Never rejects. */
  async give(slot: Slot): Promise<void> {
    this.#given.add(slot);
    if (this.#slots.get(slot)?.kind !== 'serving') return;
    this.#slots.set(slot, { kind: 'releasing' });
    await this.#ports.server.release(slot, true);
    this.#slots.delete(slot);
    this.#look();
  }

  /** Serves it again after all, if it still is ours. */
  keep(slot: Slot): void {
    if (this.#given.delete(slot)) this.#look();
  }

  /** Forgets every slot at once: whoever ends the server that way has given them up. */
  abandon(): void {
    this.#closed = true;
    this.#stopListening();
    this.#retry?.();
    this.#slots.clear();
  }

  /** Gives up every slot. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopListening();
    this.#retry?.();
    await Promise.all(
      [...this.#slots]
        .filter(([, state]) => state.kind === 'serving')
        .map(([slot]) => this.#ports.server.release(slot)),
    );
  }

  /** What the view gives to this incarnation: nothing at all once another one bears the name. */
  #wanted(): [Slot, number][] {
    const { view } = this.#ports.view;
    const me = nodeOf(view, this.#node);
    if (!isServing(me) || me.incarnation !== this.#incarnation) return [];
    const wanted: [Slot, number][] = [];
    for (let slot = 0; slot < slotCount; slot++)
      if (view.owners[slot] === this.#node && !this.#given.has(slot as Slot))
        wanted.push([slot as Slot, view.epochs[slot] ?? 0]);
    return wanted;
  }

  #look(): void {
    if (this.#closed) return;
    const { owners } = this.#ports.view.view;
    for (const slot of this.#given) if (owners[slot] !== this.#node) this.#given.delete(slot);
    const wanted = new Map(this.#wanted());
    for (const [slot, state] of this.#slots) {
      if (state.kind === 'serving' && wanted.get(slot) !== state.epoch) this.#release(slot);
    }
    const now = this.#ports.clock.monotonic();
    for (const slot of this.#wantedSince.keys()) if (!wanted.has(slot)) this.#wantedSince.delete(slot);
    for (const [slot, epoch] of wanted) {
      if (this.#slots.has(slot)) continue;
      if (!this.#wantedSince.has(slot)) this.#wantedSince.set(slot, now);
      if (this.#inFlight < takesInFlightMax) this.#take(slot, epoch);
    }
  }

  #take(slot: Slot, epoch: number): void {
    this.#slots.set(slot, { kind: 'taking', epoch });
    this.#inFlight++;
    this.#ports.server.take(slot, epoch).then(
      () => {
        this.#inFlight--;
        if (this.#closed && !this.#slots.has(slot)) return;
        this.#slots.set(slot, { kind: 'serving', epoch });
        if (this.#closed) return void this.#ports.server.release(slot);
        const since = this.#wantedSince.get(slot);
        this.#wantedSince.delete(slot);
        this.#failures.delete(slot);
        if (since !== undefined) this.#ports.taken?.(slot, epoch, this.#ports.clock.monotonic() - since);
        this.#look();
      },
      (error: unknown) => {
        this.#inFlight--;
        this.#slots.set(slot, { kind: 'resting' });
        this.#failures.set(slot, error instanceof Error ? error.message : String(error));
        this.#ports.failed?.(slot, error);
        this.#retryLater();
      },
    );
  }

  #release(slot: Slot): void {
    this.#slots.set(slot, { kind: 'releasing' });
    void this.#ports.server.release(slot).then(() => {
      this.#slots.delete(slot);
      this.#look();
    });
  }

  #retryLater(): void {
    this.#retry ??= this.#ports.timers.after(retryMs, () => {
      this.#retry = undefined;
      for (const [slot, state] of this.#slots) if (state.kind === 'resting') this.#slots.delete(slot);
      this.#look();
    });
  }
}
