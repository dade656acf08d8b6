/** What of a hunt's state stands in the columns that people read. Nothing is decided here: it is all in the state already. */
import type { StoredEvent } from '../actors/hunt/event.ts';
import type { Header, Member, Progress } from '../actors/hunt/state.ts';
import type { Touch } from './hunt-fold.ts';
import type { PlayerRow, SnapshotRow, TreasureRow } from './hunt-rows.ts';

export function snapshotRowOf(
  header: Header,
  kept: {
    readonly generation: number;
    readonly version: number;
    readonly createdAt: number;
    readonly updatedAt: number;
    readonly definition: string;
    readonly packed: Uint8Array;
  },
): SnapshotRow {
  const { rules } = header;
  return {
    huntId: header.huntId,
    generation: kept.generation,
    version: kept.version,
    title: rules?.definition.title ?? '',
    status: header.status,
    owner: header.owner,
    joinCode: header.joinCode,
    lineage: header.lineage,
    entry: rules?.definition.entry ?? '',
    definitionVersion: header.definitionVersion,
    opensAt: rules?.opens,
    openedAt: header.openedAt,
    closesAt: header.closesAt,
    createdAt: kept.createdAt,
    updatedAt: kept.updatedAt,
    players: header.players,
    teams: header.teams,
    entrants: header.standings.entrants,
    definition: kept.definition,
    header: kept.packed,
  };
}

export function playerRowOf(kept: {
  readonly huntId: number;
  readonly memberId: string;
  readonly generation: number;
  readonly touch: Touch;
  readonly member: Member;
  readonly packed: Uint8Array;
}): PlayerRow {
  const { huntId, memberId, generation, touch, member, packed } = kept;
  const { progress } = member;
  const isPlayer = member.kind === 'player';
  const banned = progress.banned || (isPlayer && member.banned);
  return {
    huntId,
    memberId,
    generation,
    version: touch.version,
    kind: member.kind,
    name: member.name,
    team: isPlayer ? member.team : memberId.slice(1),
    presence: isPlayer ? member.presence : '',
    banned,
    ranked: progress.created > 0 && !progress.banned,
    points: progress.points,
    reachedVersion: progress.reached,
    ...stagesOf(progress),
    hints: sum(progress.hints),
    claims: sum(progress.claims),
    joinedAt: progress.since,
    finishedAt: progress.finishedAt,
    updatedAt: touch.at,
    row: packed,
  };
}

function stagesOf({ marks }: Progress): { stagesDone: number; stagesSettled: number } {
  let stagesDone = 0;
  let stagesSettled = 0;
  for (const { state } of marks.values()) {
    if (state === 'done') stagesDone++;
    if (state !== 'open') stagesSettled++;
  }
  return { stagesDone, stagesSettled };
}

function sum(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

export function treasureRowOf(
  header: Header,
  kept: { readonly treasureId: string; readonly generation: number; readonly touch: Touch },
): TreasureRow {
  const { treasureId, generation, touch } = kept;
  const treasure = header.rules?.treasure.get(treasureId);
  const holding = header.treasures.get(treasureId);
  return {
    huntId: header.huntId,
    treasureId,
    generation,
    version: touch.version,
    title: treasure?.definition.title ?? '',
    points: treasure?.definition.points ?? 0,
    stage: treasure?.definition.stage ?? '',
    stock: treasure?.definition.stock,
    claimed: holding?.claimed ?? 0,
    found: holding?.found ?? false,
    released: holding?.released === true || (treasure?.opens ?? 0) === 0,
    defined: treasure !== undefined,
    opensAt: treasure?.opens,
    updatedAt: touch.at,
  };
}

/** Treasures whose rows the event may change. A definition changes all of them: asked before and after, it names the old and the new. */
export function treasuresOf(header: Header, event: StoredEvent): readonly string[] {
  switch (event.outcome?.$case) {
    case 'huntCreated':
    case 'definitionPublished':
      return [...(header.rules?.treasure.keys() ?? [])];
    case 'treasureReleased':
    case 'treasureClaimed':
      return [event.outcome.value.treasure];
    case 'eventVoided':
      return event.voided?.outcome?.$case === 'treasureClaimed' ? [event.voided.outcome.value.treasure] : [];
    default:
      return [];
  }
}
