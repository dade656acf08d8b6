import type { PlayerAction } from '../command.ts';
import { membershipCheck, teamCheck, windowCheck } from '../rules.ts';
import { decideAnswer } from './answer.ts';
import { decideCheckIn } from './check-in.ts';
import { decideClaim } from './claim.ts';
import { decideCreateTeam } from './create-team.ts';
import { decideFinish } from './finish.ts';
import { decideHint } from './hint.ts';
import { decideJoin } from './join.ts';
import { decideJoinTeam } from './join-team.ts';
import { decideLeave } from './leave.ts';
import { decideScan } from './scan.ts';
import type { HuntDecision, Scene } from './scene.ts';
import { decideSkip } from './skip.ts';

/** The first checks are the same for all; from cooldown on each action has its own. */
export function decidePlayer(scene: Scene, action: PlayerAction): HuntDecision {
  const refusal =
    windowCheck(scene, action.$case) ??
    membershipCheck(scene, action.$case) ??
    (action.$case === 'joinTeam' ? teamCheck(scene, action.value.team) : undefined);
  if (refusal !== undefined) return { kind: 'refused', refusal };
  switch (action.$case) {
    case 'join':
      return decideJoin(scene, action.value);
    case 'leave':
      return decideLeave(scene);
    case 'finish':
      return decideFinish(scene);
    case 'createTeam':
      return decideCreateTeam(scene, action.value);
    case 'joinTeam':
      return decideJoinTeam(scene, action.value);
    case 'checkIn':
      return decideCheckIn(scene, action.value);
    case 'answer':
      return decideAnswer(scene, action.value);
    case 'scan':
      return decideScan(scene, action.value);
    case 'claim':
      return decideClaim(scene, action.value);
    case 'hint':
      return decideHint(scene, action.value);
    case 'skip':
      return decideSkip(scene, action.value);
    default:
      return action satisfies never;
  }
}
