import type { Of } from '../command.ts';
import { initialProgress } from '../state.ts';
import { formerTeamCheck } from './join-team.ts';
import { type HuntDecision, refused, type Scene } from './scene.ts';

/** The team's id is made from its event's version: no two are alike, and replay gives the same (I3). */
export function decideCreateTeam(scene: Scene, { name, pin }: Of<'createTeam'>): HuntDecision {
  const { team: rules } = scene.rules.definition;
  if (!scene.isTeamHunt) return refused('NOT_ALLOWED', 'this hunt is played solo: there are no teams');
  if (rules.create === 'designer')
    return refused('NOT_ALLOWED', 'teams are made by the designer here: join_team one of them');
  const bound = formerTeamCheck(scene, '');
  if (bound !== undefined) return { kind: 'refused', refusal: bound };
  if (scene.player.team !== '') return refused('ALREADY_DONE', 'you have a team: leave and join again to change it');
  const listed = new Set(rules.list.map(({ id }) => id));
  let team = `t${scene.state.version + 1}`;
  while (listed.has(team)) team += 'x';
  scene.emitFor({ progress: initialProgress(), name }, { $case: 'teamCreated', value: { name, pin } }, { team });
  return scene.done();
}
