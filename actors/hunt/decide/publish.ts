import { adminPlayer } from '../../../proto/ids.ts';
import type { VerbOf } from '../command.ts';
import { statusAt } from '../state.ts';
import { type HuntDecision, refused, type Scene } from './scene.ts';

/** The next definition of a hunt. What has been played must keep its meaning: who scores, and the ids that events name. */
export function decidePublish(scene: Scene, { definition, key }: VerbOf<'publish'>): HuntDecision {
  const { header, rules, at } = scene;
  const present = rules.definition;
  const status = statusAt(header, at);
  if (status === 'closed')
    return refused('WRONG_STATE', 'the hunt is closed: its definition stands', { detail: { status } });
  if (definition.entry !== present.entry)
    return refused('WRONG_STATE', `entry is ${present.entry} and cannot be changed any more: make a new hunt`);
  const stages = new Set(definition.stages.map(({ id }) => id));
  const treasures = new Set(definition.treasures.map(({ id }) => id));
  const missing =
    present.stages.find(({ id }) => !stages.has(id)) ?? present.treasures.find(({ id }) => !treasures.has(id));
  if (missing !== undefined && header.openedAt > 0)
    return refused(
      'WRONG_STATE',
      `${missing.id} may have been played and cannot be removed any more: keep it in the definition`,
    );
  scene.emit(
    {
      $case: 'definitionPublished',
      value: { definitionVersion: header.definitionVersion + 1, definitionJson: JSON.stringify(definition) },
    },
    { player: adminPlayer, requestKey: key },
  );
  return scene.done();
}
