import type { Slot } from '../proto/ids.ts';
import { slotKeyOf, slotKeyOfHunt } from './slot-key.ts';
import { clean, type Guarded, type Statement, timeOf, type UpsertPlan, upserts } from './statement.ts';

/**
 * The hunts' tables: rows that people can read, and beside them what the projector folds on (`header`, `definition`,
 * `row`: the actor's own codecs). All of one hunt is in one shard (I7).
 */
export interface SnapshotRow extends Guarded {
  readonly huntId: number;
  readonly title: string;
  /** As the log has it: a window that has passed without its event shows in the catalog, which asks the clock. */
  readonly status: string;
  readonly owner: string;
  readonly joinCode: string;
  readonly lineage: string;
  readonly entry: string;
  readonly definitionVersion: number;
  readonly opensAt: number | undefined;
  readonly openedAt: number;
  readonly closesAt: number | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Joined and not left. */
  readonly players: number;
  readonly teams: number;
  readonly entrants: number;
  /** JSON; '' leaves what the table holds: a definition may have a mebibyte and seldom changes. */
  readonly definition: string;
  readonly header: Uint8Array;
}

export interface PlayerRow extends Guarded {
  readonly huntId: number;
  /** A player's id, or `#` and a team's. */
  readonly memberId: string;
  readonly kind: string;
  readonly name: string;
  readonly team: string;
  readonly presence: string;
  readonly banned: boolean;
  /** With `points` and `reachedVersion` the place on the scoreboard: points descending, then version ascending. */
  readonly ranked: boolean;
  readonly points: number;
  readonly reachedVersion: number;
  readonly stagesDone: number;
  readonly stagesSettled: number;
  readonly hints: number;
  readonly claims: number;
  readonly joinedAt: number;
  readonly finishedAt: number;
  readonly updatedAt: number;
  readonly row: Uint8Array;
}

export interface TreasureRow extends Guarded {
  readonly huntId: number;
  readonly treasureId: string;
  readonly title: string;
  readonly points: number;
  readonly stage: string;
  /** Undefined: without limit. */
  readonly stock: number | undefined;
  readonly claimed: number;
  readonly found: boolean;
  readonly released: boolean;
  /** Whether the present definition has it. */
  readonly defined: boolean;
  readonly opensAt: number | undefined;
  readonly updatedAt: number;
}

const snapshots: UpsertPlan<SnapshotRow> = {
  table: 'hunt_snapshot',
  key: ['slot_key', 'hunt_id'],
  columns: [
    'generation',
    'version',
    'title',
    'status',
    'owner',
    'join_code',
    'lineage',
    'entry',
    'definition_version',
    'opens_at',
    'opened_at',
    'closes_at',
    'created_at',
    'updated_at',
    'players',
    'teams',
    'entrants',
    {
      name: 'definition',
      set: "CASE WHEN excluded.definition = '' THEN hunt_snapshot.definition ELSE excluded.definition END",
    },
    'header',
  ],
  keyOf: ({ huntId }) => String(huntId),
  values: (row) => [
    slotKeyOfHunt(row.huntId),
    row.huntId,
    row.generation,
    row.version,
    clean(row.title),
    row.status,
    clean(row.owner),
    clean(row.joinCode),
    clean(row.lineage),
    row.entry,
    row.definitionVersion,
    timeOf(row.opensAt),
    timeOf(row.openedAt),
    timeOf(row.closesAt),
    timeOf(row.createdAt),
    timeOf(row.updatedAt),
    row.players,
    row.teams,
    row.entrants,
    row.definition,
    row.header,
  ],
};

const players: UpsertPlan<PlayerRow> = {
  table: 'hunt_player',
  key: ['slot_key', 'hunt_id', 'member_id'],
  columns: [
    'generation',
    'version',
    'kind',
    'name',
    'team',
    'presence',
    'banned',
    'ranked',
    'points',
    'reached_version',
    'stages_done',
    'stages_settled',
    'hints',
    'claims',
    'joined_at',
    'finished_at',
    'updated_at',
    'row',
  ],
  keyOf: ({ huntId, memberId }) => `${huntId}/${memberId}`,
  values: (row) => [
    slotKeyOfHunt(row.huntId),
    row.huntId,
    clean(row.memberId),
    row.generation,
    row.version,
    row.kind,
    clean(row.name),
    clean(row.team),
    row.presence,
    row.banned,
    row.ranked,
    row.points,
    row.reachedVersion,
    row.stagesDone,
    row.stagesSettled,
    row.hints,
    row.claims,
    timeOf(row.joinedAt),
    timeOf(row.finishedAt),
    timeOf(row.updatedAt),
    row.row,
  ],
};

