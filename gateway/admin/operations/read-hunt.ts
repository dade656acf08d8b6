import type { Scoreboard, Show, Views } from '../../../actors/hunt/interface.ts';
import { errorCatalogue } from '../../../proto/error-code.ts';
import type { CallOutcome } from '../../act/route.ts';
import type { Claims } from '../../token/claims.ts';
import { Problem, problemOf } from '../problem.ts';
import type { Operations } from './operations.ts';

/** The designer's view, now or as of an earlier version. */
export async function showHunt(ops: Operations, huntId: number, atVersion?: number): Promise<Show> {
  try {
    return (await ask(ops, huntId, 'show', atVersion === undefined ? {} : { at_version: atVersion })) as Show;
  } catch (error) {
    if (atVersion === undefined || !(error instanceof Problem) || error.code !== 'NOT_FOUND') throw error;
    throw new Problem('INVALID', `at_version: ${atVersion} is above the hunt's last version: ask for an earlier one`);
  }
}

/** The player's view of its hunt, as a socket's `snap` has it. */
export async function showOwn(ops: Operations, caller: Claims, huntId: number): Promise<object> {
  const views = (await ask(ops, huntId, 'views', { players: [caller.sub], hunt: true })) as Views;
  return {
    hunt_id: huntId,
    version: views.version,
    mode: views.feed,
    lineage: views.lineage,
    state: { hunt: views.hunt, me: views.players[caller.sub]?.me ?? null },
  };
}

export async function scoreboard(
  ops: Operations,
  caller: Claims,
  huntId: number,
  page: { limit: number; offset: number },
): Promise<Scoreboard & { hunt_id: number }> {
  if (caller.role === 'player') {
    const access = await ops.directory.access(huntId);
    if (access.board_show === 'closed' && access.status !== 'closed')
      throw new Problem('FORBIDDEN', 'players see the scoreboard of this hunt only after it has closed');
  }
  const board = (await ask(ops, huntId, 'scoreboard', page)) as Scoreboard;
  return { hunt_id: huntId, version: board.version, entrants: board.entrants, entries: board.entries };
}

export async function exportCsv(ops: Operations, huntId: number): Promise<string> {
  return ((await ask(ops, huntId, 'export', {})) as { csv: string }).csv;
}

/** A read that failed has done nothing: its retryable refusals are all BUSY. */
async function ask(ops: Operations, huntId: number, query: string, body: object): Promise<unknown> {
  const outcome: CallOutcome = await ops.ports.route.call({ kind: 'hunt', id: huntId }, query, body);
  if (outcome.ok) return outcome.body;
  if (errorCatalogue[outcome.code]?.retryable)
    throw new Problem('BUSY', outcome.message, outcome.retryMs === undefined ? {} : { retryMs: outcome.retryMs });
  throw problemOf(outcome);
}
