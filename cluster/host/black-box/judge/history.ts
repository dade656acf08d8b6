/** Judges one hunt's history: no hole, no fork, time never falls, the version vectors form a chain (I2; PROTOCOL.md). Pure. */
import type { FullEvent } from '../wire.ts';
import { type Fault, fault } from './fault.ts';

type Vector = Readonly<Record<string, number>>;

const keysMax = 16;
const folded = '_';

export function judgeHistory(events: readonly FullEvent[]): Fault[] {
  const faults: Fault[] = [];
  let at = Number.NEGATIVE_INFINITY;
  let vector: Vector = {};
  events.forEach((event, index) => {
    const version = index + 1;
    if (event.version !== version)
      faults.push(fault('hole or fork', `version ${version} was due, ${event.version} came`, event.version));
    if (!Number.isSafeInteger(event.at)) faults.push(fault('time', `at is ${JSON.stringify(event.at)}`, version));
    else if (event.at < at) faults.push(fault('time', `at falls by ${at - event.at} ms`, version));
    at = Math.max(at, event.at);
    if (event.vector === undefined) faults.push(fault('vector', 'none', version));
    else {
      faults.push(...judgeStep(vector, event.vector, version));
      vector = event.vector;
    }
  });
  return faults;
}

/** From one event's vector to the next: the counts sum to the version, and exactly one rose, by one. */
export function judgeStep(before: Vector, after: Vector, version: number): Fault[] {
  const faults: Fault[] = [];
  const sum = Object.values(after).reduce((total, count) => total + count, 0);
  if (sum !== version) faults.push(fault('vector', `the counts sum to ${sum}`, version));
  const bad = Object.keys(after).find((key) => key !== folded && !/^[A-Za-z0-9_.:-]+@\d+$/.test(key));
  if (bad !== undefined) faults.push(fault('vector', `"${bad}" names no incarnation`, version));
  // The oldest key is folded into `_` when a 17th would come: what left counts there, and the sum stays.
  const gone = Object.keys(before).filter((key) => key !== folded && !(key in after));
  if (gone.length > 0 && Object.keys(before).length < keysMax)
    faults.push(fault('vector', `${gone.join(', ')} left a vector of ${Object.keys(before).length} keys`, version));
  const held: Record<string, number> = { ...before };
  for (const key of gone) {
    held[folded] = (held[folded] ?? 0) + (held[key] ?? 0);
    delete held[key];
  }
  let raised = 0;
  for (const [key, count] of Object.entries(after)) {
    const rise = count - (held[key] ?? 0);
    if (rise < 0) faults.push(fault('fork', `the count of ${key} falls by ${-rise}`, version));
    raised += Math.max(0, rise);
  }
  if (raised !== 1) faults.push(fault('vector', `the counts rise by ${raised}`, version));
  return faults;
}

/** Copies of one history from several sources: the same version must be the same event everywhere. */
export function judgeCopies(copies: readonly (readonly FullEvent[])[]): Fault[] {
  const seen = new Map<number, string>();
  const faults: Fault[] = [];
  for (const copy of copies) {
    for (const event of copy) {
      const identity = `${event.type} of ${event.player} seq ${event.seq ?? '-'} at ${event.at}`;
      const known = seen.get(event.version);
      if (known !== undefined && known !== identity)
        faults.push(fault('fork', `${known} and ${identity}`, event.version));
      seen.set(event.version, identity);
    }
  }
  return faults;
}
