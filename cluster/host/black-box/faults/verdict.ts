/** How many of a trial's faults mean that something was lost, doubled, or left out. Pure. */
import { type Fault, told } from '../judge/fault.ts';

const lost = new Set(['lost']);
const doubled = new Set([
  'doubled',
  'doubled or torn',
  'two outcomes',
  'phantom',
  'effect of a refusal',
  'repeat',
  'rung twice',
]);
const holes = new Set([
  'hole or fork',
  'fork',
  'vector',
  'time',
  'gap',
  'omitted',
  'unseen',
  'not in the log',
  'differs',
]);

export interface Verdict {
  readonly lost: number;
  readonly doubled: number;
  readonly holes: number;
  /** All of them in words, those that are none of the three too. */
  readonly faults: readonly string[];
}

export function verdictOf(faults: readonly Fault[]): Verdict {
  const count = (kinds: ReadonlySet<string>): number => faults.filter(({ kind }) => kinds.has(kind)).length;
  return {
    lost: count(lost),
    doubled: count(doubled),
    holes: count(holes),
    faults: faults.length === 0 ? [] : told(faults).split('\n'),
  };
}

/** Judges see the whole history each time: what an earlier trial has found already is not this one's. */
export class KnownFaults {
  readonly #known = new Set<string>();

  fresh<T extends Fault>(faults: readonly T[]): T[] {
    return faults.filter((one) => {
      const key = JSON.stringify(one);
      if (this.#known.has(key)) return false;
      this.#known.add(key);
      return true;
    });
  }
}
