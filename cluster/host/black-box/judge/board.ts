/** Folds the scoreboard from a history and judges what the server shows against it (PROTOCOL.md). Pure. */
import type { BoardRow, FullEvent } from '../wire.ts';
import { type Fault, fault } from './fault.ts';

export interface Standing {
  readonly id: string;
  points: number;
  reached: number;
}

/** Points descending, then the version at which the present points were reached; disqualified entrants are left out. */
export function foldBoard(events: readonly FullEvent[], entry: 'solo' | 'team'): Standing[] {
  const standings = new Map<string, Standing>();
  const out = new Set<string>();
  const idOf = (event: FullEvent): string | undefined =>
    entry === 'team' ? event.team : event.player.startsWith('@') ? undefined : event.player;
  for (const event of events) {
    const id = idOf(event);
    if (event.type === 'EventVoided') {
      const voided = events[(event.voids as number) - 1];
      if (voided?.type === 'PlayerDisqualified') out.delete(idOf(voided) ?? '');
    }
    if (id === undefined) continue;
    if (event.type === (entry === 'team' ? 'TeamCreated' : 'PlayerJoined') && !standings.has(id))
      standings.set(id, { id, points: 0, reached: event.version });
    if (event.type === 'PlayerDisqualified') out.add(id);
    const standing = standings.get(id);
    if (standing !== undefined && (event.points ?? 0) !== 0) {
      standing.points += event.points ?? 0;
      standing.reached = event.version;
    }
  }
  return [...standings.values()]
    .filter((one) => !out.has(one.id))
    .sort((a, b) => b.points - a.points || a.reached - b.reached);
}

/** `rows` must be the first ranks of `standings`, or all of them when `whole`. */
export function judgeBoard(rows: readonly BoardRow[], standings: readonly Standing[], whole = true): Fault[] {
  const faults: Fault[] = [];
  if (whole && rows.length !== standings.length)
    faults.push(fault('board', `${rows.length} rows, ${standings.length} entrants`));
  rows.forEach((row, index) => {
    const standing = standings[index];
    const id = row.team ?? row.player;
    if (row.rank !== index + 1) faults.push(fault('board', `place ${index + 1} has rank ${row.rank}`));
    if (standing === undefined || standing.id !== id || standing.points !== row.points) {
      faults.push(
        fault(
          'board',
          `place ${index + 1} is ${id} with ${row.points}; the log says ${standing?.id} with ${standing?.points}`,
        ),
      );
    } else if (row.reached_version !== undefined && row.reached_version !== standing.reached) {
      faults.push(
        fault('board', `${id} reached its points at ${row.reached_version}; the log says ${standing.reached}`),
      );
    }
  });
  return faults;
}
