/**
 * Who is taken for dead, and by whom: decisions on a view, pure. One accuser makes a suspect; two that are independent
 * remove it, in one event with the new owners of its slots, and of no others (design: smallest change). Nothing here is
 * needed for safety (I2): a node that was removed in error finds itself fenced and comes back.
 */
import type { Symptom } from '../proto/generated/node/v1/cluster.ts';
import { assign } from './assignment.ts';
import { accuseAgainMs } from './limits.ts';
import { placesOf, suspicionsAt } from './members.ts';
import { isServing, nodeOf, slotRanges, type View } from './view.ts';
import type { ViewDecision } from './view-log.ts';

export interface Accusation {
  readonly id: string;
  readonly incarnation: number;
  readonly symptom: Symptom;
}

const accusersNeededMax = 2;

/** Says that `by` finds that node dead; removes it if enough others said so lately. */
export const accuse =
  ({ id, incarnation, symptom }: Accusation, by: string): ViewDecision =>
  (view, now) => {
    const node = nodeOf(view, id);
    if (!isServing(node) || node.incarnation !== incarnation || by === id) return undefined;
    const said = suspicionsAt(node, now);
    const accusers = [...new Set([...said.map((one) => one.by), by])].sort();
    if (accusers.length >= accusersNeeded(view, id) && isReplaceable(view, id)) {
      const slots = slotRanges(ownersWithout(view, id, now));
      return { $case: 'removed', value: { id, incarnation, symptom, accusers, slots } };
    }
    if (said.some((one) => one.by === by && one.at > now - accuseAgainMs)) return undefined;
    return { $case: 'suspected', value: { id, incarnation, symptom } };
  };

/** Says that `by` hears from that node again. */
export const clear =
  (id: string, incarnation: number, by: string): ViewDecision =>
  (view) => {
    const node = nodeOf(view, id);
    if (!isServing(node) || node.incarnation !== incarnation) return undefined;
    return node.suspicions.some((one) => one.by === by) ? { $case: 'cleared', value: { id, incarnation } } : undefined;
  };

/** Where only one other node is left, there are no two that could agree. */
const accusersNeeded = (view: View, id: string): number =>
  Math.min(accusersNeededMax, view.nodes.filter((node) => node.id !== id && isServing(node)).length);

/** The last one stays, dead or not: its slots would have nowhere to go. */
const isReplaceable = (view: View, id: string): boolean =>
  view.nodes.some((node) => node.id !== id && node.state === 'active' && node.weight > 0);

/** New owners of that node's slots, and of nothing else. A slot that it was handing over goes where it was going. */
export function ownersWithout(view: View, id: string, now: number): (string | undefined)[] {
  const places = placesOf(view, now, [id]);
  const open = new Set(places.filter((place) => place.receives && place.weight > 0).map((place) => place.id));
  const wanted = view.owners.map((owner, slot) => {
    if (owner !== id) return owner;
    const to = view.moving.get(slot)?.to;
    return to !== undefined && open.has(to) ? to : undefined;
  });
  return assign(wanted, places).map((owner, slot) => (view.owners[slot] === id ? owner : undefined));
}
