import type { After, SlotRange, Symptom } from '../proto/generated/node/v1/cluster.ts';
import { slotCount } from '../proto/ids.ts';
import type { Owners } from './assignment.ts';
import type { Operation } from './operation.ts';

/** Of the cluster's one stream: its version is the view's number. */
export const clusterStream = { kind: 'cluster', id: 0 } as const;

/**
 * joining: a member that does not run yet. active: it serves its slots; a killed node stays active until somebody else says
 * otherwise. draining: it serves, and hands its slots over. left: it ended cleanly. dead: it was removed by the others.
 */
export type NodeState = 'joining' | 'active' | 'draining' | 'left' | 'dead';

export interface Suspicion {
  /** A node or a gateway. */
  readonly by: string;
  readonly symptom: Symptom;
  readonly at: number;
}

export interface MemberNode {
  readonly id: string;
  readonly state: NodeState;
  readonly weight: number;
  /** The number of the view in which it joined; 0 = never. */
  readonly incarnation: number;
  /** Where gateways reach it; empty before it joined. */
  readonly addr: string;
  /** Where it answers probes and metrics; empty: nowhere. */
  readonly http: string;
  /** When its state last changed, ms since 1970. */
  readonly since: number;
  /** Of the present incarnation, one an accuser. Old ones count no more (suspicion.ts). */
  readonly suspicions: readonly Suspicion[];
  /** When it was removed, the last few times: a node that flaps is trusted less. */
  readonly removals: readonly number[];
  /** What its process does once it has left after a drain. */
  readonly after: After | undefined;
}

export interface Pin {
  readonly node: string;
  readonly reason: string;
  readonly by: string;
  /** ms since 1970; 0: for good. */
  readonly until: number;
}

export interface Freeze {
  readonly reason: string;
  readonly by: string;
  readonly until: number;
}

/** A slot whose owner prepares to hand it over. */
export interface Moving {
  readonly to: string;
  readonly operation: string;
  /** When this was said. */
  readonly since: number;
}

/** Who is a member and who owns which slot, immutable and numbered. Never trusted for safety: that is the log's (I2). */
export interface View {
  readonly number: number;
  readonly cluster: string;
  readonly profile: string;
  /** Drawn once when the cluster was formed: a client that holds versions of another lineage must start anew. */
  readonly lineage: string;
  readonly nodes: readonly MemberNode[];
  readonly owners: Owners;
  /** Per slot the number of the view that gave it to its present owner; 0 = nobody ever owned it. */
  readonly epochs: readonly number[];
  /** By slot; expired ones are still here (ask {@link pinsAt}). */
  readonly pins: ReadonlyMap<number, Pin>;
  /** The last one said; it may have expired (ask {@link frozenAt}). */
  readonly frozen: Freeze | undefined;
  readonly moving: ReadonlyMap<number, Moving>;
  /** The latest ones, oldest first; those under way are always among them. */
  readonly operations: readonly Operation[];
}

export const emptyView: View = {
  number: 0,
  cluster: '',
  profile: '',
  lineage: '',
  nodes: [],
  owners: Array.from({ length: slotCount }, () => undefined),
  epochs: Array.from({ length: slotCount }, () => 0),
  pins: new Map(),
  frozen: undefined,
  moving: new Map(),
  operations: [],
};

export const nodeOf = (view: View, id: string): MemberNode | undefined => view.nodes.find((node) => node.id === id);
export const slotsOf = (view: View, id: string): number[] =>
  view.owners.flatMap((owner, slot) => (owner === id ? [slot] : []));
/** Whether it should serve what it owns. */
export const isServing = (node: MemberNode | undefined): node is MemberNode =>
  node !== undefined && (node.state === 'active' || node.state === 'draining');
export const frozenAt = (view: View, now: number): Freeze | undefined =>
  view.frozen !== undefined && view.frozen.until > now ? view.frozen : undefined;
export const pinsAt = (view: View, now: number): ReadonlyMap<number, string> =>
  new Map(
    [...view.pins].filter(([, pin]) => pin.until === 0 || pin.until > now).map(([slot, pin]) => [slot, pin.node]),
  );

/** Which slots each node owns, in the form that events carry. */
export function slotRanges(owners: Owners): SlotRange[] {
  const ranges = new Map<string, number[]>();
  owners.forEach((owner, slot) => {
    if (owner === undefined) return;
    const slots = ranges.get(owner);
    if (slots === undefined) ranges.set(owner, [slot]);
    else slots.push(slot);
  });
  return [...ranges].map(([node, slots]) => ({ node, slots }));
}
