/** Every statement that the projections can make, with input for each: what the tests look at. */
import type { Position, Slot } from '../proto/ids.ts';
import { slotCount } from '../proto/ids.ts';
import * as catalogRows from './catalog-rows.ts';
import { type CatalogRow, listCatalog, readCatalog, type Status, writeCatalog } from './catalog-rows.ts';
import * as checkpoints from './checkpoint.ts';
import * as huntRows from './hunt-rows.ts';
import type { Statement } from './statement.ts';

export const slot = 7 as Slot;
export const hunt = 5 * slotCount + slot;
const times = { opensAt: 1, openedAt: 2, closesAt: 3, createdAt: 4, updatedAt: 5, joinedAt: 6, finishedAt: 7 };
const guarded = { generation: 1, version: 3, ...times };
export const snapshot = (huntId: number): huntRows.SnapshotRow => ({
  huntId,
  title: 'Old Town',
  status: 'open',
  owner: 'dora',
  joinCode: 'K7Q4MX',
  lineage: 'L',
  entry: 'solo',
  definitionVersion: 1,
  players: 1,
  teams: 0,
  entrants: 1,
  definition: '{}',
  header: Buffer.from('header'),
  ...guarded,
});
export const player = (memberId: string): huntRows.PlayerRow => ({
  huntId: hunt,
  memberId,
  kind: 'player',
  name: 'Ann',
  team: '',
  presence: 'joined',
  banned: false,
  ranked: true,
  points: -5,
  reachedVersion: 2,
  stagesDone: 1,
  stagesSettled: 2,
  hints: 1,
  claims: 1,
  row: Buffer.from('row'),
  ...guarded,
});
const treasure = (treasureId: string): huntRows.TreasureRow => ({
  huntId: hunt,
  treasureId,
  title: 'Chest',
  points: 5,
  stage: '',
  stock: 3,
  claimed: 1,
  found: true,
  released: true,
  defined: true,
  ...guarded,
});
const listed = (huntId: number): CatalogRow => ({
  huntId,
  title: 'Old Town',
  status: 'open',
  owner: 'dora',
  joinCode: 'K7Q4MX',
  players: 1,
  ...guarded,
});
const checkpoint: checkpoints.Checkpoint = {
  slot,
  position: 10 as Position,
  generation: 1,
  baseGeneration: 1,
  rebuildTo: undefined,
  events: 100,
};
const parked: checkpoints.Parked = { huntId: hunt, kind: 'poison', generation: 1, version: 4, reason: 'why', at: 5 };

const counts = [1, 2, 4, 8, 16, 32, 64, 128];
const rowsOf = <R>(make: (i: number) => R): Statement[][] => counts.map((n) => [...Array(n).keys()].map(make) as never);
const several = <R>(write: (rows: readonly R[]) => Statement[], make: (i: number) => R): Statement[] =>
  rowsOf(make).flatMap((rows) => write(rows as unknown as R[]));

/** Every function of the modules that makes statements on hunts, with input for it. One that is missing here fails the test below. */
export const onHunts: Record<string, () => readonly Statement[]> = {
  writeSnapshots: () => several(huntRows.writeSnapshots, (i) => snapshot(hunt + i * slotCount)),
  writePlayers: () => several(huntRows.writePlayers, (i) => player(`p${i}`)),
  writeTreasures: () => several(huntRows.writeTreasures, (i) => treasure(`t${i}`)),
  readSnapshot: () => [huntRows.readSnapshot(hunt)],
  readPlayers: () => [huntRows.readPlayers(hunt, 1, ['ann', '#t1'])],
  listSnapshots: () => [huntRows.listSnapshots(slot, 0, 100, 10)],
  readListed: () => [huntRows.readListed(slot, [hunt])],
  countSnapshots: () => [huntRows.countSnapshots(slot)],
  dropLeftOvers: () => [...huntRows.dropLeftOvers(slot, 2), ...huntRows.dropLeftOvers(slot, 2, hunt)],
  readCheckpoint: () => [checkpoints.readCheckpoint(slot)],
  lockCheckpoint: () => [checkpoints.lockCheckpoint(slot)],
  makeCheckpoint: () => [checkpoints.makeCheckpoint(slot)],
  advance: () => [checkpoints.advance(checkpoint, 12 as Position, 5, 99)],
  startRebuild: () => [checkpoints.startRebuild(slot, 12 as Position)],
  endRebuild: () => [checkpoints.endRebuild(checkpoint)],
  raiseGeneration: () => [checkpoints.raiseGeneration(slot)],
  readParked: () => [checkpoints.readParked(slot)],
  park: () => [checkpoints.park(parked)],
  holdParked: () => [checkpoints.holdParked(hunt, 1, 5)],
  unpark: () => [checkpoints.unpark(hunt, 1)],
  unparkSlot: () => [checkpoints.unparkSlot(slot)],
};
/** Those that make none. */
export const others = new Set(['checkpointOf', 'parkedOf', 'catalogRowOf', 'catalogRowFrom', 'searchText']);
const statuses: readonly (Status | undefined)[] = [undefined, 'draft', 'scheduled', 'open', 'paused', 'closed'];
export const onCatalog: Record<string, () => readonly Statement[]> = {
  writeCatalog: () => several(writeCatalog, (i) => listed(i + 1)),
  listCatalog: () => [listCatalog(slot, 0, 10)],
  dropFromCatalog: () => [catalogRows.dropFromCatalog([1, 2], 3)],
  readCatalog: () =>
    statuses.flatMap((status) =>
      [{}, { owner: 'dora' }, { q: 'old' }, { below: 9 }, { owner: 'dora', q: 'a_b', below: 9 }].map((more) =>
        readCatalog({ limit: 10, at: 1_000, ...more, ...(status === undefined ? {} : { status }) }),
      ),
    ),
};
export const all = [...Object.entries(onHunts), ...Object.entries(onCatalog)];
export const label = ({ name, text }: Statement): string => name ?? text.slice(0, 80);

/** The names of all functions of these modules that could make statements. */
export const makers = [huntRows, checkpoints, catalogRows].flatMap((module) =>
  Object.entries(module).flatMap(([name, value]) => (typeof value === 'function' ? [name] : [])),
);
