import type { ClueView, Me, PlayerView, StageView, TreasureView } from './interface.ts';
import {
  type Clockwork,
  clockwork,
  isInWindow,
  isOpen,
  isReached,
  isReleased,
  isSettled,
  isWithinReach,
  openedAt,
  timeIsUp,
} from './progress.ts';
import type { Spot, Stage, Treasure } from './rulebook.ts';
import { type Header, type PlayerRow, type Progress, statusAt, type TeamRow } from './state.ts';

/**
 * What one player may see, at a time (I9): clues of stages that are or were open to it, hints that it has taken, places
 * that are pinned; never answers, codes or hidden positions.
 */
export function playerView(
  id: string,
  row: PlayerRow | undefined,
  lastSeq: number,
  team: TeamRow | undefined,
  header: Header,
  at: number,
): PlayerView {
  const time = clockwork(header, at);
  const changes = new Changes(at);
  const { rules } = time;
  const isTeamHunt = rules.definition.entry === 'team';
  const entrant = isTeamHunt ? team : row;
  const progress = entrant !== undefined && entrant.progress.created > 0 ? entrant.progress : undefined;
  const me: Me = {
    player: id,
    status: statusOf(row, team, progress),
    total: progress?.points ?? 0,
    last_seq: lastSeq,
    stages: {},
    treasures: {},
  };
  if (row !== undefined && row.name !== '') me.name = row.name;
  if (row !== undefined && row.team !== '') me.team = row.team;
  if (progress !== undefined) {
    if (!progress.banned && (rules.definition.board.show === 'live' || statusAt(header, at) === 'closed'))
      me.rank = header.standings.rank({ points: progress.points, reached: progress.reached });
    if (progress.finishedAt > 0) me.finished_at = progress.finishedAt;
    const { duration_s: seconds } = rules.definition.limits;
    if (seconds !== undefined && !timeIsUp(rules, progress, at)) changes.at(progress.since + seconds * 1000);
  }
  for (const stage of rules.stages)
    me.stages[stage.id] = progress === undefined ? lockedView(stage) : stageView(stage, progress, time, changes);
  for (const treasure of rules.treasures) {
    changes.at(treasure.opens);
    if (progress !== undefined && isReleased(treasure, header, at) && isWithinReach(treasure, progress, time))
      me.treasures[treasure.id] = treasureView(treasure, progress, header);
  }
  if (!time.hasOpened && rules.opens !== undefined) changes.at(rules.opens);
  const view: PlayerView = { me };
  if (me.team !== undefined) view.team = me.team;
  if (changes.next !== undefined) view.changes_at = changes.next;
  return view;
}

/** Collects the next time at which the view changes without an event. */
class Changes {
  next: number | undefined;
  constructor(private readonly now: number) {}
  at(time: number): void {
    if (time > this.now && time !== Number.POSITIVE_INFINITY && (this.next === undefined || time < this.next))
      this.next = time;
  }
}

function statusOf(row: PlayerRow | undefined, team: TeamRow | undefined, progress: Progress | undefined): Me['status'] {
  if (row === undefined || row.presence === 'none') return 'none';
  if (row.banned || team?.progress.banned === true) return 'disqualified';
  if (row.presence === 'left') return 'left';
  return progress !== undefined && progress.finishedAt > 0 ? 'finished' : 'joined';
}

const lockedView = ({ definition }: Stage): StageView =>
  definition.teaser ? { state: 'locked', title: definition.title, points: definition.points } : { state: 'locked' };

function stageView(stage: Stage, progress: Progress, time: Clockwork, changes: Changes): StageView {
  const { definition, way } = stage;
  const mark = progress.marks.get(stage.id);
  const settled = isSettled(mark);
  if (!settled) {
    if (isReached(stage, progress, time)) {
      changes.at(stage.opens);
      changes.at(stage.closes);
    }
    if (!isReached(stage, progress, time) || !isInWindow(stage, time.at)) return lockedView(stage);
  }
  const view: StageView = {
    state: settled ? (mark!.state as 'done') : 'open',
    title: definition.title,
    points: definition.points,
    clues: {},
  };
  if (definition.text !== undefined) view.text = definition.text;
  if (stage.opens > 0) view.opens_at = stage.opens;
  if (stage.closes !== Number.POSITIVE_INFINITY) view.closes_at = stage.closes;
  if (mark?.state === 'done') {
    view.by = mark.by;
    if (definition.after !== undefined) view.after = definition.after;
  }
  if (!settled && way.by === 'check_in' && way.spot.pin) view.pin = pinOf(way.spot);
  if (!settled && (way.by === 'answer' || way.by === 'scan') && stage.attempts > 0)
    view.attempts_left = Math.max(0, stage.attempts - (mark?.used ?? 0));
  if (!settled && mark !== undefined && mark.lockedUntil > time.at) {
    view.locked_until = mark.lockedUntil;
    changes.at(mark.lockedUntil);
  }
  const opened = openedAt(stage, progress, time.header);
  for (const clue of definition.clues) {
    const taken = progress.hints.get(clue.id) ?? 0;
    const next = settled ? undefined : clue.hints[taken];
    const shown: ClueView = {
      text: clue.text,
      hints: clue.hints.slice(0, taken).map((hint) => hint.text),
      hints_left: clue.hints.length - taken,
    };
    if (clue.media !== undefined) shown.media = clue.media;
    if (clue.choices !== undefined) shown.choices = clue.choices;
    if (next !== undefined) {
      shown.next_hint_cost = next.cost;
      const due = opened + next.delay_s * 1000;
      if (due > time.at) {
        shown.next_hint_at = due;
        changes.at(due);
      }
    }
    view.clues![clue.id] = shown;
  }
  return view;
}

const pinOf = ({ lat, lon, radiusM }: Spot) => ({ lat, lon, radius_m: radiusM });

function treasureView(treasure: Treasure, progress: Progress, header: Header): TreasureView {
  const { title, points, stock } = treasure.definition;
  const view: TreasureView = { title, points, mine: progress.claims.get(treasure.id) ?? 0 };
  if (stock !== undefined) view.stock_left = Math.max(0, stock - (header.treasures.get(treasure.id)?.claimed ?? 0));
  if (treasure.spot?.pin === true) view.pin = pinOf(treasure.spot);
  return view;
}

/** Stages as the export shows them: points of done ones, else the state. */
export function stageCell(stage: Stage, progress: Progress, header: Header, at: number): string | number {
  const mark = progress.marks.get(stage.id);
  if (mark?.state === 'done') return stage.definition.points;
  if (mark !== undefined && mark.state !== 'open') return mark.state;
  return isOpen(stage, progress, clockwork(header, at)) ? 'open' : 'locked';
}
