import type { HuntDefinition, StageDefinition } from './definition-shape.ts';
import { instantOf } from './definition-time.ts';

/** What is allowed, but hardly meant: told at creation and by a dry run. */
export function definitionWarnings(definition: HuntDefinition): string[] {
  const { stages, treasures, window } = definition;
  const warnings: string[] = [];
  const closes = window.closes === undefined ? Number.POSITIVE_INFINITY : instantOf(window.closes)!;
  const opens = window.opens === undefined ? 0 : instantOf(window.opens)!;
  for (const stage of stages) {
    const from = stage.window?.opens === undefined ? 0 : instantOf(stage.window.opens)!;
    const to = stage.window?.closes === undefined ? Number.POSITIVE_INFINITY : instantOf(stage.window.closes)!;
    if (from >= closes || to <= opens)
      warnings.push(`stage ${stage.id} can never be open: its window lies outside of the hunt's`);
    const answer = stage.complete.answer;
    if (answer !== undefined && stage.skip === false && stage.attempts === 0 && answer.accept.length === 0)
      warnings.push(`stage ${stage.id} cannot be settled`);
    const treasure = treasures.find(({ id }) => id === stage.complete.claim?.treasure);
    if (treasure !== undefined) warnings.push(...claimWarnings(stage, treasure, definition));
  }
  for (const treasure of treasures) {
    if (treasure.stock === 0) warnings.push(`treasure ${treasure.id} has stock 0: nobody can claim it`);
    if (treasure.opens !== undefined && instantOf(treasure.opens)! >= closes)
      warnings.push(`treasure ${treasure.id} is released only after the hunt has closed`);
  }
  if (definition.entry === 'team' && definition.team.create === 'designer' && definition.team.list.length === 0) {
    warnings.push('players may not create teams and team.list is empty: nobody can play');
  }
  if (stages.every(({ points }) => points === 0) && treasures.every(({ points }) => points === 0))
    warnings.push('no stage and no treasure gives points: all ranks follow from the order of joining');
  return warnings;
}

function claimWarnings(
  stage: StageDefinition,
  treasure: HuntDefinition['treasures'][number],
  definition: HuntDefinition,
): string[] {
  const warnings: string[] = [];
  if (treasure.stage === undefined && treasure.per_entrant !== 0 && definition.order !== 'any') {
    warnings.push(
      `treasure ${treasure.id} completes stage ${stage.id} but can be claimed before that stage is open, and then no more: give it stage: ${stage.id}`,
    );
  }
  if (
    treasure.stage !== undefined &&
    treasure.stage !== stage.id &&
    mustWaitFor(treasure.stage, stage.id, definition)
  ) {
    warnings.push(
      `stage ${stage.id} cannot be completed: its treasure ${treasure.id} belongs to stage ${treasure.stage}, which opens only after it`,
    );
  }
  if (treasure.stock !== undefined && stage.skip === false)
    warnings.push(
      `stage ${stage.id} cannot be settled by whoever comes after treasure ${treasure.id} has run out, and it may not be skipped`,
    );
  return warnings;
}

/** Whether `later` opens only after `earlier` is settled. */
function mustWaitFor(later: string, earlier: string, definition: HuntDefinition): boolean {
  const { order, stages } = definition;
  if (order === 'any') return false;
  if (order === 'linear')
    return stages.findIndex(({ id }) => id === later) > stages.findIndex(({ id }) => id === earlier);
  const open = [later];
  const seen = new Set(open);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const required of stages.find((stage) => stage.id === id)?.requires ?? []) {
      if (required === earlier) return true;
      if (!seen.has(required)) {
        seen.add(required);
        open.push(required);
      }
    }
  }
  return false;
}
