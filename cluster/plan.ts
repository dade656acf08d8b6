/** What an operator's change would move: a pure function of the view that it is made on. */
import { bounds, loads, type Owners, type PlaceMember } from './assignment.ts';
import { placesOf } from './members.ts';
import { level } from './move-plan.ts';
import { predictStallMs, type SlotCost } from './prediction.ts';
import { isServing, nodeOf, pinsAt, type View } from './view.ts';

export interface ClusterChange {
  readonly weights: Readonly<Record<string, number>>;
  readonly pins: ReadonlyMap<number, string>;
  readonly unpin: readonly number[];
  readonly remove: readonly string[];
  /** Of the pins, and in the audit trail. */
  readonly reason: string;
  /** Of the pins; 0: for good. */
  readonly pinsForS: number;
}

export interface PlannedSlot {
  readonly slot: number;
  readonly from: string;
  readonly to: string;
  readonly reason: 'pin' | 'remove' | 'weight' | 'share';
  readonly bytes: number;
  readonly stallMs: number;
}

export interface Plan {
  readonly view: number;
  readonly moves: readonly PlannedSlot[];
  readonly slotsAfter: Readonly<Record<string, number>>;
  /** The fullest node's load, by its fair share. */
  readonly imbalanceAfter: number;
}

/** A change that cannot be planned or carried out. */
export class ChangeRefused extends Error {
  override readonly name = 'ChangeRefused';
  constructor(
    readonly code: 'INVALID' | 'NOT_FOUND' | 'WRONG_STATE' | 'VIEW_CHANGED',
    message: string,
    readonly path = '',
  ) {
    super(message);
  }
}

export function planChange(
  view: View,
  change: ClusterChange,
  now: number,
  costOf: (slot: number) => SlotCost | undefined,
): Plan {
  judgeChange(view, change);
  const places = placesOf(view, now).map((place): PlaceMember => {
    if (change.remove.includes(place.id)) return { ...place, weight: 0, receives: false };
    // A node that has left counts for nothing whatever its weight will be when it comes back.
    const counts = place.weight > 0 || nodeOf(view, place.id)?.state === 'active';
    return counts ? { ...place, weight: change.weights[place.id] ?? place.weight } : place;
  });
  const pins = new Map(pinsAt(view, now));
  for (const slot of change.unpin) pins.delete(slot);
  for (const [slot, node] of change.pins) pins.set(slot, node);
  const wanted = level(view.owners, places, pins);
  const moves = wanted.flatMap((to, slot): PlannedSlot[] => {
    const from = view.owners[slot] ?? '';
    if (to === undefined || to === from) return [];
    const reason = reasonOf(change, pins, from, to, slot);
    const cost = costOf(slot);
    return [{ slot, from, to, reason, bytes: cost?.bytes ?? 0, stallMs: predictStallMs(view, cost) }];
  });
  return {
    view: view.number,
    moves,
    slotsAfter: slotsAfter(wanted, places),
    imbalanceAfter: imbalance(wanted, places),
  };
}

function reasonOf(
  change: ClusterChange,
  pins: ReadonlyMap<number, string>,
  from: string,
  to: string,
  slot: number,
): PlannedSlot['reason'] {
  if (pins.get(slot) === to) return 'pin';
  if (change.remove.includes(from)) return 'remove';
  return from in change.weights || to in change.weights ? 'weight' : 'share';
}

function slotsAfter(owners: Owners, places: readonly PlaceMember[]): Record<string, number> {
  return Object.fromEntries([...loads(owners, places)].filter(([id, load]) => load > 0 || weightOf(places, id) > 0));
}

const weightOf = (places: readonly PlaceMember[], id: string): number =>
  places.find((place) => place.id === id)?.weight ?? 0;

function imbalance(owners: Owners, places: readonly PlaceMember[]): number {
  const load = loads(owners, places);
  const total = places.reduce((sum, place) => sum + place.weight, 0);
  const fills = places
    .filter((place) => place.weight > 0)
    .map((place) => (load.get(place.id) ?? 0) / ((owners.length * place.weight) / total));
  return Math.round(Math.max(0, ...fills) * 1_000) / 1_000;
}

/** Throws {@link ChangeRefused}. */
function judgeChange(view: View, change: ClusterChange): void {
  const known = (id: string, path: string) => {
    if (nodeOf(view, id) === undefined) throw new ChangeRefused('INVALID', `there is no node ${id}`, path);
  };
  for (const id of Object.keys(change.weights)) known(id, `/weights/${id}`);
  for (const id of change.remove) known(id, '/remove');
  for (const [slot, id] of change.pins) {
    known(id, `/pins/${slot}`);
    const node = nodeOf(view, id);
    if (node?.state !== 'active')
      throw new ChangeRefused('INVALID', `${id} is ${node?.state}: pin to a node that serves`, `/pins/${slot}`);
    if (change.remove.includes(id))
      throw new ChangeRefused('INVALID', `${id} is to be removed: it cannot be pinned to`, `/pins/${slot}`);
    if (change.unpin.includes(slot))
      throw new ChangeRefused('INVALID', `slot ${slot} is to be pinned and unpinned at once`, '/unpin');
  }
  const left = view.nodes.filter(
    (node) =>
      node.state === 'active' && !change.remove.includes(node.id) && (change.weights[node.id] ?? node.weight) > 0,
  );
  if (left.length === 0) {
    const why = view.nodes.some((node) => isServing(node)) ? 'nobody would be left to serve' : 'no node serves';
    throw new ChangeRefused('WRONG_STATE', `${why}: leave at least one node with a weight above 0`);
  }
}

/** For documents: how far every node may be filled. */
export const boundsOf = (view: View, now: number) => bounds(placesOf(view, now));
