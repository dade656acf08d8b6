import { idPattern, slotOf } from '../../proto/ids.ts';
import type { Row } from '../../runtime/decider.ts';
import type { RowsQuery, ScanQuery } from '../../runtime/define-actor.ts';
import { withTeam } from './decide/decide.ts';
import type { HuntState } from './decide/scene.ts';
import { boardEntry, huntView, topOf } from './hunt-view.ts';
import { type Access, type Board, type Scoreboard, type Show, scoreboardRowsMax, type Views } from './interface.ts';
import { playerView, stageCell } from './player-view.ts';
import { type Header, type Member, type PlayerRow, rulesOf, statusAt, type TeamRow, teamRowId } from './state.ts';

export const viewsMax = 256;
type HuntRows = RowsQuery<Header, Member>;

const fields = (body: unknown): Record<string, unknown> =>
  typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
const playersOf = (body: unknown): string[] => {
  const { players } = fields(body);
  return Array.isArray(players)
    ? players.filter((id): id is string => typeof id === 'string' && idPattern.test(id)).slice(0, viewsMax)
    : [];
};
const rowsOf = (body: unknown, state: HuntState): string[] =>
  playersOf(body)
    .flatMap((id) => withTeam(id, state))
    .filter((id) => state.row(id) === undefined);
const rowOf = (state: HuntState, id: string): PlayerRow | undefined => state.row(id)?.member as PlayerRow | undefined;
const teamOf = (state: HuntState, row: PlayerRow | undefined): TeamRow | undefined =>
  row === undefined || row.team === '' ? undefined : (state.row(teamRowId(row.team))?.member as TeamRow | undefined);
const none = (): readonly string[] => [];

const access: HuntRows = {
  kind: 'rows',
  needs: none,
  run(_body, { header, version }, { at }) {
    const { title, admission, entry, feed, board } = rulesOf(header).definition;
    const answer: Access = {
      version,
      owner: header.owner,
      status: statusAt(header, at),
      title,
      join_code: header.joinCode,
      admission,
      entry,
      feed,
      board_show: board.show,
      lineage: header.lineage,
      definition_version: header.definitionVersion,
    };
    if (header.closesAt !== undefined) answer.closes_at = header.closesAt;
    return { answer };
  },
};

const views: HuntRows = {
  kind: 'rows',
  needs: rowsOf,
  run(body, state, { at }) {
    const { header, version } = state;
    const { feed, entry } = rulesOf(header).definition;
    const answer: Views = { version, lineage: header.lineage, feed, entry, players: {} };
    if (fields(body).hunt === true) answer.hunt = huntView(header, at);
    for (const id of playersOf(body)) {
      const row = rowOf(state, id);
      answer.players[id] = playerView(id, row, state.row(id)?.lastSeq ?? 0, teamOf(state, row), header, at);
    }
    return { answer };
  },
};

const show: HuntRows = {
  kind: 'rows',
  needs: none,
  atVersion(body) {
    const version = fields(body).at_version;
    return typeof version === 'number' ? version : undefined;
  },
  run(body, { header, version }, { at, stream }) {
    const rules = rulesOf(header);
    const state = huntView(header, at);
    state.top = topOf(header);
    // Looking back, the status is that of the version; the clock has moved on since.
    if (fields(body).at_version !== undefined) state.status = header.status;
    const answer: Show = {
      hunt_id: header.huntId,
      title: rules.definition.title,
      status: state.status,
      join_code: header.joinCode,
      players: header.players,
      version,
      owner: header.owner,
      slot: slotOf(stream.id),
      lineage: header.lineage,
      definition_version: header.definitionVersion,
      definition: rules.definition,
      state,
    };
    if (state.opens_at !== undefined) answer.opens_at = state.opens_at;
    if (state.closes_at !== undefined) answer.closes_at = state.closes_at;
    return { answer };
  },
};

