import type { HuntAction } from './command.ts';
import type { StoredEvent } from './event.ts';
import type { Rulebook } from './rulebook.ts';
import type { Member } from './state.ts';

/** What the shadow run must know beside the events themselves. */
export interface Hindsight {
  /** Of the definition under which the events were decided: what the log does not repeat (a clue's id, a treasure's code) is there. */
  rules(): Rulebook;
  /** Teams are named after versions, which differ in the shadow. */
  teamInShadow(team: string): string;
  teamRow(team: string): Member;
  versionInShadow(version: number): number;
}

/**
 * The action that led to these events of one command, told by its first event; undefined for what is no command to decide
 * again: creation, alarms, announcements, definitions.
 */
export function actionBehind([primary]: readonly StoredEvent[], hindsight: Hindsight): HuntAction | undefined {
  if (primary === undefined) return undefined;
  const { outcome, seq, playerId, teamId, points } = primary;
  if (outcome === undefined) return undefined;
  const key = '';
  const isTheirs = seq > 0;
  const subject = playerId.startsWith('@')
    ? { player: '', team: hindsight.teamInShadow(teamId) }
    : { player: playerId, team: '' };
  switch (outcome.$case) {
    case 'playerJoined':
      return { $case: 'join', value: { name: outcome.value.name } };
    case 'playerLeft':
      return { $case: 'leave', value: {} };
    case 'playerFinished':
      return { $case: 'finish', value: {} };
    case 'teamCreated':
      return isTheirs
        ? { $case: 'createTeam', value: { name: outcome.value.name, pin: outcome.value.pin } }
        : undefined;
    case 'teamJoined': {
      const team = hindsight.teamRow(teamId);
      const pin = team.kind === 'team' ? team.pin : '';
      return { $case: 'joinTeam', value: { team: hindsight.teamInShadow(teamId), pin } };
    }
    case 'stageCompleted':
      return completing(outcome.value, hindsight.rules());
    case 'answerRejected': {
      const { clue, text } = outcome.value;
      return clue === '' ? { $case: 'scan', value: { code: text } } : { $case: 'answer', value: { clue, text } };
    }
    case 'stageSkipped':
      return { $case: 'skip', value: { stage: outcome.value.stage } };
    case 'hintTaken':
      return { $case: 'hint', value: { clue: outcome.value.clue } };
    case 'treasureClaimed': {
      const { treasure, place } = outcome.value;
      // The claim counted, so the code that was sent was the one of then.
      const code = hindsight.rules().treasure.get(treasure)?.definition.code ?? '';
      return {
        $case: 'claim',
        value: { treasure, lat: place?.lat, lon: place?.lon, accuracy: place?.accuracy, code },
      };
    }
    case 'scoreAdjusted':
      return { $case: 'adjust', ...subject, points, reason: outcome.value.reason, key };
    case 'playerDisqualified':
      return { $case: 'disqualify', ...subject, reason: outcome.value.reason, key };
    case 'eventVoided':
      return {
        $case: 'void',
        version: hindsight.versionInShadow(outcome.value.voids),
        reason: outcome.value.reason,
        key,
      };
    case 'huntOpened':
      return steer('open');
    case 'huntPaused':
      return steer('pause');
    case 'huntResumed':
      return steer('resume');
    case 'huntClosed':
      return steer('close');
    case 'huntExtended':
      return { $case: 'extend', closes: outcome.value.closesAt, minutes: undefined, reason: '', key };
    case 'huntCreated':
    case 'definitionPublished':
    case 'treasureReleased':
    case 'stageFailed':
    case 'announced':
      return undefined;
    default:
      return outcome satisfies never;
  }
}

const steer = ($case: 'open' | 'pause' | 'resume' | 'close'): HuntAction => ({ $case, reason: '', key: '' });

type Completed = Extract<StoredEvent['outcome'], { $case: 'stageCompleted' }>['value'];

/** By the way in which the stage was completed then. A check-in names its stage, which the player may not have done. */
function completing({ stage, text, place }: Completed, rules: Rulebook): HuntAction | undefined {
  const way = rules.stage.get(stage)?.way;
  switch (way?.by) {
    case 'answer':
      return { $case: 'answer', value: { clue: way.clue, text } };
    case 'scan':
      return { $case: 'scan', value: { code: text } };
    case 'check_in':
      return place === undefined
        ? undefined
        : { $case: 'checkIn', value: { lat: place.lat, lon: place.lon, accuracy: place.accuracy, stage } };
    // Claims complete stages in second place only.
    case 'claim':
    case undefined:
      return undefined;
    default:
      return way satisfies never;
  }
}
