import { adminPlayer } from '../../../proto/ids.ts';
import type { Subject, VerbOf } from '../command.ts';
import { type Entrant, type HuntDecision, playerIn, refused, type Scene, teamIn } from './scene.ts';

interface Affected {
  readonly entrant: Entrant;
  readonly player: string;
  readonly team: string;
}

/** A player's points are its team's in a team hunt. */
export function decideAdjust(scene: Scene, verb: VerbOf<'adjust'>): HuntDecision {
  const affected = affectedBy(scene, verb);
  if ('kind' in affected) return affected;
  const { entrant, player, team } = affected;
  scene.emitFor(
    entrant,
    { $case: 'scoreAdjusted', value: { reason: verb.reason } },
    { points: verb.points, player, team, requestKey: verb.key },
  );
  return scene.done();
}

export function decideDisqualify(scene: Scene, verb: VerbOf<'disqualify'>): HuntDecision {
  const outcome = { $case: 'playerDisqualified', value: { reason: verb.reason } } as const;
  const again = refused('ALREADY_DONE', 'disqualified already: void that event to take it back');
  if (scene.isTeamHunt && verb.player !== '') {
    // The player alone: the team plays on, so the event does not name it.
    const row = playerIn(scene.state, verb.player);
    if (row.presence === 'none') return unknownSubject(verb);
    if (row.banned) return again;
    scene.emit(outcome, { player: verb.player, requestKey: verb.key });
    return scene.done();
  }
  const affected = affectedBy(scene, verb);
  if ('kind' in affected) return affected;
  if (affected.entrant.progress.banned) return again;
  scene.emitFor(affected.entrant, outcome, { player: affected.player, team: affected.team, requestKey: verb.key });
  return scene.done();
}

function affectedBy(scene: Scene, { player, team }: Subject): Affected | ReturnType<typeof refused> {
  if (team !== '') {
    if (!scene.isTeamHunt) return unknownSubject({ player, team });
    const row = teamIn(scene.state, team);
    return row.progress.created === 0 ? unknownSubject({ player, team }) : { entrant: row, player: adminPlayer, team };
  }
  const row = playerIn(scene.state, player);
  if (row.presence === 'none') return unknownSubject({ player, team });
  if (!scene.isTeamHunt) return { entrant: row, player, team: '' };
  return row.team === ''
    ? refused('WRONG_STATE', `player ${player} has no team, and points belong to teams here: name a team`)
    : { entrant: teamIn(scene.state, row.team), player, team: row.team };
}

const unknownSubject = ({ player, team }: Subject): ReturnType<typeof refused> =>
  refused(
    'NOT_FOUND',
    team === ''
      ? `player ${player} has never joined this hunt: check the id`
      : `team ${team} does not exist in this hunt: check the id`,
  );
