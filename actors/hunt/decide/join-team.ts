import type { Refusal } from '../../../runtime/decider.ts';
import type { Of } from '../command.ts';
import { notFound } from '../rules.ts';
import { type HuntDecision, refused, type Scene, teamIn } from './scene.ts';

export function decideJoinTeam(scene: Scene, { team: teamId, pin }: Of<'joinTeam'>): HuntDecision {
  const team = teamIn(scene.state, teamId);
  if (team.progress.created === 0) return { kind: 'refused', refusal: notFound('team') };
  const bound = formerTeamCheck(scene, teamId);
  if (bound !== undefined) return { kind: 'refused', refusal: bound };
  if (scene.player.team !== '') return refused('ALREADY_DONE', 'you have a team: leave and join again to change it');
  if (team.pin !== '' && team.pin !== pin)
    return refused('WRONG_CODE', "that is not the team's pin: ask a member for it");
  scene.emit({ $case: 'teamJoined', value: {} }, { team: teamId });
  return scene.done();
}

/** Nobody changes over from a team that has scored. */
export function formerTeamCheck(scene: Scene, teamId: string): Refusal | undefined {
  const { formerTeam } = scene.player;
  if (formerTeam === '' || formerTeam === teamId) return undefined;
  const { created, reached } = teamIn(scene.state, formerTeam).progress;
  return reached === created
    ? undefined
    : refused('NOT_ALLOWED', `your former team ${formerTeam} has scored: you can only go back to it`).refusal;
}
