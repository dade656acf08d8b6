import type { HuntDecision, Scene } from './scene.ts';

/** Keeps all progress; a player of a team leaves the team as well. */
export function decideLeave(scene: Scene): HuntDecision {
  scene.emit({ $case: 'playerLeft', value: {} }, { team: scene.player.team });
  return scene.done();
}
