/**
 * Who stands where. Owns, for every distinct number of points, the versions at which ranked entrants reached them, in
 * order: enough for anyone's exact rank without holding a name (points descending, then version reached ascending; no
 * two entrants share a version, so there are no ties). And the leaders: the exact top of the list, by name, at most
 * {@link leadersMax}. When penalties push leaders out of sight below the known ones, the list is shorter for a while,
 * never wrong: an entrant whose exact rank is next to its end takes the place.
 */
export const leadersMax = 256;
const chunkMax = 512;

export interface Leader {
  id: string;
  name: string;
  points: number;
  reached: number;
  /** 0: not finished. */
  finishedAt: number;
}
export interface Standing {
  readonly points: number;
  readonly reached: number;
}

const ahead = (a: Standing, b: Standing): boolean =>
  a.points > b.points || (a.points === b.points && a.reached < b.reached);

export class Standings {
  /** Distinct points, descending. */
  readonly #points: number[] = [];
  readonly #groups = new Map<number, Group>();
  readonly leaders: Leader[] = [];
  entrants = 0;

  /** From 1. The standing must be one that is held, or about to be. */
  rank({ points, reached }: Standing): number {
    let better = 0;
    for (const more of this.#points) {
      if (more <= points) break;
      better += this.#groups.get(more)!.size;
    }
    return better + (this.#groups.get(points)?.before(reached) ?? 0) + 1;
  }

  add(leader: Leader): void {
    let group = this.#groups.get(leader.points);
    if (group === undefined) {
      group = new Group();
      this.#groups.set(leader.points, group);
      this.#points.splice(this.#indexOf(leader.points), 0, leader.points);
    }
    group.insert(leader.reached);
    this.entrants++;
    this.#lead(leader);
  }

  /** Returns the leader that was removed, if it was one. */
  remove(standing: Standing): Leader | undefined {
    const group = this.#groups.get(standing.points);
    if (group === undefined || !group.remove(standing.reached))
      throw new Error(`no entrant stands at ${standing.points} points of version ${standing.reached}`);
    if (group.size === 0) {
      this.#groups.delete(standing.points);
      this.#points.splice(this.#indexOf(standing.points), 1);
    }
    this.entrants--;
    const place = this.#placeOf(standing);
    return this.leaders[place]?.reached === standing.reached ? this.leaders.splice(place, 1)[0] : undefined;
  }

  leaderAt(standing: Standing): Leader | undefined {
    const leader = this.leaders[this.#placeOf(standing)];
    return leader?.reached === standing.reached ? leader : undefined;
  }

  #lead(leader: Leader): void {
    const place = this.#placeOf(leader);
    if (
      place === this.leaders.length &&
      (place === leadersMax || (this.entrants > place + 1 && this.rank(leader) !== place + 1))
    )
      return;
    this.leaders.splice(place, 0, leader);
    if (this.leaders.length > leadersMax) this.leaders.pop();
  }

  /** The index of that standing among the leaders, or where it would be. */
  #placeOf(standing: Standing): number {
    let low = 0;
    for (let high = this.leaders.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (ahead(this.leaders[middle]!, standing)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #indexOf(points: number): number {
    let low = 0;
    for (let high = this.#points.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (this.#points[middle]! > points) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  pack(): unknown {
    const groups = this.#points.map((points) => [points, this.#groups.get(points)!.pack()]);
    return [
      groups,
      this.leaders.map(({ id, name, points, reached, finishedAt }) => [id, name, points, reached, finishedAt]),
    ];
  }

  static unpack(packed: unknown): Standings {
    const [groups, leaders] = packed as [[number, Uint8Array][], [string, string, number, number, number][]];
    const standings = new Standings();
    for (const [points, bytes] of groups) {
      const group = Group.unpack(bytes);
      standings.#points.push(points);
      standings.#groups.set(points, group);
      standings.entrants += group.size;
    }
    for (const [id, name, points, reached, finishedAt] of leaders)
      standings.leaders.push({ id, name, points, reached, finishedAt });
    return standings;
  }
}

/** Versions in ascending order, in chunks, so that a million entrants with 0 points cost no long move at the first one's score. */
class Group {
  #chunks: number[][] = [];
  size = 0;

  insert(version: number): void {
    this.size++;
    const c = this.#chunkOf(version);
    const chunk = this.#chunks[c];
    if (chunk === undefined) {
      const last = this.#chunks[c - 1];
      if (last !== undefined && last.length < chunkMax) last.push(version);
      else this.#chunks.push([version]);
      return;
    }
    chunk.splice(placeIn(chunk, version), 0, version);
    if (chunk.length > chunkMax) this.#chunks.splice(c + 1, 0, chunk.splice(chunkMax >> 1));
  }

  remove(version: number): boolean {
    const c = this.#chunkOf(version);
    const chunk = this.#chunks[c];
    if (chunk === undefined) return false;
    const place = placeIn(chunk, version);
    if (chunk[place] !== version) return false;
    chunk.splice(place, 1);
    if (chunk.length === 0) this.#chunks.splice(c, 1);
    this.size--;
    return true;
  }

  before(version: number): number {
    const c = this.#chunkOf(version);
    let count = 0;
    for (let i = 0; i < c; i++) count += this.#chunks[i]!.length;
    const chunk = this.#chunks[c];
    return chunk === undefined ? count : count + placeIn(chunk, version);
  }

  /** The first chunk whose last version is not below. */
  #chunkOf(version: number): number {
    let low = 0;
    for (let high = this.#chunks.length; low < high; ) {
      const middle = (low + high) >>> 1;
      const chunk = this.#chunks[middle]!;
      if (chunk[chunk.length - 1]! < version) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Differences as varints: about one byte a version. */
  pack(): Uint8Array {
    const bytes: number[] = [];
    let last = 0;
    for (const chunk of this.#chunks) {
      for (const version of chunk) {
        let rest = version - last;
        last = version;
        for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
        bytes.push(rest);
      }
    }
    return Uint8Array.from(bytes);
  }

  static unpack(bytes: Uint8Array): Group {
    const group = new Group();
    let version = 0;
    let chunk: number[] = [];
    for (let i = 0; i < bytes.length; ) {
      let scale = 1;
      let byte = bytes[i++]!;
      for (; byte >= 128; scale *= 128, byte = bytes[i++]!) version += (byte - 128) * scale;
      version += byte * scale;
      if (chunk.length === 0) group.#chunks.push(chunk);
      chunk.push(version);
      group.size++;
      if (chunk.length === chunkMax) chunk = [];
    }
    return group;
  }
}

function placeIn(chunk: readonly number[], version: number): number {
  let low = 0;
  for (let high = chunk.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if (chunk[middle]! < version) low = middle + 1;
    else high = middle;
  }
  return low;
}
