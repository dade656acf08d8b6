import type { Of } from '../command.ts';
import { isOpen } from '../progress.ts';
import { notFound, stageCheck } from '../rules.ts';
import { type HuntDecision, refused, type Scene } from './scene.ts';

export function decideSkip(scene: Scene, action: Of<'skip'>): HuntDecision {
  const open =
    action.stage === '' ? scene.rules.stages.filter((stage) => isOpen(stage, scene.progress, scene.time)) : [];
  if (action.stage === '' && open.length !== 1)
    return refused(
      'INVALID',
      `stage is needed where not exactly one is open (${open.length} are): name the stage to skip`,
    );
  const stage = action.stage === '' ? open[0] : scene.rules.stage.get(action.stage);
  if (stage === undefined) return { kind: 'refused', refusal: notFound('stage') };
  if (!stage.skip) return refused('NOT_ALLOWED', `stage ${stage.id} cannot be skipped`);
  const closed = stageCheck(scene, stage);
  if (closed !== undefined) return { kind: 'refused', refusal: closed };
  scene.settle(
    stage,
    { $case: 'stageSkipped', value: { stage: stage.id } },
    stage.skipPenalty === 0 ? 0 : -stage.skipPenalty,
  );
  return scene.done();
}
