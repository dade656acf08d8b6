import type { StageCompleted_By } from '../../../proto/generated/hunt/v1/event.ts';
import type { Stage } from '../rulebook.ts';
import type { HuntDecision, Scene } from './scene.ts';

/** A right answer or code. */
export function succeed(scene: Scene, stage: Stage, by: StageCompleted_By, text: string): HuntDecision {
  scene.settle(
    stage,
    { $case: 'stageCompleted', value: { stage: stage.id, by, place: undefined, text } },
    stage.definition.points,
  );
  return scene.done();
}

/** A wrong one: costs an attempt and the penalty, and locks the stage; the last one fails it. */
export function reject(scene: Scene, stage: Stage, clue: string, text: string): HuntDecision {
  const used = (scene.progress.marks.get(stage.id)?.used ?? 0) + 1;
  const left = stage.attempts === 0 ? -1 : Math.max(0, stage.attempts - used);
  const lockedUntil = left === 0 || stage.cooldownMs === 0 ? 0 : scene.at + stage.cooldownMs;
  scene.act(
    { $case: 'answerRejected', value: { stage: stage.id, clue, text, attemptsLeft: left, lockedUntil } },
    stage.penalty === 0 ? 0 : -stage.penalty,
  );
  if (left === 0) scene.settle(stage, { $case: 'stageFailed', value: { stage: stage.id } }, 0);
  return scene.done();
}
