import type { Of } from '../command.ts';
import type { Entrant, HuntDecision, Scene } from './scene.ts';
import { refused } from './scene.ts';

export function decideJoin(scene: Scene, { name }: Of<'join'>): HuntDecision {
  const { player, command } = scene;
  if (player.presence === 'joined') return refused('ALREADY_DONE', 'you have joined already');
  const rejoined = player.presence === 'left';
  const called = name !== '' ? name : player.name !== '' ? player.name : command.player;
  const outcome = { $case: 'playerJoined', value: { name: called, rejoined } } as const;
  if (scene.isTeamHunt) scene.emit(outcome);
  else scene.emitFor({ progress: player.progress, name: called } satisfies Entrant, outcome);
  return scene.done();
}
