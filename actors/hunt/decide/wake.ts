import { systemPlayer } from '../../../proto/ids.ts';
import type { HuntDecision, Scene } from './scene.ts';

/** What is due by time: the opening, released treasures, the closing, in this order. */
export function decideWake(scene: Scene): HuntDecision {
  const { header, rules, at } = scene;
  if (header.status === 'closed') return { kind: 'nothing' };
  const player = systemPlayer;
  if (header.status === 'scheduled' && rules.opens !== undefined && rules.opens <= at)
    scene.emit({ $case: 'huntOpened', value: {} }, { player });
  for (const treasure of rules.timed) {
    if (treasure.opens <= at && header.treasures.get(treasure.id)?.released !== true) {
      scene.emit({ $case: 'treasureReleased', value: { treasure: treasure.id } }, { player });
    }
  }
  if (header.closesAt !== undefined && header.closesAt <= at)
    scene.emit({ $case: 'huntClosed', value: {} }, { player });
  return scene.events.length === 0 ? { kind: 'nothing' } : scene.done();
}
