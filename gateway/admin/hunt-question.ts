import { errorCatalogue } from '../../proto/error-code.ts';
import type { Route } from '../act/route.ts';
import { Problem, problemOf } from './problem.ts';

/**
 * Asks a hunt's owner node and gives the answer, or rejects with a {@link Problem}. A read that failed has done nothing,
 * whatever became of the question: its retryable refusals are all BUSY.
 */
export async function askHunt(
  route: Pick<Route, 'call'>,
  huntId: number,
  query: string,
  body: object,
): Promise<unknown> {
  const outcome = await route.call({ kind: 'hunt', id: huntId }, query, body);
  if (outcome.ok) return outcome.body;
  if (errorCatalogue[outcome.code]?.retryable)
    throw new Problem('BUSY', outcome.message, outcome.retryMs === undefined ? {} : { retryMs: outcome.retryMs });
  throw problemOf(outcome);
}
