/**
 * What is known to be damaged (I2: reported, never skipped). Streams named by a header that survived are exactly known.
 * Where even the header is gone, the chain through each slot tells which slots lost a record there; of those slots, every
 * stream without a later record may have had its last one in the hole, so it is refused rather than forked.
 */
import type { StreamEntry } from './stream-index.ts';

export interface DamagedStream {
  readonly kind: string;
  readonly id: number;
  readonly position: number;
  readonly what: string;
}

export interface DamagedRegion {
  readonly from: number;
  readonly to: number;
  readonly slots: readonly number[];
  /** Found by a log that knew all heads: it is missing when it is read, and nobody's last record is in doubt. */
  readonly headsKnown?: true;
}

/** More than this is not a log with faults but a disk that is gone: everything is refused. */
export const damagesMax = 10_000;

export class Damage {
  readonly #streams = new Map<string, DamagedStream>();
  readonly #regions: DamagedRegion[] = [];

  get any(): boolean {
    return this.#streams.size > 0 || this.#regions.length > 0;
  }

  get count(): number {
    return this.#streams.size + this.#regions.length;
  }

  /** False if it was known. */
  addStream(damage: DamagedStream): boolean {
    const name = `${damage.kind}/${damage.id}`;
    if (this.#streams.has(name)) return false;
    this.#streams.set(name, damage);
    return true;
  }

  addRegion(region: DamagedRegion): boolean {
    if (this.#regions.some((known) => known.from === region.from)) return false;
    this.#regions.push(region);
    return true;
  }

  /** Why the stream can neither be read to its head nor appended to; undefined if it is sound. */
  ofStream(entry: StreamEntry): string | undefined {
    if (this.count > damagesMax) return `the log has over ${damagesMax} damaged places: restore it`;
    const exact = this.#streams.get(entry.name);
    if (exact !== undefined) return `stream ${entry.name} is damaged at position ${exact.position}: ${exact.what}`;
    for (const region of this.#regions) {
      if (region.headsKnown) continue;
      if (entry.lastPosition < region.from && region.slots.includes(entry.slot)) {
        return `slot ${entry.slot} lost records at position ${region.from}, perhaps of stream ${entry.name}`;
      }
    }
    return undefined;
  }

  /** The first hole of the slot at or behind `from`. */
  regionOfSlot(slot: number, from: number): DamagedRegion | undefined {
    let first: DamagedRegion | undefined;
    for (const region of this.#regions) {
      if (region.to > from && region.slots.includes(slot) && (first === undefined || region.from < first.from))
        first = region;
    }
    return first;
  }

  toJSON(): { streams: DamagedStream[]; regions: DamagedRegion[] } {
    return { streams: [...this.#streams.values()], regions: this.#regions };
  }
}
