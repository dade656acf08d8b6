/** Who counts when slots are placed, and who may receive any. Pure readings of a view. */
import type { PlaceMember } from './assignment.ts';
import { suspicionWindowMs } from './limits.ts';
import { isServing, type MemberNode, type View } from './view.ts';

/** What others have said of it lately. */
export const suspicionsAt = (node: MemberNode, now: number): MemberNode['suspicions'] =>
  node.suspicions.filter((suspicion) => suspicion.at > now - suspicionWindowMs);
export const isSuspect = (node: MemberNode, now: number): boolean => suspicionsAt(node, now).length > 0;

/**
 * Every node of the view, but those named, as places for slots. One that leaves, has left or died counts for nothing and
 * keeps nothing when slots are levelled; one that has not come yet counts if slots wait for it.
 */
export function placesOf(view: View, now: number, without: readonly string[] = []): PlaceMember[] {
  const owns = new Set(view.owners);
  const places = view.nodes
    .filter((node) => !without.includes(node.id))
    .map((node) => {
      const counts = node.state === 'active' || (node.state === 'joining' && owns.has(node.id));
      const weight = counts ? node.weight : 0;
      return { id: node.id, weight, receives: node.state === 'active' && !isSuspect(node, now), node };
    });
  // Where everybody is suspected, the suspicions say nothing about who is better.
  const nobody = !places.some((place) => place.receives && place.weight > 0);
  return places.map(({ id, weight, receives, node }) => ({
    id,
    weight,
    receives: receives || (nobody && node.state === 'active'),
  }));
}

/** Whether there is anybody among them for a slot that has no owner. */
export const hasRoom = (places: readonly PlaceMember[]): boolean =>
  places.some((place) => place.receives !== false && place.weight > 0);

/** The one that carries operations on: any would do, for every step is a conditional append; one is enough. */
export function coordinatorOf(view: View, now: number): string | undefined {
  const serving = view.nodes.filter((node) => isServing(node));
  const steady = serving.filter((node) => node.state === 'active' && !isSuspect(node, now));
  return [...(steady.length > 0 ? steady : serving)].sort((a, b) => (a.id < b.id ? -1 : 1))[0]?.id;
}
