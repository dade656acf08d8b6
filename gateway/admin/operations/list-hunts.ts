import type { z } from 'zod';
import type { Claims } from '../../token/claims.ts';
import type { HuntListQuery, HuntListRow } from '../ports.ts';
import { Problem } from '../problem.ts';
import type { listQuery } from '../schemas.ts';
import type { Operations } from './operations.ts';

export interface HuntList {
  readonly hunts: readonly HuntListRow[];
  readonly next: string | undefined;
}

/** How long a list that cannot be read is not worth asking for again. */
const retryMs = 2_000;

/** A page of the caller's own hunts, or of all for an operator. */
export async function listHunts(ops: Operations, caller: Claims, query: z.output<typeof listQuery>): Promise<HuntList> {
  const { catalog } = ops.ports;
  if (catalog === undefined)
    throw new Problem(
      'UNAVAILABLE',
      'hunts are listed from PostgreSQL, and this gateway was given none: set HUNT_PG_URL; single hunts are served without it',
      { retryMs },
    );
  const { status, q, cursor, limit } = query;
  // A form that was left empty asks for nothing.
  const asked: HuntListQuery = {
    limit,
    ...(caller.role === 'operator' ? {} : { owner: caller.sub }),
    ...(status === undefined || status === '' ? {} : { status }),
    ...(q === undefined || q === '' ? {} : { q }),
    ...(cursor === undefined || cursor === '' ? {} : { cursor }),
  };
  const outcome = await catalog.listHunts(asked);
  switch (outcome.kind) {
    case 'page':
      return outcome;
    case 'bad_cursor':
      throw new Problem('INVALID', 'cursor must be the next of an earlier page: leave it out to begin', {
        errors: [{ path: '/cursor', message: 'must be the next of an earlier page' }],
      });
    case 'unavailable':
      throw new Problem(
        'UNAVAILABLE',
        `${outcome.message}: ask again in a moment; single hunts are served without it`,
        {
          retryMs,
        },
      );
    default:
      return outcome satisfies never;
  }
}
