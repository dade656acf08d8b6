/** Whether a token may submit a request: a player for itself in its hunts, a designer for anyone in theirs, an operator everywhere. */

import type { HuntDirectory } from '../admin/hunt-directory.ts';
import type { Claims } from '../token/claims.ts';
import { claimsHunt } from '../token/claims.ts';
import type { RequestHead } from './request-reader.ts';

export type Verdict = 'allowed' | 'ask' | string;

export class Submitter {
  readonly #claims: Claims;
  readonly #directory: HuntDirectory;

  constructor(claims: Claims, directory: HuntDirectory) {
    this.#claims = claims;
    this.#directory = directory;
  }

  /** `ask`: the hunt's owner is not known here yet. Another sentence: why not. */
  judge(head: RequestHead): Verdict {
    const claims = this.#claims;
    if (claims.role === 'operator') return 'allowed';
    if (claims.role === 'player') {
      if (head.playerId !== claims.sub)
        return 'a player submits for itself only: player_id must be the sub of the token';
      return claimsHunt(claims, head.huntId)
        ? 'allowed'
        : 'your token is for another hunt: use the one that you got for this hunt';
    }
    const hunt = this.#directory.peek(head.huntId);
    if (hunt === undefined) return 'ask';
    return hunt.owner === claims.sub ? 'allowed' : notYours;
  }
}

export const notYours = 'the hunt belongs to another designer: ask its owner or an operator';
