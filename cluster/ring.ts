import HashRing from 'hashring';
import { slotCount } from '../proto/ids.ts';

export interface RingMember {
  readonly id: string;
  /** 0-100, relative; 0 = takes no slot. */
  readonly weight: number;
}

type Preferences = readonly (readonly string[])[];

/** A ring of nine costs milliseconds, and a change of the view asks for the same one or two again. */
const ringsKept = 8;
const rings = new Map<string, Preferences>();

/**
 * Each slot's order of preference among the members: a pure function of ids and weights, the same on every machine.
 * Members too light to have a point on the ring come last, members of weight 0 not at all.
 */
export function preferences(members: readonly RingMember[]): Preferences {
  const eligible = members.filter((member) => member.weight > 0).sort((a, b) => (a.id < b.id ? -1 : 1));
  const key = JSON.stringify(eligible.map(({ id, weight }) => [id, weight]));
  const known = rings.get(key);
  if (known !== undefined) return known;
  const made = makeRing(eligible);
  rings.set(key, made);
  for (const oldest of rings.keys()) {
    if (rings.size <= ringsKept) break;
    rings.delete(oldest);
  }
  return made;
}

function makeRing(eligible: readonly RingMember[]): Preferences {
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
