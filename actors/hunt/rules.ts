import type { Refusal } from '../../runtime/decider.ts';
import type { PlayerActionName } from './command.ts';
import { refused, type Scene, teamIn } from './decide/scene.ts';
import { distanceM, type Position } from './geodesy.ts';
import { isOpen, timeIsUp } from './progress.ts';
import type { Spot, Stage } from './rulebook.ts';
import { statusAt } from './state.ts';

/**
 * The checks of the rules that several actions share. Each decision calls them in this order:
 * window, membership and ban, cooldown, prerequisites, attempts, geofence, speed, content, stock. The order decides
 * which code a command gets that offends against two.
 */
type Verdict = Refusal | undefined;
const no = (...args: Parameters<typeof refused>): Refusal => refused(...args).refusal;

const allowedBeforeOpening: ReadonlySet<PlayerActionName> = new Set(['join', 'leave', 'createTeam', 'joinTeam']);
const statusSentence = {
  draft: 'has no opening time yet',
  scheduled: 'has not opened yet',
  open: 'is open',
  paused: 'is paused',
  closed: 'is closed',
};

export function windowCheck(scene: Scene, action: PlayerActionName): Verdict {
  const status = statusAt(scene.header, scene.at);
  if (status === 'open' || (status !== 'closed' && allowedBeforeOpening.has(action))) return undefined;
  return no(
    'HUNT_NOT_OPEN',
    `the hunt ${statusSentence[status]}: ${status === 'closed' ? 'nothing can be done any more' : 'wait for its designer to open it'}`,
    { detail: { status } },
  );
}

export function membershipCheck(scene: Scene, action: PlayerActionName): Verdict {
  const { player, team, entrant, header, rules } = scene;
  const { limits } = rules.definition;
  const isJoining = action === 'join';
  if (!isJoining && player.presence !== 'joined')
    return no(
      'NOT_JOINED',
      `you have ${player.presence === 'left' ? 'left' : 'not joined'} this hunt: send join first`,
    );
  if (player.banned || player.progress.banned || team?.progress.banned === true)
    return no('DISQUALIFIED', 'you are disqualified in this hunt: ask its designer');
  if (action !== 'leave' && entrant !== undefined) {
    if (entrant.progress.finishedAt > 0)
      return no(
        'FINISHED',
        `${scene.isTeamHunt ? 'your team has' : 'you have'} finished this hunt: only leave is possible`,
      );
    if (timeIsUp(rules, entrant.progress, scene.at))
      return no('TIME_UP', `the ${limits.duration_s} s that each entrant has are over: only leave is possible`);
  }
  if (entrant === undefined && !allowedBeforeOpening.has(action))
    return no('NO_TEAM', 'this hunt is played in teams: create_team or join_team first');
  if (isJoining && player.presence !== 'joined' && header.players >= limits.players)
    return no('HUNT_FULL', `the hunt has its ${limits.players} players: wait until somebody leaves`);
  if (action === 'createTeam' && header.teams >= limits.teams)
    return no('HUNT_FULL', `the hunt has its ${limits.teams} teams: join one of them`);
  return undefined;
}

/** Joining a team asks the same of that team. */
export function teamCheck(scene: Scene, teamId: string): Verdict {
  const { progress, size } = teamIn(scene.state, teamId);
  if (progress.created === 0) return undefined;
  if (progress.banned) return no('DISQUALIFIED', 'that team is disqualified: choose another');
  if (progress.finishedAt > 0) return no('FINISHED', 'that team has finished: choose another');
  if (timeIsUp(scene.rules, progress, scene.at)) return no('TIME_UP', "that team's time is over: choose another");
  const { size_max: sizeMax } = scene.rules.definition.team;
  return size >= sizeMax ? no('TEAM_FULL', `that team has its ${sizeMax} members: choose another`) : undefined;
}

export function cooldownCheck(scene: Scene, stage: Stage): Verdict {
  const mark = scene.progress.marks.get(stage.id);
  if (mark === undefined || mark.state !== 'open' || mark.lockedUntil <= scene.at) return undefined;
  const retryMs = mark.lockedUntil - scene.at;
  return no('COOLDOWN', `stage ${stage.id} is locked for ${Math.ceil(retryMs / 1000)} s more after a wrong try: wait`, {
    retryMs,
    detail: { locked_until: mark.lockedUntil },
  });
}

export const notFound = (what: string): Refusal =>
  no('NOT_FOUND', `there is no such ${what} in this hunt: take an id from your view`);

/** Open to the entrant; a failed stage passes where attempts are judged later (`failedPasses`). */
export function stageCheck(scene: Scene, stage: Stage, failedPasses = false): Verdict {
  const mark = scene.progress.marks.get(stage.id);
  if (mark?.state === 'failed' && failedPasses) return undefined;
  if (scene.isSettled(stage)) return no('ALREADY_DONE', `stage ${stage.id} is ${mark?.state ?? 'done'} already`);
  return isOpen(stage, scene.progress, scene.time)
    ? undefined
    : no('STAGE_LOCKED', `stage ${stage.id} is not open to you: settle what comes before it, or wait for its time`);
}

export function attemptsCheck(scene: Scene, stage: Stage): Verdict {
  const mark = scene.progress.marks.get(stage.id);
  return mark?.state === 'failed'
    ? no('NO_ATTEMPTS', `stage ${stage.id} has no attempts left: it has failed`, { detail: { attempts_left: 0 } })
    : undefined;
}

export function accuracyCheck(scene: Scene, accuracy: number): Verdict {
  const { accuracy_max_m: most } = scene.rules.definition.location;
  return accuracy > most
    ? no('LOW_ACCURACY', `accuracy is ${Math.round(accuracy)} m, at most ${most} m is allowed: wait for a better fix`)
    : undefined;
}

/** The distance if it fits. */
export function fitting(
  scene: Scene,
  spot: Spot,
  place: Position & { accuracy: number },
): { distance: number; fits: boolean } {
  const distance = distanceM(spot, place);
  return {
    distance,
    fits: distance <= spot.radiusM + Math.min(place.accuracy, scene.rules.definition.location.accuracy_cap_m),
  };
}

export function speedCheck(scene: Scene, place: Position): Verdict {
  const { player } = scene;
  const { speed_max_mps: most } = scene.rules.definition.location;
  if (most === 0 || player.placedAt === 0) return undefined;
  const seconds = Math.max((scene.at - player.placedAt) / 1000, 1);
  return distanceM(player, place) / seconds > most
    ? no('TOO_FAST', `nobody gets there from your last position at ${most} m/s: wait, then send your true position`)
    : undefined;
}
