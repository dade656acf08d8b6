/** Whether the simulation finds a planted bug, in how many seeds, and by what. */
import { type BatchOptions, runBatch } from '../batch.ts';
import type { PlantedBug } from './planted-bugs.ts';

export interface BugHunt {
  readonly runs: number;
  /** In how many seeds. */
  readonly found: number;
  /** What gave it away first. */
  readonly words: string;
}

/** Flags of Node for a process with that bug in it. */
export function planting(name: string): string[] {
  const url = new URL('./plant.js', import.meta.url);
  url.searchParams.set('bug', name);
  return ['--import', url.href];
}

/** Throws when a worker breaks off: a bug that could not be planted was not found. */
export async function huntForBug(
  bug: Pick<PlantedBug, 'name'>,
  options: Pick<BatchOptions, 'seeds' | 'workers' | 'failuresMax'>,
): Promise<BugHunt> {
  const { runs, failed } = await runBatch({ ...options, execArgv: planting(bug.name) });
  const broken = failed.find(({ isBrokenOff }) => isBrokenOff);
  if (broken !== undefined) throw new Error(`${bug.name}, seed ${broken.seed}: ${broken.faults[0]}`);
  const words = failed[0]?.faults[0]?.split('\n')[0] ?? '';
  return { runs, found: failed.length, words: words.replaceAll('|', '/').slice(0, wordsChars) };
}

const wordsChars = 140;
