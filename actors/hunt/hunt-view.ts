import type { BoardEntry, HuntView } from './interface.ts';
import { isInWindow } from './progress.ts';
import { type Header, rulesOf, statusAt } from './state.ts';

/** What every subscriber may see, at a time. Of stages only what a fresh entrant would see: the rest is for `me` to tell (I9). */
export function huntView(header: Header, at: number): HuntView {
  const rules = rulesOf(header);
  const { title, description, language, window, entry, order, feed } = rules.definition;
  const status = statusAt(header, at);
  const hasOpened = header.openedAt > 0 || status === 'open';
  const view: HuntView = {
    hunt_id: header.huntId,
    title,
    status,
    timezone: window.timezone,
    entry,
    order,
    feed,
    definition_version: header.definitionVersion,
    players: header.players,
    entrants: header.standings.entrants,
    stages: rules.stages.map((stage) => {
      const isShown = stage.definition.teaser || (hasOpened && stage.after.length === 0 && isInWindow(stage, at));
      return isShown
        ? { id: stage.id, title: stage.definition.title, points: stage.definition.points }
        : { id: stage.id };
    }),
    top: topOf(header),
  };
  if (description !== undefined) view.description = description;
  if (language !== undefined) view.language = language;
  if (rules.opens !== undefined) view.opens_at = rules.opens;
  if (header.closesAt !== undefined) view.closes_at = header.closesAt;
  if (entry === 'team') view.teams = header.teamRows.map(({ id, name, size }) => ({ team: id, name, size }));
  // The board of a hunt that shows it only after closing is in no public view before.
  if (rules.definition.board.show === 'closed' && status !== 'closed') view.top = [];
  return view;
}

/** The head of the board. Exact; shorter than `board.top` only while penalties have pushed leaders below those that are known. */
export function topOf(header: Header): BoardEntry[] {
  const { definition } = rulesOf(header);
  return header.standings.leaders
    .slice(0, definition.board.top)
    .map((leader, i) => boardEntry(i + 1, leader, definition.entry));
}

export function boardEntry(
  rank: number,
  { id, name, points, finishedAt }: { id: string; name: string; points: number; finishedAt: number },
  entry: 'solo' | 'team',
): BoardEntry {
  return {
    rank,
    ...(entry === 'team' ? { team: id } : { player: id }),
    name,
    points,
    ...(finishedAt > 0 ? { finished_at: finishedAt } : {}),
  };
}
