/**
 * The smallest change from the present assignment that keeps every node within its bounds: what a plan moves. Pure.
 *
 * A slot moves only if it must: it has no owner, its owner leaves, a pin wants it elsewhere, its owner holds more than
 * {@link loadFactorMax} of its fair share, or somebody holds less than {@link loadFactorMin} of its own and nothing that is
 * free anyway fills the gap. Which slots these are, and where they go, the ring's order of preference says.
 */
import { bounds, leastFilled, loads, type Owners, type PlaceMember } from './assignment.ts';
import { preferences } from './ring.ts';

export function level(
  present: Owners,
  members: readonly PlaceMember[],
  pins: ReadonlyMap<number, string> = new Map(),
): Owners {
  const open = members.filter((member) => member.weight > 0 && member.receives !== false);
  const owners = [...present];
  if (open.length === 0) return owners;
  return new Levelling(owners, members, open, pins).run();
}

class Levelling {
  readonly #order: readonly (readonly string[])[];
  readonly #weights: ReadonlyMap<string, number>;
  /** Of whose slots are pinned to it: it holds at least these, whatever its share is. */
  readonly #most = new Map<string, number>();
  readonly #least = new Map<string, number>();
  readonly #fixed = new Set<number>();
  readonly #load: Map<string, number>;
  /** Of each member, the slots that may go elsewhere. */
  readonly #loose = new Map<string, Set<number>>();
  #pool: number[] = [];

  constructor(
    readonly owners: (string | undefined)[],
    members: readonly PlaceMember[],
    readonly open: readonly PlaceMember[],
    pins: ReadonlyMap<number, string>,
  ) {
    this.#order = preferences(open);
    this.#weights = new Map(members.map((member) => [member.id, member.weight]));
    // A pin to a node that cannot take it waits until it can; one of weight 0 takes its pins alone.
    const holders = new Set(members.filter((member) => member.receives !== false).map((member) => member.id));
    for (const [slot, node] of pins) {
      if (!holders.has(node) && owners[slot] !== node) continue;
      owners[slot] = node;
      this.#fixed.add(slot);
    }
    for (const { id } of members) this.#loose.set(id, new Set());
    owners.forEach((owner, slot) => {
      if (this.#fixed.has(slot)) return;
      if (owner !== undefined && (this.#weights.get(owner) ?? 0) > 0) {
        this.#loose.get(owner)?.add(slot);
        return;
      }
      owners[slot] = undefined;
      this.#pool.push(slot);
    });
    this.#load = loads(owners, members);
    const pinned = loads(
      owners.map((owner, slot) => (this.#fixed.has(slot) ? owner : undefined)),
      members,
    );
    for (const [id, { least, most }] of bounds(members)) {
      this.#most.set(id, Math.max(most, pinned.get(id) ?? 0));
      this.#least.set(id, least);
    }
  }

  run(): Owners {
    const gaps = () => this.open.reduce((sum, { id }) => sum + this.#gap(id), 0);
    for (const id of this.#weights.keys())
      while (this.#loadOf(id) > (this.#most.get(id) ?? 0)) if (!this.#shed(id)) break;
    while (this.#pool.length < gaps()) {
      const donor = this.#fullestDonor();
      if (donor === undefined || !this.#shed(donor)) break;
    }
    for (const { id } of this.open) while (this.#gap(id) > 0) if (!this.#take(id)) break;
    for (const slot of this.#pool) {
      const room = (id: string) => this.#loadOf(id) < (this.#most.get(id) ?? 0);
      this.#give(slot, this.#order[slot]?.find(room) ?? leastFilled(this.open, this.#load));
    }
    return this.owners;
  }

  #loadOf(id: string): number {
    return this.#load.get(id) ?? 0;
  }
  #gap(id: string): number {
    return Math.max(0, (this.#least.get(id) ?? 0) - this.#loadOf(id));
  }

  /** Whoever holds most for its weight and is above its own least. */
  #fullestDonor(): string | undefined {
    const donors = [...this.#weights].filter(
      ([id, weight]) => weight > 0 && this.#loadOf(id) > (this.#least.get(id) ?? 0) && this.#looseOf(id).size > 0,
    );
    const filled = ([id, weight]: readonly [string, number]) => this.#loadOf(id) / weight;
    return donors.sort((a, b) => filled(b) - filled(a) || (a[0] < b[0] ? -1 : 1))[0]?.[0];
  }

  #looseOf(id: string): Set<number> {
    return this.#loose.get(id) ?? new Set();
  }

  /** Takes from it the slot that somebody who needs one would like best. */
  #shed(id: string): boolean {
    const needy = new Set(
      this.open.filter((member) => member.id !== id && this.#gap(member.id) > 0).map((member) => member.id),
    );
    const rank = (slot: number) => {
      const order = this.#order[slot] ?? [];
      const first = order.findIndex((other) => other !== id && (needy.size === 0 || needy.has(other)));
      return first < 0 ? order.length : first;
    };
    let best: { slot: number; rank: number } | undefined;
    for (const slot of this.#looseOf(id)) {
      const its = rank(slot);
      if (best === undefined || its < best.rank) best = { slot, rank: its };
      if (its === 0) break;
    }
    if (best === undefined) return false;
    this.#looseOf(id).delete(best.slot);
    this.owners[best.slot] = undefined;
    this.#load.set(id, this.#loadOf(id) - 1);
    this.#pool.push(best.slot);
    return true;
  }

  /** Gives it the slot of the pool that it is preferred for most. */
  #take(id: string): boolean {
    let best: { slot: number; rank: number } | undefined;
    for (const slot of this.#pool) {
      const rank = this.#order[slot]?.indexOf(id) ?? -1;
      if (rank >= 0 && (best === undefined || rank < best.rank)) best = { slot, rank };
    }
    if (best === undefined) return false;
    const { slot } = best;
    this.#pool = this.#pool.filter((other) => other !== slot);
    this.#give(slot, id);
    return true;
  }

  #give(slot: number, id: string): void {
    this.owners[slot] = id;
    this.#load.set(id, this.#loadOf(id) + 1);
  }
}