const board: HuntRows = {
  kind: 'rows',
  needs: rowsOf,
  run(body, state, { at }) {
    const { header, version } = state;
    const { definition } = rulesOf(header);
    const answer: Board = {
      version,
      show: definition.board.show,
      status: statusAt(header, at),
      top: topOf(header),
      entrants: header.standings.entrants,
      me: {},
    };
    for (const id of playersOf(body)) {
      const row = rowOf(state, id);
      const progress = definition.entry === 'team' ? teamOf(state, row)?.progress : row?.progress;
      if (progress === undefined || progress.created === 0 || progress.banned) continue;
      answer.me[id] = { rank: header.standings.rank(progress), points: progress.points };
    }
    return { answer };
  },
};

interface Place {
  readonly id: string;
  readonly name: string;
  readonly points: number;
  readonly reached: number;
  readonly finishedAt: number;
}

/** An entrant's row that is ranked, as a place; players of team hunts are no entrants. */
function placeOf({ id, member }: Row<Member>): Place | undefined {
  const { created, banned, points, reached, finishedAt } = member.progress;
  if (created === 0 || banned) return undefined;
  return { id: member.kind === 'team' ? id.slice(1) : id, name: member.name, points, reached, finishedAt };
}

const order = (a: Place, b: Place): number => b.points - a.points || a.reached - b.reached;
const whole = (value: unknown, fallback: number, max: number): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? Math.min(value, max) : fallback;

const scoreboard: ScanQuery<Header, Member, Place> = {
  kind: 'scan',
  map: placeOf,
  run(body, places, { header, version }) {
    const { entry } = rulesOf(header).definition;
    const offset = whole(fields(body).offset, 0, Number.MAX_SAFE_INTEGER);
    const limit = whole(fields(body).limit, 100, scoreboardRowsMax);
    const entries = [...places].sort(order).slice(offset, offset + limit);
    const answer: Scoreboard = {
      version,
      entrants: places.length,
      entries: entries.map((place, i) => ({
        ...boardEntry(offset + i + 1, place, entry),
        reached_version: place.reached,
      })),
    };
    return { answer };
  },
};

interface ExportRow extends Place {
  readonly member: Member;
}

const exported: ScanQuery<Header, Member, ExportRow> = {
  kind: 'scan',
  map(row) {
    const { created, points, reached, finishedAt } = row.member.progress;
    return created === 0
      ? undefined
      : {
          id: row.member.kind === 'team' ? row.id.slice(1) : row.id,
          name: row.member.name,
          points,
          reached,
          finishedAt,
          member: row.member,
        };
  },
  run(_body, rows, { header }, { at }) {
    const { stages, definition } = rulesOf(header);
    const isTeamHunt = definition.entry === 'team';
    const lines = [['rank', 'id', 'name', 'team', 'points', 'finished_at', ...stages.map(({ id }) => id)]];
    const ranked = rows.filter(({ member }) => !member.progress.banned).sort(order);
    const banned = rows.filter(({ member }) => member.progress.banned).sort(order);
    [...ranked, ...banned].forEach(({ id, name, points, finishedAt, member }, i) => {
      const rank = i < ranked.length ? String(i + 1) : '';
      const ended = finishedAt > 0 ? new Date(finishedAt).toISOString() : '';
      lines.push([
        rank,
        id,
        name,
        isTeamHunt ? id : '',
        String(points),
        ended,
        ...stages.map((stage) => String(stageCell(stage, member.progress, header, at))),
      ]);
    });
    return { answer: { csv: `${lines.map((line) => line.map(csvCell).join(',')).join('\r\n')}\r\n` } };
  },
};

/** Quoted as in RFC 4180. What a spreadsheet would take for a formula is defused by an apostrophe. */
function csvCell(value: string): string {
  const safe = /^[=+\-@\t\r]/.test(value) && !/^-?\d+(\.\d+)?$/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const queries = { access, views, show, board, scoreboard, export: exported };
