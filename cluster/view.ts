import type { ClusterEvent, SlotRange } from '../proto/generated/node/v1/cluster.ts';
import { slotCount } from '../proto/ids.ts';
import type { Owners } from './assignment.ts';

/** Of the cluster's one stream: its version is the view's number. */
export const clusterStream = { kind: 'cluster', id: 0 } as const;

export type NodeState = 'joining' | 'active' | 'left';

export interface MemberNode {
  readonly id: string;
  /** joining: a member that has not run yet. A killed node stays active until somebody else says otherwise. */
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
}

export const emptyView: View = {
  number: 0,
  cluster: '',
  profile: '',
  lineage: '',
  nodes: [],
  owners: Array.from({ length: slotCount }, () => undefined),
  epochs: Array.from({ length: slotCount }, () => 0),
};

export const nodeOf = (view: View, id: string): MemberNode | undefined => view.nodes.find((node) => node.id === id);
export const slotsOf = (view: View, id: string): number[] =>
  view.owners.flatMap((owner, slot) => (owner === id ? [slot] : []));

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

/** Pure (I3): the next view. An event of a newer release that this one does not know is an error, not a guess. */
export function evolveView(view: View, event: ClusterEvent): View {
  if (event.version !== view.number + 1)
    throw new Error(`view ${view.number} cannot be followed by event ${event.version}`);
  const next = { ...view, number: event.version };
  const outcome = event.outcome;
  switch (outcome?.$case) {
    case 'formed': {
      const { cluster, profile, members, slots, lineage } = outcome.value;
      const nodes = members.map((member): MemberNode => {
        const known = nodeOf(view, member.id);
        return known === undefined
          ? {
              id: member.id,
              state: 'joining',
              weight: member.weight,
              incarnation: 0,
              addr: '',
              http: '',
              since: event.occurredAt,
            }
          : { ...known, weight: member.weight };
      });
      return withSlots({ ...next, cluster, profile, nodes, lineage: lineage === '' ? view.lineage : lineage }, slots);
    }
    case 'joined': {
      const { id, addr, weight, http } = outcome.value;
      const node: MemberNode = {
        id,
        state: 'active',
        weight,
        incarnation: event.version,
        addr,
        http,
        since: event.occurredAt,
      };
      const nodes =
        nodeOf(view, id) === undefined
          ? [...view.nodes, node]
          : view.nodes.map((other) => (other.id === id ? node : other));
      const epochs = view.epochs.map((epoch, slot) => (view.owners[slot] === id ? event.version : epoch));
      return { ...next, nodes, epochs };
    }
    case 'left': {
      const { id } = outcome.value;
      // Its slots stay its own: whoever stops a node to start it again moves nothing.
      return {
        ...next,
        nodes: view.nodes.map((node) => (node.id === id ? { ...node, state: 'left', since: event.occurredAt } : node)),
      };
    }
    case 'assigned':
      return withSlots(next, outcome.value.slots);
    default:
      throw new Error(`view ${event.version} holds an event that this release does not know: update this process`);
  }
}

/** The slots named get their owner, and those whose owner changes the view's number as epoch. */
function withSlots(view: View, ranges: readonly SlotRange[]): View {
  const owners = [...view.owners];
  const epochs = [...view.epochs];
  for (const { node, slots } of ranges) {
    for (const slot of slots) {
      if (owners[slot] === node) continue;
      owners[slot] = node;
      epochs[slot] = view.number;
    }
  }
  return { ...view, owners, epochs };
}
