import type { Of } from '../command.ts';
import { openedAt } from '../progress.ts';
import { notFound, stageCheck } from '../rules.ts';
import { type HuntDecision, refused, type Scene } from './scene.ts';

export function decideHint(scene: Scene, { clue: clueId }: Of<'hint'>): HuntDecision {
  const clue = scene.rules.clue.get(clueId);
  if (clue === undefined) return { kind: 'refused', refusal: notFound('clue') };
  const { stage, definition } = clue;
  const closed = stageCheck(scene, stage);
  if (closed !== undefined) return { kind: 'refused', refusal: closed };
  const taken = scene.progress.hints.get(clueId) ?? 0;
  const hint = definition.hints[taken];
  if (hint === undefined) return refused('NO_HINTS', `clue ${clueId} has no ${taken === 0 ? '' : 'more '}hints`);
  const due = openedAt(stage, scene.progress, scene.header) + hint.delay_s * 1000;
  if (scene.at < due)
    return refused(
      'COOLDOWN',
      `the next hint of clue ${clueId} comes in ${Math.ceil((due - scene.at) / 1000)} s: wait`,
      { retryMs: due - scene.at },
    );
  scene.act(
    { $case: 'hintTaken', value: { stage: stage.id, clue: clueId, n: taken + 1 } },
    hint.cost === 0 ? 0 : -hint.cost,
  );
  return scene.done();
}
