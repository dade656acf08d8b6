import { StageCompleted_By } from '../../../proto/generated/hunt/v1/event.ts';
import type { Of } from '../command.ts';
import { codeForm, codeHash } from '../matching.ts';
import { isOpen } from '../progress.ts';
import { attemptsCheck, cooldownCheck, stageCheck } from '../rules.ts';
import { reject, succeed } from './attempt.ts';
import { type HuntDecision, refused, type Scene } from './scene.ts';

/** A scan names no stage: the code tells. One that fits nothing counts against the only open scan stage, if there is but one. */
export function decideScan(scene: Scene, { code }: Of<'scan'>): HuntDecision {
  const hash = codeHash(codeForm(code));
  const scans = scene.rules.stages.flatMap((stage) =>
    stage.way.by === 'scan' ? [{ stage, hash: stage.way.hash }] : [],
  );
  const open = scans.filter(({ stage }) => isOpen(stage, scene.progress, scene.time));
  const fit = open.find((scan) => scan.hash === hash)?.stage;
  if (fit === undefined) {
    const elsewhere = scans.filter((scan) => scan.hash === hash).map(({ stage }) => stage);
    const stage = elsewhere.find((one) => !scene.isSettled(one)) ?? elsewhere[0];
    const closed = stage === undefined ? undefined : (stageCheck(scene, stage, true) ?? attemptsCheck(scene, stage));
    if (closed !== undefined) return { kind: 'refused', refusal: closed };
    if (open.length !== 1) return refused('WRONG_CODE', 'that code fits no open stage: look for another');
  }
  const stage = fit ?? open[0]!.stage;
  const locked = cooldownCheck(scene, stage);
  if (locked !== undefined) return { kind: 'refused', refusal: locked };
  return fit === undefined ? reject(scene, stage, '', code) : succeed(scene, stage, StageCompleted_By.SCAN, code);
}
