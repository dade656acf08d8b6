/**
 * A gateway's judgement of the nodes, from its links alone: one that refuses connections is gone; one that keeps commands of
 * several hunts and answers none, while others answer theirs, cannot commit, whatever it says to probes (health is progress).
 *
 * Owns: since when each link has answered without a pause. Does not own: the links (the router does), nor who is removed.
 */
import { Symptom } from '../proto/generated/node/v1/cluster.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Cancel, Timers } from '../runtime/kernel/timer.ts';
import type { Accuser } from './accuser.ts';
import { joinGraceMs, stuckMsMax } from './limits.ts';
import type { ViewSource } from './placement.ts';
import { isServing, nodeOf } from './view.ts';

const lookMs = 500;
/** A link that answers, and has something to, does so at least this often. */
const pauseMsMax = 1_000;
/** Of one hunt alone the fault may be the hunt's. */
const slotsStuckMin = 2;

/** What the router can tell of a link. */
export interface LinkHealth {
  readonly id: string;
  readonly incarnation: number;
  /** Nobody listens at the node's address. */
  readonly refused: boolean;
  /** Something waits for an answer on it, and for so long nothing was answered; 0: nothing waits. */
  readonly stalledMs: number;
  /** How many slots have something waiting, counted up to a few. */
  readonly slotsWaiting: number;
  /** How long ago the last answer came. */
  readonly answeredMs: number;
}

export interface LinkWatchPorts {
  readonly view: ViewSource;
  readonly accuser: Accuser;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly links: () => readonly LinkHealth[];
  /** Called after each look. */
  readonly looked?: () => void;
}

export class LinkWatch {
  /** Since when each link has answered without a pause: who was cut off from the log with all others may come back last. */
  readonly #steadySince = new Map<string, number>();
  readonly #cancel: Cancel;

  constructor(private readonly ports: LinkWatchPorts) {
    this.#cancel = ports.timers.every(lookMs, () => this.look());
  }

  /** Judges all links as they are now. */
  look(): void {
    const { view, accuser, links, clock } = this.ports;
    const all = links();
    const now = clock.monotonic();
    for (const { id, refused, answeredMs } of all) {
      if (refused || answeredMs > pauseMsMax) this.#steadySince.delete(id);
      else if (!this.#steadySince.has(id)) this.#steadySince.set(id, now);
    }
    const steadyMs = ({ id }: LinkHealth) => now - (this.#steadySince.get(id) ?? now);
    for (const link of all) {
      const node = nodeOf(view.view, link.id);
      if (!isServing(node) || node.incarnation !== link.incarnation) continue;
      // One that has just joined may not listen yet.
      if (link.refused && clock.now() - node.since < joinGraceMs) continue;
      accuser.judge(node, symptomOf(link, all, steadyMs));
    }
    this.ports.looked?.();
  }

  close(): void {
    this.#cancel();
  }
}

export function symptomOf(
  link: LinkHealth,
  all: readonly LinkHealth[],
  steadyMs: (link: LinkHealth) => number,
): Symptom | undefined {
  if (link.refused) return Symptom.REFUSED;
  if (link.stalledMs < stuckMsMax || link.slotsWaiting < slotsStuckMin) return undefined;
  return all.some((other) => other !== link && steadyMs(other) >= stuckMsMax) ? Symptom.STUCK : undefined;
}
