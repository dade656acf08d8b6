import type { HuntDecision, Scene } from './scene.ts';

/** Ends the play of the player, or of the whole team. */
export function decideFinish(scene: Scene): HuntDecision {
  scene.act({ $case: 'playerFinished', value: {} });
  return scene.done();
}
