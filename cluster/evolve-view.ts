/** The fold of the cluster's stream: one event, the next view. Pure (I3); what operations are made of is evolve-operation.ts. */
import type {
  ClusterEvent,
  ClusterFormed,
  NodeJoined,
  NodeRemoved,
  SlotRange,
} from '../proto/generated/node/v1/cluster.ts';
import * as operations from './evolve-operation.ts';
import { isServing, type MemberNode, nodeOf, type View } from './view.ts';

/** Removals that a view remembers of a node. */
const removalsKept = 8;
const suspicionsKept = 16;

/** An event of a newer release that this one does not know is an error, not a guess. */
export function evolveView(view: View, event: ClusterEvent): View {
  if (event.version !== view.number + 1)
    throw new Error(`view ${view.number} cannot be followed by event ${event.version}`);
  const next = { ...view, number: event.version };
  const at = event.occurredAt;
  const said = { at, by: event.by, reason: event.reason };
  const outcome = event.outcome;
  switch (outcome?.$case) {
    case 'formed':
      return formed(next, outcome.value, at);
    case 'joined':
      return joined(next, outcome.value, at);
    case 'left': {
      const { id, operation, after } = outcome.value;
      // Without a drain its slots stay its own: whoever stops a node to start it again moves nothing.
      const left = withNode(stopMoves(next, id), id, (node) => ({
        ...node,
        state: 'left',
        since: at,
        suspicions: [],
        after: operation === '' ? undefined : after,
      }));
      return operations.nodeLeft(left, id, operation, at);
    }
    case 'removed':
      return removed(next, outcome.value, at);
    case 'suspected': {
      const { id, incarnation, symptom } = outcome.value;
      return withIncarnation(next, id, incarnation, (node) => ({
        ...node,
        suspicions: [
          ...node.suspicions.filter((other) => other.by !== event.by).slice(1 - suspicionsKept),
          { by: event.by, symptom, at },
        ],
      }));
    }
    case 'cleared': {
      const { id, incarnation } = outcome.value;
      return withIncarnation(next, id, incarnation, (node) => ({
        ...node,
        suspicions: node.suspicions.filter((other) => other.by !== event.by),
      }));
    }
    case 'assigned':
      return operations.assigned(withSlots(next, outcome.value.slots), outcome.value, at);
    case 'frozen':
      return { ...next, frozen: { reason: event.reason, by: event.by, until: outcome.value.until } };
    case 'unfrozen':
      return { ...next, frozen: undefined };
    case 'started':
      return operations.started(next, outcome.value, said);
    case 'moving':
      return operations.moving(next, outcome.value, at);
    case 'cancelled':
      return operations.cancelled(next, outcome.value, at);
    case 'served':
      return operations.served(next, outcome.value, at);
    case 'judged':
      return operations.judged(next, outcome.value);
    case 'turned':
      return operations.turned(next, outcome.value, at);
    case 'ended':
      return operations.operationEnded(next, outcome.value, at);
    default:
      throw new Error(`view ${event.version} holds an event that this release does not know: update this process`);
  }
}

const stranger = (id: string, weight: number, at: number): MemberNode => ({
  id,
  state: 'joining',
  weight,
  incarnation: 0,
  addr: '',
  http: '',
  since: at,
  suspicions: [],
  removals: [],
  after: undefined,
});

function formed(view: View, { cluster, profile, members, slots, lineage }: ClusterFormed, at: number): View {
  const nodes = members.map((member): MemberNode => {
    const known = nodeOf(view, member.id);
    if (known === undefined) return stranger(member.id, member.weight, at);
    return { ...known, weight: member.weight, state: 'joining', since: at, suspicions: [], after: undefined };
  });
  const next = {
    ...view,
    cluster,
    profile,
    nodes,
    lineage: lineage === '' ? view.lineage : lineage,
    moving: new Map(),
  };
  return operations.interrupted(withSlots(next, slots), 'the cluster was started again', at);
}

function joined(view: View, { id, addr, weight, http }: NodeJoined, at: number): View {
  const known = nodeOf(view, id);
  const node: MemberNode = {
    ...(known ?? stranger(id, weight, at)),
    state: 'active',
    weight,
    incarnation: view.number,
    addr,
    http,
    since: at,
    suspicions: [],
    after: undefined,
  };
  const nodes =
    known === undefined ? [...view.nodes, node] : view.nodes.map((other) => (other.id === id ? node : other));
  const epochs = view.epochs.map((epoch, slot) => (view.owners[slot] === id ? view.number : epoch));
  const next = stopMoves({ ...view, nodes, epochs }, id);
  return operations.nodeBroke(next, id, `${id} started again`, at);
}

function removed(view: View, { id, incarnation, slots }: NodeRemoved, at: number): View {
  if (nodeOf(view, id)?.incarnation !== incarnation) return view;
  // What it said of others while it was cut off counts no more.
  const unsaid = {
    ...view,
    nodes: view.nodes.map((node) => ({ ...node, suspicions: node.suspicions.filter((one) => one.by !== id) })),
  };
  const without = withNode(stopMoves(unsaid, id), id, (node) => ({
    ...node,
    state: 'dead',
    since: at,
    suspicions: [],
    removals: [...node.removals, at].slice(-removalsKept),
    after: undefined,
  }));
  return operations.nodeBroke(withSlots(without, slots), id, `${id} was removed by the others`, at);
}

/** Nothing is handed over by that node, nor to it, any more. */
function stopMoves(view: View, id: string): View {
  const stopped = [...view.moving].filter(([slot, { to }]) => to === id || view.owners[slot] === id);
  if (stopped.length === 0) return view;
  const moving = new Map(view.moving);
  for (const [slot] of stopped) moving.delete(slot);
  return operations.backToWaiting(
    { ...view, moving },
    stopped.map(([slot]) => slot),
  );
}

const withNode = (view: View, id: string, change: (node: MemberNode) => MemberNode): View => ({
  ...view,
  nodes: view.nodes.map((node) => (node.id === id ? change(node) : node)),
});

/** Of another incarnation, or of one that is gone, nothing is believed any more. */
const withIncarnation = (view: View, id: string, incarnation: number, change: (node: MemberNode) => MemberNode): View =>
  withNode(view, id, (node) => (node.incarnation === incarnation && isServing(node) ? change(node) : node));

/** The slots named get their owner, and those whose owner changes the view's number as epoch. */
function withSlots(view: View, ranges: readonly SlotRange[]): View {
  const owners = [...view.owners];
  const epochs = [...view.epochs];
  const moving = new Map(view.moving);
  for (const { node, slots } of ranges) {
    for (const slot of slots) {
      if (owners[slot] === node) continue;
      owners[slot] = node;
      epochs[slot] = view.number;
      moving.delete(slot);
    }
  }
  return { ...view, owners, epochs, moving };
}
