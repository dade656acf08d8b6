import { StageCompleted_By } from '../../../proto/generated/hunt/v1/event.ts';
import type { Of } from '../command.ts';
import { rounded } from '../geodesy.ts';
import { isOpen } from '../progress.ts';
import type { Spot, Stage } from '../rulebook.ts';
import { accuracyCheck, fitting, notFound, speedCheck, stageCheck } from '../rules.ts';
import { type HuntDecision, refused, type Scene } from './scene.ts';

export function decideCheckIn(scene: Scene, action: Of<'checkIn'>): HuntDecision {
  const place = { lat: action.lat, lon: action.lon, accuracy: action.accuracy };
  let candidates: { stage: Stage; spot: Spot }[];
  if (action.stage === '') {
    candidates = scene.rules.stages.flatMap((stage) =>
      stage.way.by === 'check_in' && isOpen(stage, scene.progress, scene.time) ? [{ stage, spot: stage.way.spot }] : [],
    );
  } else {
    const stage = scene.rules.stage.get(action.stage);
    if (stage === undefined) return { kind: 'refused', refusal: notFound('stage') };
    if (stage.way.by !== 'check_in')
      return refused('NOT_ALLOWED', `stage ${stage.id} is not completed by a check-in: see its task`);
    const closed = stageCheck(scene, stage);
    if (closed !== undefined) return { kind: 'refused', refusal: closed };
    candidates = [{ stage, spot: stage.way.spot }];
  }
  const vague = accuracyCheck(scene, place.accuracy);
  if (vague !== undefined) return { kind: 'refused', refusal: vague };
  const measured = candidates
    .map(({ stage, spot }) => ({ stage, spot, ...fitting(scene, spot, place) }))
    .sort((a, b) => a.distance - b.distance);
  const nearest = measured.find(({ fits }) => fits);
  if (nearest === undefined) {
    // Only what is pinned on the map may be told, or three tries would find the hidden place (I9).
    const pinned = measured.find(({ spot }) => spot.pin);
    return refused(
      'OUT_OF_RANGE',
      'there is no open check-in stage within range: go closer',
      pinned === undefined ? {} : { detail: { distance_m: rounded(pinned.distance) } },
    );
  }
  const fast = speedCheck(scene, place);
  if (fast !== undefined) return { kind: 'refused', refusal: fast };
  const { stage, distance } = nearest;
  scene.settle(
    stage,
    {
      $case: 'stageCompleted',
      value: {
        stage: stage.id,
        by: StageCompleted_By.CHECK_IN,
        place: { ...place, distanceM: rounded(distance) },
        text: '',
      },
    },
    stage.definition.points,
  );
  return scene.done();
}
