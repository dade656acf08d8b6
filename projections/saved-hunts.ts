import type { SavedHunts } from './batch-fold.ts';
import type { Connection } from './connection.ts';
import type { SavedMember, SavedSnapshot } from './hunt-fold.ts';
import { readPlayers, readSnapshot } from './hunt-rows.ts';

/** Reads hunts back from their rows; the questions of a batch travel together. */
export const savedHunts = (connection: Connection): SavedHunts => ({
  async snapshots(huntIds) {
    const answers = await connection.run(huntIds.map(readSnapshot));
    return answers.map(({ rows: [row] }) => (row === undefined ? undefined : snapshotOf(row)));
  },
  async members(asked) {
    const answers = await connection.run(
      asked.map(({ huntId, generation, memberIds }) => readPlayers(huntId, generation, memberIds)),
    );
    return answers.map(({ rows }) => rows.map(memberOf));
  },
});

export const snapshotOf = (row: Readonly<Record<string, unknown>>): SavedSnapshot => ({
  generation: Number(row.generation),
  version: Number(row.version),
  createdAt: Number(row.created_at ?? 0),
  updatedAt: Number(row.updated_at ?? 0),
  definition: String(row.definition),
  header: row.header as Uint8Array,
});

const memberOf = (row: Readonly<Record<string, unknown>>): SavedMember => ({
  memberId: String(row.member_id),
  version: Number(row.version),
  updatedAt: Number(row.updated_at ?? 0),
  row: row.row as Uint8Array,
});
