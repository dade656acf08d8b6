import { adminPlayer } from '../../../proto/ids.ts';
import type { VerbOf } from '../command.ts';
import type { OutcomeName, StoredEvent } from '../event.ts';
import { voidsMax } from '../state.ts';
import { type HuntDecision, playerIn, refused, type Scene, teamIn } from './scene.ts';

export const voidable: ReadonlySet<OutcomeName> = new Set<OutcomeName>([
  'stageCompleted',
  'treasureClaimed',
  'hintTaken',
  'stageSkipped',
  'answerRejected',
  'scoreAdjusted',
  'playerDisqualified',
]);

const voidableTypes = [...voidable].map((name) => name.charAt(0).toUpperCase() + name.slice(1)).join(', ');

/** Takes back one event; later ones stand. The event taken back travels in the new one, so that folding needs no second read. */
export function decideVoid(
  scene: Scene,
  { version, reason, key }: VerbOf<'void'>,
  event: StoredEvent | undefined,
): HuntDecision {
  const { header, state, isTeamHunt } = scene;
  if (event?.outcome === undefined)
    return refused('NOT_FOUND', `this hunt has no event ${version}: its last one is ${state.version}`);
  if (!voidable.has(event.outcome.$case))
    return refused(
      'WRONG_STATE',
      `event ${version} is of a type that cannot be voided: choose one of ${voidableTypes}`,
    );
  if (header.voided.has(version)) return refused('ALREADY_DONE', `event ${version} has been voided already`);
  if (header.voided.size >= voidsMax)
    return refused('WRONG_STATE', `${voidsMax} events of this hunt have been voided: no more can be`);
  const { prior: _, voided: __, vector: ___, ...bare } = event;
  const player = event.playerId;
  const emitted = {
    player,
    team: event.teamId,
    points: event.points === 0 ? 0 : -event.points,
    requestKey: key,
    voided: { ...bare, vector: [] },
  };
  const outcome = { $case: 'eventVoided', value: { voids: version, reason } } as const;
  const entrant =
    event.teamId !== ''
      ? teamIn(state, event.teamId)
      : player === adminPlayer || isTeamHunt
        ? undefined
        : playerIn(state, player);
  if (entrant === undefined) scene.emit(outcome, emitted);
  else
    scene.emitFor(entrant, outcome, {
      ...emitted,
      resumes: entrant.progress.settled && reopens(event, entrant.progress.marks),
    });
  return scene.done();
}

function reopens({ outcome }: StoredEvent, marks: ReadonlyMap<string, { state: string }>): boolean {
  if (outcome?.$case === 'stageCompleted' || outcome?.$case === 'stageSkipped') return true;
  return outcome?.$case === 'answerRejected' && marks.get(outcome.value.stage)?.state === 'failed';
}
