/**
 * All chance of a run, from one seed. Each part that draws has a stream of its own, named, so that one more draw in one
 * part leaves the others as they were: a history changes as little as the cause of the change.
 */
import type { Random } from '../../runtime/kernel/random.ts';

export class Seeded implements Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(
    readonly seed: number,
    readonly name = '',
  ) {
    this.#a = hash(`${seed}/${name}/a`);
    this.#b = hash(`${seed}/${name}/b`);
    this.#c = hash(`${seed}/${name}/c`);
    this.#d = 1;
    for (let i = 0; i < 12; i++) this.#draw();
  }

  /** Another stream of the same seed. */
  fork(name: string): Seeded {
    return new Seeded(this.seed, `${this.name}/${name}`);
  }

  /** sfc32. */
  #draw(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }

  next(): number {
    return this.#draw() / 0x1_0000_0000;
  }

  /** 0 .. below - 1. */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** from .. to, both possible. */
  within(from: number, to: number): number {
    return from + this.int(to - from + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error('nothing to pick from');
    return list[this.int(list.length)] as T;
  }

  /** Around `median`, mostly within a factor of three, seldom much more: as waits in nature are. */
  wait(median: number): number {
    const normal = this.next() + this.next() + this.next() - 1.5;
    return median * Math.exp(normal * 1.1);
  }

  shuffled<T>(list: readonly T[]): T[] {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [out[i], out[j]] = [out[j] as T, out[i] as T];
    }
    return out;
  }

  token(bytes: number): string {
    const out = Buffer.alloc(bytes);
    for (let i = 0; i < bytes; i++) out[i] = this.int(256);
    return out.toString('base64url');
  }
}

/** FNV-1a with murmur's finaliser. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
