import type { HuntAction } from '../command.ts';
import type { StoredEvent } from '../event.ts';
import { requestKeptMs, rulesOf, teamRowId } from '../state.ts';
import { decideAdjust, decideDisqualify } from './adjust.ts';
import { decideCreate } from './create.ts';
import { decidePlayer } from './player.ts';
import { decidePublish } from './publish.ts';
import { type HuntCommand, type HuntDecision, type HuntState, playerIn, refused, Scene } from './scene.ts';
import { decideAnnounce, decideExtend, decideSteer } from './steer.ts';
import { decideVoid } from './void.ts';
import { decideWake } from './wake.ts';

type Referenced = (version: number) => StoredEvent | undefined;

export function decide(command: HuntCommand, state: HuntState, referenced: Referenced): HuntDecision {
  const { action } = command;
  if (action.$case === 'create') return decideCreate(command, state, action);
  if (state.header.rules === undefined) return refused('HUNT_NOT_FOUND', 'there is no such hunt: check its id');
  const request = 'key' in action && action.key !== '' ? state.header.requests.get(action.key) : undefined;
  if (request !== undefined && command.at - request.at < requestKeptMs)
    return { kind: 'repeat', version: request.version, events: request.events };
  const scene = new Scene(command, state);
  switch (action.$case) {
    case 'open':
    case 'pause':
    case 'resume':
    case 'close':
      return decideSteer(scene, action);
    case 'extend':
      return decideExtend(scene, action);
    case 'announce':
      return decideAnnounce(scene, action);
    case 'adjust':
      return decideAdjust(scene, action);
    case 'disqualify':
      return decideDisqualify(scene, action);
    case 'void':
      return decideVoid(
        scene,
        action,
        action.version >= 1 && action.version <= state.version ? referenced(action.version) : undefined,
      );
    case 'publish':
      return decidePublish(scene, action);
    case 'wake':
      return decideWake(scene);
    default:
      return decidePlayer(scene, action);
  }
}

/** The rows that a command looks at; a player's first, then its team's. */
export function needs(command: HuntCommand, state: HuntState, referenced: Referenced): readonly string[] {
  const wanted = rowsFor(command.player, command.action, state, referenced);
  return wanted.filter((id) => state.row(id) === undefined);
}

function rowsFor(player: string, action: HuntAction, state: HuntState, referenced: Referenced): string[] {
  switch (action.$case) {
    case 'create':
    case 'open':
    case 'pause':
    case 'resume':
    case 'close':
    case 'extend':
    case 'announce':
    case 'publish':
    case 'wake':
      return [];
    case 'adjust':
    case 'disqualify':
      return action.team !== '' ? [teamRowId(action.team)] : withTeam(action.player, state);
    case 'void': {
      const event = action.version >= 1 && action.version <= state.version ? referenced(action.version) : undefined;
      if (event === undefined) return [];
      if (event.teamId !== '') return [teamRowId(event.teamId)];
      return event.playerId.startsWith('@') ? [] : [event.playerId];
    }
    case 'joinTeam':
      return [...withTeam(player, state), teamRowId(action.value.team)];
    default:
      return withTeam(player, state);
  }
}

/** A player's row and, once that is there to tell, the rows of its present and its former team. */
export function withTeam(player: string, state: HuntState): string[] {
  if (
    state.header.rules === undefined ||
    rulesOf(state.header).definition.entry === 'solo' ||
    state.row(player) === undefined
  )
    return [player];
  const { team, formerTeam } = playerIn(state, player);
  return [
    player,
    ...(team === '' ? [] : [teamRowId(team)]),
    ...(formerTeam === '' || formerTeam === team ? [] : [teamRowId(formerTeam)]),
  ];
}

export function references({ action }: HuntCommand): readonly number[] {
  return action.$case === 'void' ? [action.version] : [];
}
