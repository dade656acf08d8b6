import { adminPlayer } from '../../../proto/ids.ts';
import type { VerbOf } from '../command.ts';
import { statusAt } from '../state.ts';
import { type HuntDecision, refused, type Scene } from './scene.ts';

const sources = {
  open: ['draft', 'scheduled'],
  pause: ['open'],
  resume: ['paused'],
  close: ['draft', 'scheduled', 'open', 'paused'],
} as const;

/** open, pause, resume, close. */
export function decideSteer(scene: Scene, verb: VerbOf<'open' | 'pause' | 'resume' | 'close'>): HuntDecision {
  const status = statusAt(scene.header, scene.at);
  const from: readonly string[] = sources[verb.$case];
  if (!from.includes(status))
    return refused(
      'WRONG_STATE',
      `${verb.$case} is possible only while the hunt is ${from.join(' or ')}; it is ${status}`,
      { detail: { status } },
    );
  const emitted = { player: adminPlayer, requestKey: verb.key };
  switch (verb.$case) {
    case 'open':
      scene.emit({ $case: 'huntOpened', value: {} }, emitted);
      break;
    case 'pause':
      scene.emit({ $case: 'huntPaused', value: { reason: verb.reason } }, emitted);
      break;
    case 'resume':
      scene.emit({ $case: 'huntResumed', value: {} }, emitted);
      break;
    case 'close':
      scene.emit({ $case: 'huntClosed', value: {} }, emitted);
      break;
  }
  return scene.done();
}

export function decideExtend(scene: Scene, { closes, minutes, key }: VerbOf<'extend'>): HuntDecision {
  const { header, rules, at } = scene;
  if (statusAt(header, at) === 'closed')
    return refused('WRONG_STATE', 'the hunt is closed: it cannot be extended', { detail: { status: 'closed' } });
  if (closes === undefined && header.closesAt === undefined)
    return refused('WRONG_STATE', 'the hunt has no closing time that minutes could be added to: send closes');
  const closesAt = closes ?? header.closesAt! + minutes! * 60_000;
  if (closesAt <= at) return refused('INVALID', 'closes must lie in the future: name a later time');
  if (closesAt > Number.MAX_SAFE_INTEGER)
    return refused('INVALID', 'closes lies too far in the future: name an earlier time');
  if (header.status === 'scheduled' && rules.opens !== undefined && closesAt <= rules.opens)
    return refused('INVALID', 'closes must be after the opening time: name a later time');
  scene.emit({ $case: 'huntExtended', value: { closesAt } }, { player: adminPlayer, requestKey: key });
  return scene.done();
}

export function decideAnnounce(scene: Scene, { text, key }: VerbOf<'announce'>): HuntDecision {
  scene.emit({ $case: 'announced', value: { text } }, { player: adminPlayer, requestKey: key });
  return scene.done();
}
