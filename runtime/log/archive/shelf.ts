/**
 * What the archive holds of one slot, as it was listed last. Owns which of it can be read: an object that turned out damaged
 * is set aside, and so is every catalog that points into it, so that what others hold of the same stretch is found instead.
 */
import type { Slot } from '../../../proto/ids.ts';
import type { Archive } from './archive.ts';
import { coverOf, type ObjectName, parseName, slotPrefix } from './object-name.ts';

export interface Listed extends ObjectName {
  readonly object: string;
  readonly bytes: number;
}

export class Shelf {
  readonly #all: readonly Listed[];
  readonly #damaged = new Map<string, string>();
  #cover: readonly Listed[] | undefined;
  #records: readonly Listed[] | undefined;
  #byPlace: Map<string, Listed> | undefined;

  constructor(all: readonly Listed[]) {
    this.#all = all;
  }

  static async list(archive: Archive, slot: Slot): Promise<Shelf> {
    const found: Listed[] = [];
    for (const { name, bytes } of await archive.list(slotPrefix(slot))) {
      const parsed = parseName(name);
      if (parsed !== undefined && parsed.slot === slot) found.push({ ...parsed, object: name, bytes });
    }
    return new Shelf(found);
  }

  /** The fewest objects and catalogs that know all streams, in the order of positions. */
  get cover(): readonly Listed[] {
    this.#cover ??= coverOf(this.#sound());
    return this.#cover;
  }

  /** The fewest objects that hold all records, in the order of positions. */
  get records(): readonly Listed[] {
    this.#records ??= coverOf(this.#sound().filter((one) => one.level === 0));
    return this.#records;
  }

  get catalogs(): readonly Listed[] {
    return this.#all.filter((one) => one.level > 0);
  }

  object(from: number, to: number): Listed | undefined {
    this.#byPlace ??= new Map(this.#all.filter((one) => one.level === 0).map((one) => [`${one.from}-${one.to}`, one]));
    return this.#byPlace.get(`${from}-${to}`);
  }

  /** Something is missing between the first object and the last, or cannot be read. */
  get fault(): string | undefined {
    for (const what of this.#damaged.values()) return what;
    const { records } = this;
    for (let i = 1; i < records.length; i++) {
      const [before, next] = [records[i - 1] as Listed, records[i] as Listed];
      if (next.from > before.to)
        return `the archive holds nothing of slot ${next.slot} from position ${before.to} to ${next.from}`;
    }
    return undefined;
  }

  /** False if it was known. */
  setAside(object: string, what: string): boolean {
    if (this.#damaged.has(object)) return false;
    this.#damaged.set(object, what);
    this.#cover = undefined;
    this.#records = undefined;
    return true;
  }

  #sound(): readonly Listed[] {
    if (this.#damaged.size === 0) return this.#all;
    const holes = this.#all.filter((one) => one.level === 0 && this.#damaged.has(one.object));
    return this.#all.filter(
      (one) =>
        !this.#damaged.has(one.object) &&
        (one.level === 0 || !holes.some((hole) => hole.from < one.to && one.from < hole.to)),
    );
  }
}
