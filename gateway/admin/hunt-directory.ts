/**
 * What the edge must know of a hunt before it lets anyone in: that it exists, and whose it is. Both never change, so they
 * are remembered (bounded, only what exists); everything else of a hunt is asked of its owner node each time.
 */
import { LRUCache } from 'lru-cache';
import type { Access } from '../../actors/hunt/interface.ts';
import type { Route } from '../act/route.ts';
import { askHunt } from './hunt-question.ts';
import { Problem } from './problem.ts';

/** Hunts whose owner is remembered. */
export const rememberedHuntsMax = 50_000;

export interface KnownHunt {
  readonly owner: string;
  readonly joinCode: string;
}

export class HuntDirectory {
  readonly #route: Pick<Route, 'call'>;
  readonly #known = new LRUCache<number, KnownHunt>({ max: rememberedHuntsMax });
  readonly #asking = new Map<number, Promise<KnownHunt>>();

  constructor(route: Pick<Route, 'call'>) {
    this.#route = route;
  }

  /** Without asking anyone. */
  peek(huntId: number): KnownHunt | undefined {
    return this.#known.get(huntId);
  }

  /** Rejects with a {@link Problem}: HUNT_NOT_FOUND, or what kept the hunt from answering. One flight a hunt. */
  async find(huntId: number): Promise<KnownHunt> {
    const known = this.#known.get(huntId);
    if (known !== undefined) return known;
    if (!Number.isSafeInteger(huntId) || huntId < 1) throw huntNotFound(huntId);
    let asking = this.#asking.get(huntId);
    if (asking === undefined) {
      asking = this.access(huntId).then((access) => ({ owner: access.owner, joinCode: access.join_code }));
      this.#asking.set(huntId, asking);
      const forget = () => this.#asking.delete(huntId);
      asking.then(forget, forget);
    }
    return await asking;
  }

  /** The hunt's present access facts, asked of its owner node now. */
  async access(huntId: number): Promise<Access> {
    const access = (await askHunt(this.#route, huntId, 'access', {})) as Access;
    this.#known.set(huntId, { owner: access.owner, joinCode: access.join_code });
    return access;
  }
}

export const huntNotFound = (huntId: number): Problem =>
  new Problem('HUNT_NOT_FOUND', `there is no hunt ${huntId}: check the number`);
