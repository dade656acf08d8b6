import type { Scoreboard, Show, Views } from '../../../actors/hunt/interface.ts';
import type { Claims } from '../../token/claims.ts';
import { askHunt } from '../hunt-question.ts';
import type { BoardPage } from '../ports.ts';
import { Problem } from '../problem.ts';
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
  page: BoardPage,
): Promise<Scoreboard & { hunt_id: number }> {
  const access = await ops.directory.access(huntId);
  if (caller.role === 'player' && access.board_show === 'closed' && access.status !== 'closed')
    throw new Problem('FORBIDDEN', 'players see the scoreboard of this hunt only after it has closed');
  const board = await ops.scoreboards.page(huntId, access.version, page);
  return { hunt_id: huntId, version: board.version, entrants: board.entrants, entries: board.entries };
}

export async function exportCsv(ops: Operations, huntId: number): Promise<string> {
  return ((await ask(ops, huntId, 'export', {})) as { csv: string }).csv;
}

const ask = (ops: Operations, huntId: number, query: string, body: object): Promise<unknown> =>
  askHunt(ops.ports.route, huntId, query, body);
