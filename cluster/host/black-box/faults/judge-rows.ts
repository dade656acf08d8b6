/**
 * Folds from a history what PostgreSQL should hold of the hunt, and judges the rows by it. Of a solo hunt that people claim
 * treasures in; written from the events' meaning alone, so that it shares no mistake with the projector. Pure.
 */
import { foldBoard } from '../judge/board.ts';
import { type Fault, fault } from '../judge/fault.ts';
import type { FullEvent } from '../wire.ts';

/** Rows by table, each as columns that people read; numbers as numbers, times as ms since 1970. */
export interface HuntRows {
  readonly snapshot: Row | undefined;
  readonly catalog: Row | undefined;
  readonly players: readonly Row[];
  readonly treasures: readonly Row[];
}
export type Row = Readonly<Record<string, string | number | boolean | null>>;

export function foldRows(history: readonly FullEvent[]): HuntRows {
  const created = history.find(({ type }) => type === 'HuntCreated');
  const { treasures = [] } = (created?.private?.definition ?? {}) as {
    treasures?: readonly { readonly id: string; readonly opens?: string }[];
  };
  const hunt = {
    version: history.length,
    title: String(created?.title ?? ''),
    status: history.some(({ type }) => type === 'HuntOpened') ? 'open' : 'scheduled',
    players: history.filter(({ type }) => type === 'PlayerJoined').length,
  };
  return {
    snapshot: { ...hunt, entrants: hunt.players, updated_at: history.at(-1)?.at ?? 0 },
    catalog: hunt,
    players: foldBoard(history, 'solo').map(({ id, points, reached }) => {
      const own = history.filter(({ player }) => player === id);
      return {
        member_id: id,
        version: own.at(-1)?.version ?? 0,
        points,
        reached_version: reached,
        claims: own.filter(({ type }) => type === 'TreasureClaimed').length,
        joined_at: own[0]?.at ?? 0,
        ranked: true,
        presence: 'joined',
      };
    }),
    treasures: treasures.map(({ id, opens }) => {
      const about = history.filter(({ treasure }) => treasure === id);
      const claimed = about.filter(({ type }) => type === 'TreasureClaimed').length;
      return {
        treasure_id: id,
        version: about.at(-1)?.version ?? created?.version ?? 0,
        claimed,
        found: claimed > 0,
        released: opens === undefined || about.some(({ type }) => type === 'TreasureReleased'),
      };
    }),
  };
}

/** Columns that the fold does not know are not judged; rows that it does not know are a fault. */
export function judgeRows(history: readonly FullEvent[], rows: HuntRows): Fault[] {
  const wanted = foldRows(history);
  return [
    ...judgeTable('hunt_snapshot', [wanted.snapshot], [rows.snapshot], () => ''),
    ...judgeTable('hunt_catalog', [wanted.catalog], [rows.catalog], () => ''),
    ...judgeTable('hunt_player', wanted.players, rows.players, (row) => String(row.member_id)),
    ...judgeTable('hunt_treasure', wanted.treasures, rows.treasures, (row) => String(row.treasure_id)),
  ];
}

function judgeTable(
  table: string,
  wanted: readonly (Row | undefined)[],
  found: readonly (Row | undefined)[],
  keyOf: (row: Row) => string,
): Fault[] {
  const faults: Fault[] = [];
  const left = new Map(found.flatMap((row) => (row === undefined ? [] : [[keyOf(row), row] as const])));
  for (const want of wanted) {
    if (want === undefined) continue;
    const key = keyOf(want);
    const row = left.get(key);
    left.delete(key);
    if (row === undefined) faults.push(fault('row missing', `${table} ${key}`));
    else
      for (const [column, value] of Object.entries(want))
        if (row[column] !== value)
          faults.push(fault('row differs', `${table} ${key}: ${column} is ${row[column]}, the log says ${value}`));
  }
  for (const key of left.keys()) faults.push(fault('row too many', `${table} ${key}`));
  return faults;
}
