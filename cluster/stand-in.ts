/**
 * The node's part when a node is dead and no view change is possible: whoever is asked for a slot of the dead one serves it
 * under the view's epoch, until the view can be changed again (design: the last view stands; I10).
 *
 * Owns: the slots that it stands in for, and an eye on their owners. Does not own: who asks. Keeps: I2 makes it safe, for the
 * log alone decides between two that serve one slot; here only the needless is avoided: an owner that this node can reach keeps
 * its slots. It is of use where hunts and view lie in different logs (profile kafka); where they are one, nothing can be taken.
 */
import type { Duplex } from 'node:stream';
import type { Slot } from '../proto/ids.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Cancel, Timers } from '../runtime/kernel/timer.ts';
import { probeIntervalMs, unsaidMsMax } from './limits.ts';
import type { ViewSource } from './placement.ts';
import { Probe } from './probe.ts';
import type { SlotServer } from './slot-keeper.ts';
import { isServing, type MemberNode, nodeOf } from './view.ts';

/** An owner that nobody asks for any more is not watched any more. */
const forgetMs = 10_000;

export interface StandInPorts {
  readonly view: ViewSource & {
    /** Reads the view's log; what it rejects with, or that it does not come back, tells that the log is away. */
    catchUp(): Promise<void>;
  };
  readonly server: SlotServer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly connect: (addr: string) => Duplex;
  readonly stoodIn?: (slot: Slot, isFor: string) => void;
}

interface Watched {
  readonly probe: Probe;
  readonly asked: Set<Slot>;
  askedAt: number;
  /** Since when it is dead and the view's log does not answer either. */
  lostAt: number | undefined;
  isReading: boolean;
}

export class StandIn {
  /** By owner and incarnation. */
  readonly #watched = new Map<string, Watched>();
  /** What is served here although the view gives it to another, and to whom. */
  readonly #serving = new Map<Slot, string>();
  readonly #taking = new Set<Slot>();
  #cancelTick: Cancel | undefined;
  readonly #stopListening: () => void;
  #closed = false;

  constructor(
    readonly me: string,
    private readonly ports: StandInPorts,
  ) {
    this.#stopListening = ports.view.onChange(() => this.#giveBack());
  }

  get slots(): readonly Slot[] {
    return [...this.#serving.keys()];
  }

  /** A command came for a slot that this node does not serve. */
  asked(slot: Slot): void {
    const owner = this.#ownerOf(slot);
    if (owner === undefined || owner.id === this.me || this.#closed) return;
    const { clock, timers } = this.ports;
    let watched = this.#watched.get(keyOf(owner));
    if (watched === undefined) {
      watched = { probe: this.#probe(owner), asked: new Set(), askedAt: 0, lostAt: undefined, isReading: false };
      this.#watched.set(keyOf(owner), watched);
    }
    watched.asked.add(slot);
    watched.askedAt = clock.monotonic();
    this.#cancelTick ??= timers.every(probeIntervalMs, () => this.#tick());
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#cancelTick?.();
    for (const { probe } of this.#watched.values()) probe.end();
    this.#watched.clear();
  }

  #probe({ id, incarnation, addr }: MemberNode): Probe {
    const { clock, connect, view } = this.ports;
    return new Probe(
      { id, incarnation, addr },
      {
        clock,
        connect,
        name: this.me,
        view: () => view.view.number,
        newerView: () => undefined,
        noticed: () => undefined,
      },
    );
  }

  #tick(): void {
    const { clock, view } = this.ports;
    const now = clock.monotonic();
    for (const [key, watched] of this.#watched) {
      const owner = nodeOf(view.view, watched.probe.target.id);
      const isSame = owner !== undefined && keyOf(owner) === key && isServing(owner);
      const isNeeded = now - watched.askedAt < forgetMs || [...this.#serving.values()].includes(key);
      if (!isSame || !isNeeded) {
        watched.probe.end();
        this.#watched.delete(key);
        continue;
      }
      watched.probe.tick();
      if (watched.probe.symptom(0) === undefined) watched.lostAt = undefined;
      else this.#read(watched);
      if (watched.lostAt !== undefined && now - watched.lostAt >= unsaidMsMax)
        for (const slot of watched.asked) this.#take(slot, key);
    }
    this.#giveBack();
    if (this.#watched.size > 0 || this.#serving.size > 0) return;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  /** Whether the others can remove it: while the view's log answers, they do. */
  #read(watched: Watched): void {
    watched.lostAt ??= this.ports.clock.monotonic();
    if (watched.isReading) return;
    watched.isReading = true;
    this.ports.view.catchUp().then(
      () => {
        watched.isReading = false;
        watched.lostAt = undefined;
        this.#giveBack();
      },
      () => {
        watched.isReading = false;
      },
    );
  }

  #take(slot: Slot, key: string): void {
    if (this.#serving.has(slot) || this.#taking.has(slot)) return;
    const { view, server, stoodIn } = this.ports;
    this.#taking.add(slot);
    server.take(slot, view.view.epochs[slot] ?? 0).then(
      () => {
        this.#taking.delete(slot);
        this.#serving.set(slot, key);
        stoodIn?.(slot, key);
        this.#giveBack();
      },
      // The log of the hunts is away too, or somebody else stands in: whoever asks again makes us try again.
      () => this.#taking.delete(slot),
    );
  }

  /** Once its owner is another, or lives, or can be removed by the others, the view is right again. */
  #giveBack(): void {
    for (const [slot, key] of this.#serving) {
      const owner = this.#ownerOf(slot);
      const isLost = owner !== undefined && keyOf(owner) === key && this.#watched.get(key)?.lostAt !== undefined;
      if (isLost) continue;
      this.#serving.delete(slot);
      // What the view gives to this node itself is served on, under the view's epoch.
      if (owner?.id !== this.me) void this.ports.server.release(slot);
    }
  }

  #ownerOf(slot: Slot): MemberNode | undefined {
    const { view } = this.ports.view;
    return nodeOf(view, view.owners[slot] ?? '');
  }
}

const keyOf = (node: MemberNode): string => `${node.id}@${node.incarnation}`;
