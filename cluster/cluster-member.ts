/**
 * One incarnation of a node as a member of the cluster: it serves the slots that the view gives it, hands over those that move,
 * watches its neighbours, and coordinates when that falls to it.
 *
 * Owns: these parts, from joining until it closes, or is abandoned because the view says that it is no member any more. Does not
 * own: what serving a slot means, nor the process around it.
 */
import type { Duplex } from 'node:stream';
import type { Slot } from '../proto/ids.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Timers } from '../runtime/kernel/timer.ts';
import { Accuser } from './accuser.ts';
import { Arrivals, type SlotHealth } from './arrival.ts';
import { Coordinator } from './coordinator.ts';
import { Handoff } from './handoff.ts';
import { NeighbourWatch } from './neighbour-watch.ts';
import { SlotKeeper, type SlotServer } from './slot-keeper.ts';
import { StandIn } from './stand-in.ts';
import { isServing, nodeOf } from './view.ts';
import type { ViewLog } from './view-log.ts';

export interface MemberServer extends SlotServer {
  /** Writes what would make giving the slot up take long; it is served meanwhile. */
  prepare(slot: Slot): Promise<void>;
  health(slot: Slot): SlotHealth;
}

export interface ClusterMemberPorts {
  readonly viewLog: ViewLog;
  readonly server: MemberServer;
  readonly clock: Clock;
  readonly timers: Timers;
  /** To another node's link address. */
  readonly connect: (addr: string) => Duplex;
  /** How long this process has not heard from its log. */
  readonly logSilentMs: () => number;
  /** Another process knows a newer view. */
  readonly newerView: () => void;
  /** A slot is served, so long after nobody did: `reason` is start, failover, or an operation's kind. */
  readonly moved?: (slot: Slot, stallMs: number, reason: string) => void;
  /** It serves a slot of a dead node that cannot be removed at present. */
  readonly stoodIn?: (slot: Slot, isFor: string) => void;
  readonly accused?: (id: string, what: string) => void;
  /** A slot could not be taken, or handed over; it is tried again. */
  readonly failed?: (what: 'take' | 'handoff' | 'operation', slot: Slot | undefined, error: unknown) => void;
  /** The view has another word for this incarnation than that it serves. Called once. */
  readonly over: () => void;
}

export class ClusterMember {
  readonly keeper: SlotKeeper;
  readonly #handoff: Handoff;
  readonly #arrivals: Arrivals;
  readonly #watch: NeighbourWatch;
  readonly #coordinator: Coordinator;
  readonly #standIn: StandIn;
  readonly #stopListening: () => void;
  #isOver = false;

  constructor(
    readonly id: string,
    readonly incarnation: number,
    ports: ClusterMemberPorts,
  ) {
    const { viewLog, server, clock, timers, failed } = ports;
    this.#arrivals = new Arrivals(id, incarnation, {
      viewLog,
      clock,
      timers,
      health: (slot) => server.health(slot),
      ...(ports.moved === undefined ? {} : { measured: ports.moved }),
    });
    this.keeper = new SlotKeeper(id, incarnation, {
      view: viewLog,
      server,
      clock,
      timers,
      taken: (slot, epoch, stallMs) => this.#arrivals.served(slot, epoch, stallMs),
      failed: (slot, error) => failed?.('take', slot, error),
    });
    this.#handoff = new Handoff(id, {
      viewLog,
      keeper: this.keeper,
      prepare: (slot) => server.prepare(slot),
      clock,
      timers,
      failed: (slot, error) => failed?.('handoff', slot, error),
    });
    const accuser = new Accuser(id, {
      viewLog,
      clock,
      ...(ports.accused === undefined ? {} : { said: ports.accused }),
    });
    this.#watch = new NeighbourWatch(id, {
      view: viewLog,
      accuser,
      clock,
      timers,
      connect: ports.connect,
      logSilentMs: ports.logSilentMs,
      newerView: ports.newerView,
    });
    this.#coordinator = new Coordinator(id, {
      viewLog,
      clock,
      timers,
      failed: (error) => failed?.('operation', undefined, error),
    });
    this.#standIn = new StandIn(id, {
      view: viewLog,
      server,
      clock,
      timers,
      connect: ports.connect,
      ...(ports.stoodIn === undefined ? {} : { stoodIn: ports.stoodIn }),
    });
    const look = () => {
      const me = nodeOf(viewLog.view, id);
      if (this.#isOver || (isServing(me) && me.incarnation === incarnation)) return;
      this.#isOver = true;
      ports.over();
    };
    this.#stopListening = viewLog.onChange(look);
    timers.soon(look);
  }

  /** Something came for a slot that is not served here. */
  asked(slot: Slot): void {
    this.#standIn.asked(slot);
  }
  /** Slots that it serves for dead nodes which cannot be removed at present. */
  get standsInFor(): readonly Slot[] {
    return this.#standIn.slots;
  }

  /** Stops watching and coordinating, and gives up every slot in good order. */
  async close(): Promise<void> {
    this.#quiet();
    await this.keeper.close();
  }

  /** Stops everything at once: the slots are others' by now. */
  abandon(): void {
    this.#quiet();
    this.keeper.abandon();
  }

  #quiet(): void {
    this.#isOver = true;
    this.#stopListening();
    this.#watch.close();
    this.#coordinator.close();
    this.#standIn.close();
    this.#handoff.close();
    this.#arrivals.close();
  }
}
