/**
 * Scoreboards for those who ask: from the cache when it has the present version, else from the hunt's owner.
 *
 * Owns: the questions under way, one a hunt (and one for each page beyond its first {@link scoreboardRowsMax} places). Keeps: an
 * answer shows everything that was acknowledged before it was asked for. The cache is asked for exactly the version that
 * the owner has just named; a question that is under way is shared only if its answer turns out to be that new.
 */
import { type Scoreboard, scoreboardRowsMax } from '../../actors/hunt/interface.ts';
import type { Route } from '../act/route.ts';
import { askHunt } from './hunt-question.ts';
import type { BoardPage, ScoreboardCache } from './ports.ts';
import { Problem } from './problem.ts';

/** One that was under way already, and the next: that one was asked after us. */
const questionsMax = 2;

export class Scoreboards {
  readonly #asking = new Map<string, Promise<Scoreboard>>();

  constructor(
    readonly route: Pick<Route, 'call'>,
    readonly cache: ScoreboardCache,
  ) {}

  /** Those places as of `version`, which the owner has named, or later. Rejects with a {@link Problem}. */
  async page(huntId: number, version: number, page: BoardPage): Promise<Scoreboard> {
    const cached = await this.cache.read(huntId, version, page);
    if (cached !== undefined) return cached;
    const isFirst = page.offset + page.limit <= scoreboardRowsMax;
    const asked = isFirst ? { offset: 0, limit: scoreboardRowsMax } : page;
    for (let questions = 0; questions < questionsMax; questions++) {
      const board = await this.#ask(huntId, asked);
      if (board.version < version) continue;
      if (!isFirst) return board;
      return { ...board, entries: board.entries.slice(page.offset, page.offset + page.limit) };
    }
    throw new Problem('BUSY', 'the scoreboard is older than what the hunt has said: try again');
  }

  #ask(huntId: number, page: BoardPage): Promise<Scoreboard> {
    const key = `${huntId}/${page.offset}/${page.limit}`;
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#askOwner(huntId, page).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    return asking;
  }

  async #askOwner(huntId: number, page: BoardPage): Promise<Scoreboard> {
    const board = (await askHunt(this.route, huntId, 'scoreboard', page)) as Scoreboard;
    if (page.offset === 0) this.cache.keep(huntId, board);
    return board;
  }
}
