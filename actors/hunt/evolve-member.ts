import { adminPlayer, systemPlayer } from '../../proto/ids.ts';
import { type StoredEvent, wayName } from './event.ts';
import {
  claimsOf,
  hintsOf,
  type Mark,
  type Member,
  marksOf,
  type PlayerRow,
  type Progress,
  type TeamRow,
  teamRowId,
} from './state.ts';

/** Folding events into rows: each needs the event alone, not the header (I3). These are the rows that it changes. */
export function membersOf(event: StoredEvent): readonly string[] {
  const { playerId, teamId, outcome } = event;
  const isHuntWide = playerId === adminPlayer || playerId === systemPlayer;
  if (teamId === '') return isHuntWide ? [] : [playerId];
  const team = teamRowId(teamId);
  if (isHuntWide) return [team];
  switch (outcome?.$case) {
    case 'playerJoined':
    case 'playerLeft':
    case 'teamCreated':
    case 'teamJoined':
      return [playerId, team];
    case 'stageCompleted':
    case 'treasureClaimed':
      return outcome.value.place === undefined ? [team] : [playerId, team];
    default:
      return [team];
  }
}

export function evolveMember(member: Member, event: StoredEvent): void {
  if (member.kind === 'team') evolveTeam(member, event);
  else evolvePlayer(member, event);
}

function evolvePlayer(row: PlayerRow, event: StoredEvent): void {
  const { outcome } = event;
  switch (outcome?.$case) {
    case 'playerJoined':
      row.presence = 'joined';
      row.name = outcome.value.name;
      // Only an entrant has a prior: in a team hunt joining makes none.
      if (event.prior !== undefined && row.progress.created === 0) enter(row.progress, event);
      return;
    case 'playerLeft':
      row.presence = 'left';
      if (row.team !== '') row.formerTeam = row.team;
      row.team = '';
      return;
    case 'teamCreated':
    case 'teamJoined':
      row.team = event.teamId;
      row.formerTeam = '';
      return;
    case 'playerDisqualified':
      row.banned = true;
      break;
    case 'eventVoided':
      if (event.voided?.outcome?.$case === 'playerDisqualified') row.banned = false;
      break;
    case 'stageCompleted':
    case 'treasureClaimed': {
      const { place } = outcome.value;
      if (place === undefined) break;
      row.lat = place.lat;
      row.lon = place.lon;
      row.placedAt = event.occurredAt;
      break;
    }
    default:
      break;
  }
  if (event.teamId === '' && row.progress.created > 0) evolveProgress(row.progress, event);
}

function evolveTeam(row: TeamRow, event: StoredEvent): void {
  const { outcome } = event;
  switch (outcome?.$case) {
    case 'teamCreated':
      row.name = outcome.value.name;
      row.pin = outcome.value.pin;
      row.size = event.playerId === adminPlayer ? 0 : 1;
      enter(row.progress, event);
      return;
    case 'teamJoined':
      row.size++;
      return;
    case 'playerLeft':
      row.size--;
      return;
    default:
      evolveProgress(row.progress, event);
  }
}

function enter(progress: Progress, event: StoredEvent): void {
  progress.created = event.version;
  progress.reached = event.version;
  progress.since = event.occurredAt;
}

function evolveProgress(progress: Progress, event: StoredEvent): void {
  const { outcome } = event;
  if (event.points !== 0) {
    progress.points += event.points;
    progress.reached = event.version;
  }
  switch (outcome?.$case) {
    case 'playerFinished':
      progress.finishedAt = event.occurredAt;
      progress.settled = event.settled === true;
      break;
    case 'playerDisqualified':
      progress.banned = true;
      break;
    case 'stageCompleted':
      settle(progress, outcome.value.stage, 'done', event.occurredAt).by = wayName(outcome.value.by);
      break;
    case 'stageSkipped':
      settle(progress, outcome.value.stage, 'skipped', event.occurredAt);
      break;
    case 'stageFailed':
      settle(progress, outcome.value.stage, 'failed', event.occurredAt);
      break;
    case 'answerRejected': {
      const mark = markOf(progress, outcome.value.stage);
      mark.used++;
      mark.lockedUntil = outcome.value.lockedUntil;
      break;
    }
    case 'treasureClaimed':
      claimsOf(progress).set(outcome.value.treasure, (progress.claims.get(outcome.value.treasure) ?? 0) + 1);
      break;
    case 'hintTaken':
      hintsOf(progress).set(outcome.value.clue, outcome.value.n);
      break;
    case 'eventVoided':
      if (event.voided !== undefined) takeBack(progress, event.voided);
      if (event.resumes === true) {
        progress.finishedAt = 0;
        progress.settled = false;
      }
      break;
    default:
      break;
  }
}

function takeBack(progress: Progress, { outcome }: StoredEvent): void {
  switch (outcome?.$case) {
    case 'stageCompleted':
    case 'stageSkipped':
      reopen(markOf(progress, outcome.value.stage));
      break;
    case 'answerRejected': {
      const mark = markOf(progress, outcome.value.stage);
      mark.used = Math.max(0, mark.used - 1);
      if (mark.lockedUntil === outcome.value.lockedUntil) mark.lockedUntil = 0;
      // An attempt that came back would be worth nothing in a stage that failed for want of it.
      if (mark.state === 'failed') reopen(mark);
      break;
    }
    case 'treasureClaimed': {
      const left = (progress.claims.get(outcome.value.treasure) ?? 1) - 1;
      if (left > 0) claimsOf(progress).set(outcome.value.treasure, left);
      else claimsOf(progress).delete(outcome.value.treasure);
      break;
    }
    case 'hintTaken':
      // A hint that later ones were built on has been read; only its cost returns.
      if (progress.hints.get(outcome.value.clue) === outcome.value.n)
        hintsOf(progress).set(outcome.value.clue, outcome.value.n - 1);
      break;
    case 'playerDisqualified':
      progress.banned = false;
      break;
    default:
      break;
  }
}

function markOf(progress: Progress, stage: string): Mark {
  let mark = progress.marks.get(stage);
  if (mark === undefined) {
    mark = { state: 'open', by: '', settledAt: 0, used: 0, lockedUntil: 0 };
    marksOf(progress).set(stage, mark);
  }
  return mark;
}

function settle(progress: Progress, stage: string, state: 'done' | 'skipped' | 'failed', at: number): Mark {
  const mark = markOf(progress, stage);
  mark.state = state;
  mark.settledAt = at;
  mark.lockedUntil = 0;
  return mark;
}

function reopen(mark: Mark): void {
  mark.state = 'open';
  mark.by = '';
  mark.settledAt = 0;
}
