import type { Reply } from '../../runtime/decider.ts';
import type { HuntState } from './decide/scene.ts';
import type { StoredEvent } from './event.ts';
import type { Steered } from './interface.ts';
import { type Progress, rulesOf, teamRowId } from './state.ts';

/** The answer to a command, in the contract's words: from its events and, for what may be newer, the state. */
export function reply(events: readonly StoredEvent[], state: HuntState): Reply {
  const primary = events[0]!;
  const { outcome, seq } = primary;
  if (seq === 0) return { kind: 'ack', result: steered(events, state) };
  let points = 0;
  for (const event of events) points += event.points;
  const total = totalOf(events, state);
  if (outcome?.$case === 'answerRejected') {
    const { clue, attemptsLeft, lockedUntil } = outcome.value;
    const left = attemptsLeft < 0 ? {} : { attempts_left: attemptsLeft };
    const detail = { ...left, ...(lockedUntil > 0 ? { locked_until: lockedUntil } : {}), points, total };
    const again = attemptsLeft === 0 ? 'the stage has failed' : 'try another';
    return {
      kind: 'nack',
      refusal: {
        code: clue === '' ? 'WRONG_CODE' : 'WRONG_ANSWER',
        message: `that is not the ${clue === '' ? 'code' : 'answer'}: ${again}`,
        detail,
      },
    };
  }
  const result = fields(events, state);
  result.points = points;
  result.total = total;
  return { kind: 'ack', result };
}

function fields(events: readonly StoredEvent[], state: HuntState): Record<string, unknown> {
  const { header } = state;
  const { outcome, playerId, teamId, occurredAt } = events[0]!;
  switch (outcome?.$case) {
    case 'playerJoined':
      return { player: playerId, name: outcome.value.name, rejoined: outcome.value.rejoined };
    case 'playerFinished':
      return { finished_at: occurredAt };
    case 'teamCreated':
      return { team: teamId, name: outcome.value.name };
    case 'teamJoined':
      return { team: teamId, name: teamName(teamId, state) };
    case 'stageCompleted': {
      const { stage, place } = outcome.value;
      const clue = rulesOf(header).stage.get(stage)?.way;
      return {
        stage,
        ...(place === undefined ? {} : { distance_m: place.distanceM }),
        ...(clue?.by === 'answer' ? { clue: clue.clue } : {}),
        opened: openedBy(events),
      };
    }
    case 'treasureClaimed': {
      const { treasure, bonus, first, stockLeft, limited } = outcome.value;
      const result: Record<string, unknown> = { treasure, bonus, first };
      if (limited) result.stock_left = stockLeft;
      const completed = events[1]?.outcome;
      if (completed?.$case === 'stageCompleted') {
        result.stage = completed.value.stage;
        result.opened = openedBy(events);
      }
      return result;
    }
    case 'hintTaken': {
      const { clue, n } = outcome.value;
      const hints = rulesOf(header).clue.get(clue)?.definition.hints ?? [];
      return { clue, n, text: hints[n - 1]?.text ?? '', left: Math.max(0, hints.length - n) };
    }
    case 'stageSkipped':
      return { stage: outcome.value.stage, opened: openedBy(events) };
    default:
      return {};
  }
}

const openedBy = (events: readonly StoredEvent[]): string[] => events.flatMap((event) => event.opened ?? []);

function teamName(team: string, state: HuntState): string {
  const held = state.row(teamRowId(team))?.member;
  return held?.kind === 'team' && held.name !== ''
    ? held.name
    : (state.header.teamRows.find(({ id }) => id === team)?.name ?? team);
}

/** The entrant's row may have moved on, or not be at hand for a resend: then the event itself tells. */
function totalOf(events: readonly StoredEvent[], state: HuntState): number {
  const { teamId, playerId } = events[0]!;
  const row = state.row(teamId === '' ? playerId : teamRowId(teamId))?.member.progress;
  if (row !== undefined && row.created > 0) return row.points;
  const last = events.findLast((event) => event.prior !== undefined);
  return last?.prior === undefined ? 0 : last.prior.points + last.points;
}

function steered(events: readonly StoredEvent[], state: HuntState): Steered {
  const { header } = state;
  const answer: Steered = { status: header.status };
  if (header.closesAt !== undefined) answer.closes_at = header.closesAt;
  const last = events[events.length - 1]!;
  if (last.outcome?.$case === 'definitionPublished') answer.definition_version = last.outcome.value.definitionVersion;
  const progress: Progress | undefined =
    last.teamId !== '' ? state.row(teamRowId(last.teamId))?.member.progress : state.row(last.playerId)?.member.progress;
  if (progress !== undefined && progress.created > 0) answer.total = progress.points;
  else if (last.prior !== undefined) answer.total = last.prior.points + last.points;
  return answer;
}
