import { type Place, StageCompleted_By } from '../../../proto/generated/hunt/v1/event.ts';
import type { Of } from '../command.ts';
import { rounded } from '../geodesy.ts';
import { codeForm } from '../matching.ts';
import { isOpen, isReleased, isWithinReach } from '../progress.ts';
import type { Treasure } from '../rulebook.ts';
import { accuracyCheck, fitting, notFound, speedCheck } from '../rules.ts';
import { type HuntDecision, refused, type Scene } from './scene.ts';

type Claim = Of<'claim'>;

export function decideClaim(scene: Scene, action: Claim): HuntDecision {
  const { progress, header, at } = scene;
  const treasure = scene.rules.treasure.get(action.treasure);
  if (treasure === undefined) return { kind: 'refused', refusal: notFound('treasure') };
  const { points, stock, per_entrant: most, first_finder_bonus: firstBonus } = treasure.definition;
  if (!isReleased(treasure, header, at))
    return refused('STAGE_LOCKED', `treasure ${treasure.id} is not released yet: wait`);
  if (!isWithinReach(treasure, progress, scene.time))
    return refused('STAGE_LOCKED', `treasure ${treasure.id} belongs to a stage that is not open to you`);
  if (most > 0 && (progress.claims.get(treasure.id) ?? 0) >= most)
    return refused(
      'ALREADY_CLAIMED',
      `${scene.isTeamHunt ? 'your team has' : 'you have'} claimed treasure ${treasure.id} already`,
    );
  const place = placeFor(scene, treasure, action);
  if ('kind' in place) return place;
  if (treasure.code !== undefined && codeForm(action.code) !== treasure.code)
    return refused('WRONG_CODE', `claiming treasure ${treasure.id} needs its code: send it as code`);
  const held = header.treasures.get(treasure.id);
  const claimed = held?.claimed ?? 0;
  if (stock !== undefined && claimed >= stock)
    return refused('OUT_OF_STOCK', `all ${stock} of treasure ${treasure.id} were claimed by others`);

  const first = held?.found !== true;
  const bonus = first ? firstBonus : 0;
  scene.act(
    {
      $case: 'treasureClaimed',
      value: {
        treasure: treasure.id,
        bonus,
        first,
        stockLeft: stock === undefined ? 0 : stock - claimed - 1,
        limited: stock !== undefined,
        place: place.place,
      },
    },
    points + bonus,
  );
  for (const stage of treasure.completes) {
    if (!isOpen(stage, progress, scene.time)) continue;
    scene.settle(
      stage,
      { $case: 'stageCompleted', value: { stage: stage.id, by: StageCompleted_By.CLAIM, place: undefined, text: '' } },
      stage.definition.points,
    );
  }
  return scene.done();
}

/** The position that the claim counts with. A position of its own accord counts for speed if it is accurate enough to say anything. */
function placeFor(
  scene: Scene,
  { spot, id }: Treasure,
  { lat, lon, accuracy }: Claim,
): { place: Place | undefined } | ReturnType<typeof refused> {
  if (lat === undefined || lon === undefined || accuracy === undefined) {
    return spot === undefined
      ? { place: undefined }
      : refused('INVALID', `claiming treasure ${id} needs your position: send lat, lon and accuracy`);
  }
  const place = { lat, lon, accuracy };
  const vague = accuracyCheck(scene, accuracy);
  if (vague !== undefined) return spot === undefined ? { place: undefined } : { kind: 'refused', refusal: vague };
  const measured = spot === undefined ? undefined : fitting(scene, spot, place);
  if (measured?.fits === false) {
    return refused(
      'OUT_OF_RANGE',
      `treasure ${id} is not within range: go closer`,
      spot?.pin === true ? { detail: { distance_m: rounded(measured.distance) } } : {},
    );
  }
  const fast = speedCheck(scene, place);
  if (fast !== undefined) return { kind: 'refused', refusal: fast };
  return { place: { ...place, distanceM: rounded(measured?.distance ?? 0) } };
}
