import HashRing from 'hashring';
import { slotCount } from '../proto/ids.ts';

export interface RingMember {
  readonly id: string;
  /** 0-100, relative; 0 = takes no slot. */
  readonly weight: number;
}

/**
 * Each slot's order of preference among the members: a pure function of ids and weights, the same on every machine.
 * Members too light to have a point on the ring come last, members of weight 0 not at all.
 */
export function preferences(members: readonly RingMember[]): readonly (readonly string[])[] {
  const eligible = members.filter((member) => member.weight > 0).sort((a, b) => (a.id < b.id ? -1 : 1));
  if (eligible.length === 0) return Array.from({ length: slotCount }, () => []);
  // The ring reads a colon in a name as a port and keeps names as object keys, so the names it sees are hex.
  const idOf = new Map(eligible.map((member) => [Buffer.from(member.id).toString('hex'), member.id]));
  const servers = Object.fromEntries(
    eligible.map((member) => [`x${Buffer.from(member.id).toString('hex')}`, { weight: member.weight }]),
  );
  const ring = new HashRing(servers, 'md5', { 'max cache size': 1 });
  return Array.from({ length: slotCount }, (_, slot) => {
    const order = ring.range(`slot-${slot}`, eligible.length).map((name) => idOf.get(name.slice(1)) as string);
    for (const member of eligible) if (!order.includes(member.id)) order.push(member.id);
    return order;
  });
}
