/**
 * The newest scoreboard of hunts, kept by version: what a gateway's port wants, in the words of whoever keeps it. A cache
 * and nothing else (I8): every board in it was computed by the hunt's owner from header and pages, and is only ever given
 * out as what it is, the board of that version.
 */
import type { Scoreboard } from '../actors/hunt/interface.ts';

export interface BoardPage {
  readonly limit: number;
  readonly offset: number;
}

export interface ScoreboardCache {
  /** Those places as of exactly that version, if they are at hand. Never rejects. */
  read(huntId: number, version: number, page: BoardPage): Promise<Scoreboard | undefined>;
  /** Keeps a board's first places unless it holds a newer one. Never throws, and may forget. */
  keep(huntId: number, board: Scoreboard): void;
  close(): void;
}

/** Undefined: the board has more entrants than places here, and these are not among them. */
export function pageOf(board: Scoreboard, { limit, offset }: BoardPage): Scoreboard | undefined {
  if (!hasPlaces(board.entrants, board.entries.length, { limit, offset })) return undefined;
  return { ...board, entries: board.entries.slice(offset, offset + limit) };
}

/** Whether the first `held` places of a board include all that are on the page. */
export const hasPlaces = (entrants: number, held: number, { limit, offset }: BoardPage): boolean =>
  held >= entrants || offset + limit <= held;
