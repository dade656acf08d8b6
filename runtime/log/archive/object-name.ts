/**
 * Names of archive objects: `077/0000000000004096-0000000000008192.records` holds the records of slot 77 at positions from
 * the first number up to, not including, the second; `….catalog1` says where in the objects of such a stretch each stream is.
 * Derived from positions alone, so that whoever archives the same again writes the same name.
 */
import type { Position, Slot } from '../../../proto/ids.ts';

export interface ObjectName {
  readonly slot: Slot;
  /** The object holds positions [from, to). */
  readonly from: Position;
  readonly to: Position;
  /** 0: records; 1 and above: a catalog of many objects of the level below. */
  readonly level: number;
}

const digits = 16;
export const catalogLevelMax = 9;
const pattern = /^(\d{3})\/(\d{16})-(\d{16})\.(?:records|catalog([1-9]))$/;

export const slotPrefix = (slot: Slot): string => `${String(slot).padStart(3, '0')}/`;
const padded = (position: number): string => String(position).padStart(digits, '0');

export const nameOf = ({ slot, from, to, level }: ObjectName): string =>
  `${slotPrefix(slot)}${padded(from)}-${padded(to)}.${level === 0 ? 'records' : `catalog${level}`}`;

/** Undefined for names that are none of ours: they are left alone. */
export function parseName(name: string): ObjectName | undefined {
  const match = pattern.exec(name);
  if (match === null) return undefined;
  const [slot, from, to, level] = [Number(match[1]), Number(match[2]), Number(match[3]), Number(match[4] ?? 0)];
  if (from >= to || slot > 255) return undefined;
  return { slot: slot as Slot, from: from as Position, to: to as Position, level };
}

/**
 * The fewest objects that hold everything that any of them holds, in the order of positions. Each goes on where the one
 * before ends, or overlaps it, except where something is missing.
 */
export function coverOf<N extends ObjectName>(names: readonly N[]): readonly N[] {
  const sorted = [...names].sort((a, b) => a.from - b.from || b.to - a.to || b.level - a.level);
  const cover: N[] = [];
  for (let i = 0, at = sorted[0]?.from ?? 0; i < sorted.length; ) {
    let best: N | undefined;
    for (; i < sorted.length && (sorted[i] as N).from <= at; i++) {
      const name = sorted[i] as N;
      if (name.to > (best?.to ?? at) || (name.to === best?.to && name.level > best.level)) best = name;
    }
    if (best !== undefined) {
      cover.push(best);
      at = best.to;
    } else if (i < sorted.length) at = (sorted[i] as N).from;
  }
  return cover;
}
