/** Bounded loads: how much each member may hold, and who takes what is free. Pure; lifting what is held elsewhere is move-plan.ts. */
import { slotCount } from '../proto/ids.ts';
import { preferences, type RingMember } from './ring.ts';

/** No node holds more than this many times its weighted fair share of slots (rounded up, where the share is small). */
export const loadFactorMax = 1.1;
/** A fresh assignment leaves no node below this part of its fair share, if the slots that are free to move allow it. */
export const loadFactorMin = 0.9;

export type Owners = readonly (string | undefined)[];

export interface PlaceMember extends RingMember {
  /** False: it keeps what it has and gets nothing more at present. Absent: true. */
  readonly receives?: boolean;
}

export interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** How many slots each member should hold. The sum of `most` is never below 256, so that an assignment always exists. */
export function bounds(members: readonly RingMember[]): ReadonlyMap<string, Bounds> {
  const total = members.reduce((sum, member) => sum + member.weight, 0);
  return new Map(
    members.map((member) => {
      const fair = total === 0 ? 0 : (slotCount * member.weight) / total;
      const most = Math.max(Math.floor(fair * loadFactorMax), Math.ceil(fair));
      return [member.id, { least: Math.min(Math.ceil(fair * loadFactorMin), Math.floor(fair)), most }];
    }),
  );
}

/**
 * Bounded loads with the smallest change: only slots without an owner, or whose owner is no member any more, get a new
 * one: the first in the slot's order of preference that has room. All others stay where they are, even on a node above
 * its bound; lifting those is what plans are for. Where nobody who may receive has room, whoever is filled least gets it: a
 * slot that nobody serves is worse than a node that is too full.
 */
export function assign(present: Owners, members: readonly PlaceMember[]): Owners {
  const limits = bounds(members);
  const owners: (string | undefined)[] = Array.from({ length: slotCount }, (_, slot) => {
    const owner = present[slot];
    return owner !== undefined && limits.has(owner) ? owner : undefined;
  });
  const open = members.filter((member) => member.weight > 0 && member.receives !== false);
  const free = owners.flatMap((owner, slot) => (owner === undefined ? [slot] : []));
  if (open.length === 0 || free.length === 0) return owners;

  const order = preferences(open);
  const load = loads(owners, members);
  const add = (id: string, n: number) => load.set(id, (load.get(id) ?? 0) + n);
  const roomOf = (id: string) => (limits.get(id)?.most ?? 0) - (load.get(id) ?? 0);
  for (const slot of free) {
    const chosen = order[slot]?.find((id) => roomOf(id) > 0) ?? leastFilled(open, load);
    owners[slot] = chosen;
    add(chosen, 1);
  }
  fillUp(owners, free, order, load, limits);
  return owners;
}

export function loads(owners: Owners, members: readonly RingMember[]): Map<string, number> {
  const load = new Map(members.map((member) => [member.id, 0]));
  for (const owner of owners) if (owner !== undefined) load.set(owner, (load.get(owner) ?? 0) + 1);
  return load;
}

export function leastFilled(members: readonly RingMember[], load: ReadonlyMap<string, number>): string {
  const filled = (member: RingMember) => (load.get(member.id) ?? 0) / member.weight;
  return [...members].sort((a, b) => filled(a) - filled(b) || (a.id < b.id ? -1 : 1))[0]?.id as string;
}

/** First come, first served may starve the last: moves slots that were free anyway to members below their least share. */
function fillUp(
  owners: (string | undefined)[],
  free: readonly number[],
  order: readonly (readonly string[])[],
  load: Map<string, number>,
  limits: ReadonlyMap<string, Bounds>,
): void {
  const loadOf = (id: string) => load.get(id) ?? 0;
  for (const id of [...limits.keys()].sort()) {
    while (loadOf(id) < (limits.get(id)?.least ?? 0)) {
      let best: { slot: number; rank: number } | undefined;
      for (const slot of free) {
        const donor = owners[slot];
        if (donor === undefined || donor === id || loadOf(donor) <= (limits.get(donor)?.least ?? 0)) continue;
        const rank = order[slot]?.indexOf(id) ?? -1;
        if (rank >= 0 && (best === undefined || rank < best.rank)) best = { slot, rank };
      }
      if (best === undefined) break;
      const donor = owners[best.slot] as string;
      load.set(donor, loadOf(donor) - 1);
      load.set(id, loadOf(id) + 1);
      owners[best.slot] = id;
    }
  }
}
