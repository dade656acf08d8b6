import { looseForm } from '../actors/hunt/matching.ts';
import { type Slot, slotOf } from '../proto/ids.ts';
import type { SnapshotRow } from './hunt-rows.ts';
import { clean, type Guarded, type Statement, timeOf, type UpsertPlan, upserts } from './statement.ts';

/**
 * The statements on `hunt_catalog`: one row a hunt, small, in one table on the coordinator, so that lists and searches scan
 * no shard (I7). A status in here is as of the log; what the clock has made of it meanwhile, `statusAt` tells in SQL.
 */
export interface CatalogRow extends Guarded {
  readonly huntId: number;
  readonly title: string;
  readonly status: string;
  readonly owner: string;
  readonly joinCode: string;
  readonly opensAt: number | undefined;
  readonly closesAt: number | undefined;
  readonly createdAt: number;
  readonly players: number;
}

const catalog: UpsertPlan<CatalogRow> = {
  table: 'hunt_catalog',
  key: ['hunt_id'],
  columns: [
    'slot',
    'generation',
    'version',
    'title',
    'status',
    'owner',
    'join_code',
    'opens_at',
    'closes_at',
    'created_at',
    'players',
    'search',
  ],
  keyOf: ({ huntId }) => String(huntId),
  values: (row) => [
    row.huntId,
    slotOf(row.huntId),
    row.generation,
    row.version,
    clean(row.title),
    row.status,
    clean(row.owner),
    clean(row.joinCode),
    timeOf(row.opensAt),
    timeOf(row.closesAt),
    timeOf(row.createdAt),
    row.players,
    searchText(row),
  ],
};

/** In the order of their ids, so that two writers never wait for one another in a circle. */
export const writeCatalog = (rows: readonly CatalogRow[]): Statement[] =>
  upserts(
    catalog,
    [...rows].sort((a, b) => a.huntId - b.huntId),
  );

export const catalogRowOf = (snapshot: SnapshotRow): CatalogRow => ({
  huntId: snapshot.huntId,
  generation: snapshot.generation,
  version: snapshot.version,
  title: snapshot.title,
  status: snapshot.status,
  owner: snapshot.owner,
  joinCode: snapshot.joinCode,
  opensAt: snapshot.opensAt,
  closesAt: snapshot.closesAt,
  createdAt: snapshot.createdAt,
  players: snapshot.players,
});

/** Of a row of `hunt_snapshot` as `readListed` asks for it. */
export const catalogRowFrom = (row: Readonly<Record<string, unknown>>): CatalogRow => ({
  huntId: Number(row.hunt_id),
  generation: Number(row.generation),
  version: Number(row.version),
  title: String(row.title),
  status: String(row.status),
  owner: String(row.owner),
  joinCode: String(row.join_code),
  opensAt: row.opens_at === null ? undefined : Number(row.opens_at),
  closesAt: row.closes_at === null ? undefined : Number(row.closes_at),
  createdAt: Number(row.created_at ?? 0),
  players: Number(row.players),
});

/** What is searched: title, join code and id, in the form in which answers are compared too (case, accents, punctuation). */
export const searchText = ({ title, joinCode, huntId }: Pick<CatalogRow, 'title' | 'joinCode' | 'huntId'>): string =>
  looseForm(clean(`${title} ${joinCode} ${huntId}`));

export const listCatalog = (slot: Slot, after: number, limit: number): Statement => ({
  name: 'catalog_list',
  text: 'SELECT hunt_id, generation, version FROM hunt_catalog WHERE slot = $1 AND hunt_id > $2 ORDER BY hunt_id LIMIT $3',
  values: [slot, after, limit],
});

/** Of hunts that the slot's rows do not have, written before that generation. */
export const dropFromCatalog = (huntIds: readonly number[], generation: number): Statement => ({
  name: 'catalog_drop',
  text: 'DELETE FROM hunt_catalog WHERE hunt_id = ANY($1) AND generation < $2',
  values: [huntIds, generation],
});

export type Status = 'draft' | 'scheduled' | 'open' | 'paused' | 'closed';

export interface CatalogQuery {
  readonly owner?: string;
  readonly status?: Status;
  /** In the form of {@link searchText}. */
  readonly q?: string;
  /** Ids below; the newest hunts come first. */
  readonly below?: number;
  readonly limit: number;
  /** The time by which a status is judged. */
  readonly at: number;
}

const shown = 'hunt_id, title, status, join_code, opens_at, closes_at, players, version, owner';
/** `isClosed` and its likes say in SQL what the domain's `statusAt` says; a test holds them together. */
const isOver = (at: string) => `(closes_at IS NOT NULL AND closes_at <= ${at})`;
const isNotOver = (at: string) => `(closes_at IS NULL OR closes_at > ${at})`;

/**
 * Which rows have that status at the time. First those of which the log says so too: found by status, in the order of the
 * list. Then those that only the clock has moved: few, and found by their time.
 */
const branches: Readonly<Record<Status, (at: string) => readonly string[]>> = {
  draft: (at) => [`status = 'draft' AND ${isNotOver(at)}`],
  paused: (at) => [`status = 'paused' AND ${isNotOver(at)}`],
  scheduled: (at) => [`status = 'scheduled' AND (opens_at IS NULL OR opens_at > ${at}) AND ${isNotOver(at)}`],
  open: (at) => [
    `status = 'open' AND ${isNotOver(at)}`,
    `status = 'scheduled' AND opens_at <= ${at} AND ${isNotOver(at)}`,
  ],
  closed: (at) => [`status = 'closed'`, `status <> 'closed' AND ${isOver(at)}`],
};

/** Planned anew each time: how rare the text is decides by which index it is found. */
export function readCatalog(query: CatalogQuery): Statement {
  const values: unknown[] = [];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const at = bind(timeOf(query.at));
  const limit = bind(query.limit);
  const common: string[] = [];
  if (query.owner !== undefined) common.push(`owner = ${bind(query.owner)}`);
  if (query.below !== undefined) common.push(`hunt_id < ${bind(query.below)}`);
  if (query.q !== undefined) common.push(`search LIKE ${bind(`%${escapeLike(query.q)}%`)}`);
  const parts = query.status === undefined ? ['true'] : branches[query.status](at);
  const selects = parts.map(
    (part) =>
      `SELECT ${shown} FROM hunt_catalog WHERE ${[part, ...common].join(' AND ')} ORDER BY hunt_id DESC LIMIT ${limit}`,
  );
  const listed = selects.length === 1 ? selects[0] : selects.map((select) => `(${select})`).join(' UNION ALL ');
  const text = `SELECT ${shown},
    CASE WHEN status = 'closed' OR ${isOver(at)} THEN 'closed'
      WHEN status = 'scheduled' AND opens_at <= ${at} THEN 'open' ELSE status END AS status_at
    FROM (${listed}) AS listed ORDER BY hunt_id DESC LIMIT ${limit}`;
  return { text, values };
}

const escapeLike = (text: string): string => text.replace(/[\\%_]/g, (char) => `\\${char}`);
