import type { HuntEvent } from '../../gateway/sdk/messages.ts';
import { localTime, type Paint } from './output.ts';

/** One event as a person reads it: when, which, who, what, for how many points. */
export function eventLine(event: HuntEvent, nameOf: (player: string) => string, paint: Paint): string {
  const points =
    event.points === undefined
      ? ''
      : paint(event.points > 0 ? 'green' : 'red', ` ${event.points > 0 ? '+' : ''}${event.points}`);
  const who = event.player.startsWith('@') ? '' : `${nameOf(event.player)} `;
  return `${paint('dim', `${localTime(event.at)} #${event.version}`)}  ${paint('bold', who)}${what(event)}${points}`;
}

function what(event: HuntEvent): string {
  switch (event.type) {
    case 'HuntCreated':
      return `The hunt "${event.title ?? ''}" was created`;
    case 'HuntOpened':
      return 'The hunt is open';
    case 'HuntPaused':
      return `The hunt is paused${event.reason ? `: ${event.reason}` : ''}`;
    case 'HuntResumed':
      return 'The hunt goes on';
    case 'HuntExtended':
      return `The hunt closes at ${localTime(event.closes_at ?? 0)}`;
    case 'HuntClosed':
      return 'The hunt is closed';
    case 'DefinitionPublished':
      return `Definition ${event.definition_version ?? ''} is in force`;
    case 'TreasureReleased':
      return `The treasure ${event.treasure} can be found now`;
    case 'PlayerJoined':
      return event.rejoined ? 'is back' : 'joined';
    case 'PlayerLeft':
      return 'left';
    case 'PlayerFinished':
      return 'finished';
    case 'PlayerDisqualified':
      return `was disqualified${event.team ? ` (team ${event.team})` : ''}`;
    case 'TeamCreated':
      return `made the team ${event.name ?? event.team}`;
    case 'TeamJoined':
      return `joined the team ${event.team}`;
    case 'StageCompleted':
      return `did ${event.stage} (${(event.by ?? '').replace('_', '-')})`;
    case 'AnswerRejected':
      return `was wrong at ${event.stage}`;
    case 'StageFailed':
      return `has no tries left at ${event.stage}`;
    case 'StageSkipped':
      return `skipped ${event.stage}`;
    case 'TreasureClaimed':
      return `found ${event.treasure}${event.first ? ', first of all' : ''}${event.stock_left === undefined ? '' : ` (${event.stock_left} left)`}`;
    case 'HintTaken':
      return `took a hint at ${event.stage}`;
    case 'ScoreAdjusted':
      return `got an adjustment: ${event.reason}`;
    case 'EventVoided':
      return `#${event.voids} was taken back: ${event.reason}`;
    case 'Announced':
      return `Announcement: ${event.text}`;
    default:
      return event.type;
  }
}

/** Names as the events tell them; until one did, the id stands for it. */
export class Names {
  #names = new Map<string, string>();
  learn(event: HuntEvent): void {
    if (event.type === 'PlayerJoined' && event.name !== undefined) this.#names.set(event.player, event.name);
  }
  readonly of = (player: string): string => this.#names.get(player) ?? player;
}
