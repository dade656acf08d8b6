/**
 * Sequences of records that this process has seen pass by (feed, reads), so that it need not search for them again. A hint,
 * bounded per stream and in streams: old ones are thinned out, every second goes.
 */
import { LRUCache } from 'lru-cache';

const streamsMax = 8_192;
const marksMax = 256;

export interface Landmark {
  /** Of the record's first event. */
  readonly version: number;
  readonly seq: number;
}

class Marks {
  /** Ascending, in both. */
  readonly versions: number[] = [];
  readonly seqs: number[] = [];

  add(version: number, seq: number): void {
    const at = this.#indexOf(version);
    if (this.versions[at] === version) return;
    this.versions.splice(at, 0, version);
    this.seqs.splice(at, 0, seq);
    if (this.versions.length > marksMax) this.#thin();
  }

  /** The first whose version is not lower. */
  #indexOf(version: number): number {
    if ((this.versions.at(-1) ?? 0) < version) return this.versions.length;
    let low = 0;
    let high = this.versions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.versions[middle] as number) < version) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #thin(): void {
    const kept = marksMax / 2;
    let to = 0;
    for (let i = 0; i < this.versions.length; i++) {
      if (i < kept && i % 2 === 1) continue;
      this.versions[to] = this.versions[i] as number;
      this.seqs[to++] = this.seqs[i] as number;
    }
    this.versions.length = this.seqs.length = to;
  }

  /** The nearest at or below the version, and the nearest above it. */
  around(version: number): { readonly below: Landmark | undefined; readonly above: Landmark | undefined } {
    const at = this.#indexOf(version + 1);
    return { below: this.#mark(at - 1), above: this.#mark(at) };
  }

  /** The sequences of those that are known from one version up to below another. */
  within(from: number, below: number): readonly number[] {
    return this.seqs.slice(this.#indexOf(from), this.#indexOf(below));
  }

  #mark(i: number): Landmark | undefined {
    const version = this.versions[i];
    return version === undefined ? undefined : { version, seq: this.seqs[i] as number };
  }
}

export class Landmarks {
  readonly #streams = new LRUCache<string, Marks>({ max: streamsMax });

  saw(subject: string, version: number, seq: number): void {
    let marks = this.#streams.get(subject);
    if (marks === undefined) {
      marks = new Marks();
      this.#streams.set(subject, marks);
    }
    marks.add(version, seq);
  }

  /** They led astray. */
  forget(subject: string): void {
    this.#streams.delete(subject);
  }

  within(subject: string, from: number, below: number): readonly number[] {
    return this.#streams.get(subject)?.within(from, below) ?? [];
  }

  around(subject: string, version: number): ReturnType<Marks['around']> {
    return this.#streams.get(subject)?.around(version) ?? { below: undefined, above: undefined };
  }
}