const treasures: UpsertPlan<TreasureRow> = {
  table: 'hunt_treasure',
  key: ['slot_key', 'hunt_id', 'treasure_id'],
  columns: [
    'generation',
    'version',
    'title',
    'points',
    'stage',
    'stock',
    'claimed',
    'found',
    'released',
    'defined',
    'opens_at',
    'updated_at',
  ],
  keyOf: ({ huntId, treasureId }) => `${huntId}/${treasureId}`,
  values: (row) => [
    slotKeyOfHunt(row.huntId),
    row.huntId,
    clean(row.treasureId),
    row.generation,
    row.version,
    clean(row.title),
    row.points,
    clean(row.stage),
    row.stock ?? null,
    row.claimed,
    row.found,
    row.released,
    row.defined,
    timeOf(row.opensAt),
    timeOf(row.updatedAt),
  ],
};

/** Rows of one slot. */
export const writeSnapshots = (rows: readonly SnapshotRow[]): Statement[] => upserts(snapshots, ofOneSlot(rows));
export const writePlayers = (rows: readonly PlayerRow[]): Statement[] => upserts(players, ofOneSlot(rows));
export const writeTreasures = (rows: readonly TreasureRow[]): Statement[] => upserts(treasures, ofOneSlot(rows));

function ofOneSlot<R extends { readonly huntId: number }>(rows: readonly R[]): readonly R[] {
  const key = rows[0] === undefined ? 0 : slotKeyOfHunt(rows[0].huntId);
  if (rows.some(({ huntId }) => slotKeyOfHunt(huntId) !== key))
    throw new Error('rows of several slots in one statement');
  return rows;
}

export const readSnapshot = (huntId: number): Statement => ({
  name: 'hunt_snapshot_read',
  text: 'SELECT generation, version, created_at, updated_at, definition, header FROM hunt_snapshot WHERE slot_key = $1 AND hunt_id = $2',
  values: [slotKeyOfHunt(huntId), huntId],
});

/** Only rows of that generation: what a rebuild has not written yet is not there. */
export const readPlayers = (huntId: number, generation: number, memberIds: readonly string[]): Statement => ({
  name: 'hunt_player_read',
  text: 'SELECT member_id, version, updated_at, row FROM hunt_player WHERE slot_key = $1 AND hunt_id = $2 AND generation = $3 AND member_id = ANY($4)',
  values: [slotKeyOfHunt(huntId), huntId, generation, memberIds.map(clean)],
});

export interface Listed {
  readonly hunt_id: number;
  readonly generation: number;
  readonly version: number;
}

/** What the catalog should hold of a slot: ids above `after` up to `upto`. */
export const listSnapshots = (slot: Slot, after: number, upto: number, limit: number): Statement => ({
  name: 'hunt_snapshot_list',
  text: 'SELECT hunt_id, generation, version FROM hunt_snapshot WHERE slot_key = $1 AND hunt_id > $2 AND hunt_id <= $3 ORDER BY hunt_id LIMIT $4',
  values: [slotKeyOf(slot), after, upto, limit],
});

export const readListed = (slot: Slot, huntIds: readonly number[]): Statement => ({
  name: 'hunt_snapshot_listed',
  text: 'SELECT hunt_id, generation, version, title, status, owner, join_code, opens_at, closes_at, created_at, players FROM hunt_snapshot WHERE slot_key = $1 AND hunt_id = ANY($2)',
  values: [slotKeyOf(slot), huntIds],
});

export const countSnapshots = (slot: Slot): Statement => ({
  name: 'hunt_snapshot_count',
  text: 'SELECT count(*) AS hunts FROM hunt_snapshot WHERE slot_key = $1',
  values: [slotKeyOf(slot)],
});

const huntTables = ['hunt_snapshot', 'hunt_player', 'hunt_treasure'] as const;

/** What an earlier generation left behind in a slot, or in one hunt of it, and the rebuild did not write again. */
export const dropLeftOvers = (slot: Slot, generation: number, huntId?: number): Statement[] =>
  huntTables.map((table) => ({
    text: `DELETE FROM ${table} WHERE slot_key = $1 AND generation < $2${huntId === undefined ? '' : ' AND hunt_id = $3'}`,
    values: [slotKeyOf(slot), generation, ...(huntId === undefined ? [] : [huntId])],
  }));
