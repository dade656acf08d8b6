import { adminPlayer, systemPlayer } from '../../../proto/ids.ts';
import type { VerbOf } from '../command.ts';
import type { Outcome, StoredEvent } from '../event.ts';
import { rulebook } from '../rulebook.ts';
import { type HuntCommand, type HuntDecision, type HuntState, refused } from './scene.ts';

export function decideCreate(
  command: HuntCommand,
  state: HuntState,
  { definition, owner, joinCode, lineage }: VerbOf<'create'>,
): HuntDecision {
  const { header } = state;
  if (state.version > 0) return refused('ALREADY_DONE', `hunt ${header.huntId} exists already: take another id`);
  const event = (playerId: string, outcome: Outcome, more: Partial<StoredEvent> = {}): StoredEvent => ({
    huntId: header.huntId,
    version: 0,
    playerId,
    seq: 0,
    occurredAt: command.at,
    vector: [],
    teamId: '',
    by: command.by ?? '',
    fingerprint: command.fingerprint,
    points: 0,
    outcome,
    ...more,
  });
  const { opens } = rulebook(definition);
  const created = { title: definition.title, owner, definitionJson: JSON.stringify(definition), lineage };
  const events = [event(adminPlayer, { $case: 'huntCreated', value: created }, { joinCode })];
  if (opens !== undefined && opens <= command.at) events.push(event(systemPlayer, { $case: 'huntOpened', value: {} }));
  for (const { id, name, pin } of definition.team.list) {
    const prior = { points: 0, reachedVersion: 0, ranked: false, name, finishedAt: 0 };
    events.push(event(adminPlayer, { $case: 'teamCreated', value: { name, pin: pin ?? '' } }, { teamId: id, prior }));
  }
  return { kind: 'events', events };
}
