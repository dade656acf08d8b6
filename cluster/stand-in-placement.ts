/**
 * Where slots are served, as gateways ask it, when a dead owner cannot be removed because the view's log is away: at the next
 * node in the slot's order of preference that can be reached. In all other times it is the view's placement, and costs nothing.
 */
import { unsaidMsMax } from './limits.ts';
import type { ViewPlacement, ViewSource } from './placement.ts';
import { preferences } from './ring.ts';
import { isServing, type MemberNode } from './view.ts';

export interface StandInPlacementPorts {
  readonly view: ViewSource;
  readonly placement: ViewPlacement;
  /** For how long it could not be said that this node is dead. */
  readonly unsaidMs: (id: string, incarnation: number) => number;
}

export class StandInPlacement {
  readonly #ports: StandInPlacementPorts;
  readonly #listeners = new Set<() => void>();
  /** Nodes that are dead as far as this gateway can tell, and cannot be removed. */
  #gone: ReadonlySet<string> = new Set();

  constructor(ports: StandInPlacementPorts) {
    this.#ports = ports;
  }

  get view(): number {
    return this.#ports.placement.view;
  }

  ownerOf(slot: number): MemberNode | undefined {
    const owner = this.#ports.placement.ownerOf(slot);
    if (this.#gone.size === 0 || owner === undefined || !this.#gone.has(keyOf(owner))) return owner;
    const nodes = this.#ports.view.view.nodes.filter((node) => isServing(node) && !this.#gone.has(keyOf(node)));
    const [next] = preferences(nodes)[slot] ?? [];
    return nodes.find((node) => node.id === next) ?? owner;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    const stop = this.#ports.placement.onChange(listener);
    return () => {
      this.#listeners.delete(listener);
      stop();
    };
  }

  /** Looks again who is gone; called now and then, and after each look at the links. */
  look(): void {
    const { view, unsaidMs } = this.#ports;
    const gone = view.view.nodes.filter(
      (node) => isServing(node) && unsaidMs(node.id, node.incarnation) >= unsaidMsMax,
    );
    const keys = gone.map(keyOf);
    if (keys.length === this.#gone.size && keys.every((key) => this.#gone.has(key))) return;
    this.#gone = new Set(keys);
    for (const listener of this.#listeners) listener();
  }
}

const keyOf = (node: MemberNode): string => `${node.id}@${node.incarnation}`;
