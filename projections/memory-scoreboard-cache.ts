import { LRUCache } from 'lru-cache';
import type { Scoreboard } from '../actors/hunt/interface.ts';
import { type BoardPage, pageOf, type ScoreboardCache } from './scoreboard-cache.ts';

/** Estimated, of all boards together. */
export const boardBytesMax = 32 * 1024 * 1024;
/** Of an entry without its texts, and of a board without its entries. */
const entryBytes = 120;
const boardBytes = 200;

/** In the process that asks: for profile `embedded`, and wherever no Redis is given. */
export class MemoryScoreboardCache implements ScoreboardCache {
  readonly #boards: LRUCache<number, Scoreboard>;

  constructor(bytesMax = boardBytesMax) {
    this.#boards = new LRUCache({ maxSize: bytesMax, sizeCalculation: bytesOf });
  }

  get bytes(): number {
    return this.#boards.calculatedSize;
  }

  async read(huntId: number, version: number, page: BoardPage): Promise<Scoreboard | undefined> {
    const board = this.#boards.get(huntId);
    return board?.version === version ? pageOf(board, page) : undefined;
  }

  keep(huntId: number, board: Scoreboard): void {
    const held = this.#boards.peek(huntId);
    if (held === undefined || held.version < board.version) this.#boards.set(huntId, board);
  }

  close(): void {
    this.#boards.clear();
  }
}

function bytesOf({ entries }: Scoreboard): number {
  let bytes = boardBytes;
  for (const { name, player, team } of entries) bytes += entryBytes + 2 * (name.length + (player ?? team ?? '').length);
  return bytes;
}
