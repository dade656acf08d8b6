import { adminPlayer, systemPlayer } from '../../proto/ids.ts';
import type { HuntDefinition } from './definition.ts';
import type { StoredEvent } from './event.ts';
import { rulebook } from './rulebook.ts';
import type { Leader } from './standings.ts';
import { type Header, requestKeptMs, requestsMax, rulesOf, teamRowsMax } from './state.ts';

/** Folding events into the header: it needs the event alone, no row (I3). */
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
