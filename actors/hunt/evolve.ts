import { adminPlayer, systemPlayer } from '../../proto/ids.ts';
import type { HuntDefinition } from './definition.ts';
import { type StoredEvent, wayName } from './event.ts';
import { rulebook } from './rulebook.ts';
import type { Leader } from './standings.ts';
import {
  type Header,
  type Mark,
  type Member,
  type PlayerRow,
  type Progress,
  requestKeptMs,
  requestsMax,
  rulesOf,
  type TeamRow,
  teamRowId,
  teamRowsMax,
} from './state.ts';

/** Folding events into the header and, apart from it, into rows: each needs the event alone (I3). */
export function evolveHeader(header: Header, event: StoredEvent): void {
  const { outcome } = event;
  if (event.requestKey !== undefined && event.requestKey !== '') remember(header, event.requestKey, event);
  if (event.prior !== undefined) rank(header, event);
  switch (outcome?.$case) {
    case 'huntCreated': {
      const { definitionJson, owner, lineage } = outcome.value;
      install(header, definitionJson);
      header.definitionVersion = 1;
      header.owner = owner;
      header.lineage = lineage;
      header.joinCode = event.joinCode ?? '';
      header.closesAt = rulesOf(header).closes;
      header.status = rulesOf(header).opens === undefined ? 'draft' : 'scheduled';
      break;
    }
    case 'definitionPublished':
      republish(header, outcome.value.definitionJson);
      header.definitionVersion = outcome.value.definitionVersion;
      break;
    case 'huntOpened':
      header.status = 'open';
      // The alarm may come late: what the opening time promised counts.
      header.openedAt =
        event.playerId === systemPlayer
          ? Math.min(event.occurredAt, rulesOf(header).opens ?? event.occurredAt)
          : event.occurredAt;
      break;
    case 'huntPaused':
      header.status = 'paused';
      break;
    case 'huntResumed':
      header.status = 'open';
      break;
    case 'huntExtended':
      header.closesAt = outcome.value.closesAt;
      break;
    case 'huntClosed':
      header.status = 'closed';
      break;
    case 'treasureReleased':
      holdingOf(header, outcome.value.treasure).released = true;
      break;
    case 'playerJoined':
      header.players++;
      break;
    case 'playerLeft':
      header.players--;
      resize(header, event.teamId, -1);
      break;
    case 'teamCreated':
      header.teams++;
      if (header.teamRows.length < teamRowsMax)
        header.teamRows.push({
          id: event.teamId,
          name: outcome.value.name,
          size: event.playerId === adminPlayer ? 0 : 1,
        });
      break;
    case 'teamJoined':
      resize(header, event.teamId, 1);
      break;
    case 'treasureClaimed': {
      const holding = holdingOf(header, outcome.value.treasure);
      holding.claimed++;
      holding.found = true;
      break;
    }
    case 'eventVoided': {
      header.voided.add(outcome.value.voids);
      const taken = event.voided?.outcome;
      if (taken?.$case !== 'treasureClaimed') break;
      const holding = holdingOf(header, taken.value.treasure);
      holding.claimed--;
      // The first finder's bonus was taken back with the claim: it is to be had again.
      if (taken.value.first) holding.found = false;
      break;
    }
    default:
      break;
  }
}

function install(header: Header, definitionJson: string): void {
  header.rules = rulebook(JSON.parse(definitionJson) as HuntDefinition);
}

/** A new definition moves the window only where it says something else than the one before. */
function republish(header: Header, definitionJson: string): void {
  const before = rulesOf(header);
  install(header, definitionJson);
  const after = rulesOf(header);
  if (after.closes !== before.closes) header.closesAt = after.closes;
  if (header.status === 'draft' || header.status === 'scheduled')
    header.status = after.opens === undefined ? 'draft' : 'scheduled';
}

function remember({ requests }: Header, key: string, { version, occurredAt }: StoredEvent): void {
  requests.delete(key);
  requests.set(key, { version, events: 1, at: occurredAt });
  for (const [old, { at }] of requests) {
    if (requests.size <= requestsMax && occurredAt - at < requestKeptMs) break;
    requests.delete(old);
  }
}

function holdingOf({ treasures }: Header, id: string): { claimed: number; found: boolean; released: boolean } {
  let holding = treasures.get(id);
  if (holding === undefined) {
    holding = { claimed: 0, found: false, released: false };
    treasures.set(id, holding);
  }
  return holding;
}

function resize({ teamRows }: Header, team: string, by: number): void {
  const row = team === '' ? undefined : teamRows.find(({ id }) => id === team);
  if (row !== undefined) row.size += by;
}

/** Moves the entrant that the event is about to its new place. */
function rank({ standings }: Header, event: StoredEvent): void {
  const prior = event.prior!;
  const { outcome } = event;
  const before = { points: prior.points, reached: prior.reachedVersion };
  const id = event.teamId !== '' ? event.teamId : event.playerId;
  const enters = outcome?.$case === 'teamCreated' || (outcome?.$case === 'playerJoined' && !outcome.value.rejoined);
  const returns = outcome?.$case === 'eventVoided' && event.voided?.outcome?.$case === 'playerDisqualified';
  if (enters || returns) {
    standings.add({
      id,
      name: prior.name,
      points: prior.points,
      reached: enters ? event.version : prior.reachedVersion,
      finishedAt: prior.finishedAt,
    });
    return;
  }
  if (!prior.ranked) return;
  if (outcome?.$case === 'playerDisqualified') {
    standings.remove(before);
    return;
  }
  let leader: Leader | undefined;
  if (event.points !== 0) {
    const known = standings.remove(before);
    const { name, finishedAt } = prior.name === '' && known !== undefined ? known : prior;
    standings.add({ id, name, points: prior.points + event.points, reached: event.version, finishedAt });
    leader = standings.leaderAt({ points: prior.points + event.points, reached: event.version });
  } else leader = standings.leaderAt(before);
  if (leader === undefined) return;
  if (outcome?.$case === 'playerFinished') leader.finishedAt = event.occurredAt;
  if (outcome?.$case === 'playerJoined') leader.name = outcome.value.name;
  if (event.resumes === true) leader.finishedAt = 0;
}

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
      progress.claims.set(outcome.value.treasure, (progress.claims.get(outcome.value.treasure) ?? 0) + 1);
      break;
    case 'hintTaken':
      progress.hints.set(outcome.value.clue, outcome.value.n);
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
      if (left > 0) progress.claims.set(outcome.value.treasure, left);
      else progress.claims.delete(outcome.value.treasure);
      break;
    }
    case 'hintTaken':
      // A hint that later ones were built on has been read; only its cost returns.
      if (progress.hints.get(outcome.value.clue) === outcome.value.n)
        progress.hints.set(outcome.value.clue, outcome.value.n - 1);
      break;
    case 'playerDisqualified':
      progress.banned = false;
      break;
    default:
      break;
  }
}

function markOf({ marks }: Progress, stage: string): Mark {
  let mark = marks.get(stage);
  if (mark === undefined) {
    mark = { state: 'open', by: '', settledAt: 0, used: 0, lockedUntil: 0 };
    marks.set(stage, mark);
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
