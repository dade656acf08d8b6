import { StageCompleted_By } from '../../../proto/generated/hunt/v1/event.ts';
import type { Of } from '../command.ts';
import { answers } from '../matching.ts';
import { attemptsCheck, cooldownCheck, notFound, stageCheck } from '../rules.ts';
import { reject, succeed } from './attempt.ts';
import { type HuntDecision, refused, type Scene } from './scene.ts';

export function decideAnswer(scene: Scene, { clue, text }: Of<'answer'>): HuntDecision {
  const stage = scene.rules.clue.get(clue)?.stage;
  if (stage === undefined) return { kind: 'refused', refusal: notFound('clue') };
  const { way } = stage;
  const locked = cooldownCheck(scene, stage);
  if (locked !== undefined) return { kind: 'refused', refusal: locked };
  if (way.by !== 'answer' || way.clue !== clue)
    return refused('NOT_ALLOWED', `clue ${clue} asks for no answer: see its stage's task`);
  const closed = stageCheck(scene, stage, true) ?? attemptsCheck(scene, stage);
  if (closed !== undefined) return { kind: 'refused', refusal: closed };
  return answers(text, way.match, way.accept)
    ? succeed(scene, stage, StageCompleted_By.ANSWER, text)
    : reject(scene, stage, clue, text);
}
