import type { Position, Slot } from '../proto/ids.ts';
import { slotKeyOf, slotKeyOfHunt } from './slot-key.ts';
import { clean, type Statement, timeOf } from './statement.ts';

/**
 * How far each slot's log is in the rows. The row moves in the transaction that writes the rows (one shard: one phase), and
 * only from the place where its writer found it: of two projectors that believe to own a slot one gets nothing done.
 */
export interface Checkpoint {
  readonly slot: Slot;
  /** Everything before is in the rows. */
  readonly position: Position;
  /** Counts rebuilds of the slot and of single hunts; whoever began before the last one must begin again. */
  readonly generation: number;
  /** Rows of lower generations are of before the slot's last rebuild: they are shown, and not built upon. */
  readonly baseGeneration: number;
  /** While the slot is rebuilt: where it must come before the catalog shows it again. */
  readonly rebuildTo: Position | undefined;
  /** Hunt events before `position`. */
  readonly events: number;
}

export const firstGeneration = 1;

export const readCheckpoint = (slot: Slot): Statement => ({
  name: 'checkpoint_read',
  text: 'SELECT position, generation, base_generation, rebuild_to, events FROM projection_checkpoint WHERE slot_key = $1',
  values: [slotKeyOf(slot)],
});

/** Held until the transaction ends: the slot stands still meanwhile. */
export const lockCheckpoint = (slot: Slot): Statement => ({
  name: 'checkpoint_lock',
  text: 'SELECT position, generation, base_generation, rebuild_to, events FROM projection_checkpoint WHERE slot_key = $1 FOR UPDATE',
  values: [slotKeyOf(slot)],
});

export function checkpointOf(slot: Slot, row: Readonly<Record<string, unknown>> | undefined): Checkpoint | undefined {
  if (row === undefined) return undefined;
  return {
    slot,
    position: Number(row.position) as Position,
    generation: Number(row.generation),
    baseGeneration: Number(row.base_generation),
    rebuildTo: row.rebuild_to === null ? undefined : (Number(row.rebuild_to) as Position),
    events: Number(row.events),
  };
}

export const makeCheckpoint = (slot: Slot, generation = firstGeneration): Statement => ({
  name: 'checkpoint_make',
  text: 'INSERT INTO projection_checkpoint (slot_key, slot, position, generation, base_generation, events) VALUES ($1, $2, 0, $3, $3, 0) ON CONFLICT (slot_key) DO NOTHING',
  values: [slotKeyOf(slot), slot, generation],
});

/** One row if the checkpoint is where `from` has it, else none. `at` = the time of the last event before `to`. */
export const advance = (from: Checkpoint, to: Position, events: number, at: number): Statement => ({
  name: 'checkpoint_advance',
  text: 'UPDATE projection_checkpoint SET position = $4, events = events + $5, at = coalesce($6, at) WHERE slot_key = $1 AND position = $2 AND generation = $3',
  values: [slotKeyOf(from.slot), from.position, from.generation, to, events, timeOf(at)],
});

/** The slot is folded from its first record on, into rows of a new generation; the list stays as it is until `upto`. */
export const startRebuild = (slot: Slot, upto: Position): Statement => ({
  name: 'checkpoint_rebuild',
  text: 'UPDATE projection_checkpoint SET position = 0, events = 0, at = NULL, generation = generation + 1, base_generation = generation + 1, rebuild_to = $2 WHERE slot_key = $1',
  values: [slotKeyOf(slot), upto],
});

/** One row if nothing has changed since `from`. */
export const endRebuild = (from: Checkpoint): Statement => ({
  name: 'checkpoint_rebuilt',
  text: 'UPDATE projection_checkpoint SET rebuild_to = NULL WHERE slot_key = $1 AND position = $2 AND generation = $3',
  values: [slotKeyOf(from.slot), from.position, from.generation],
});

/** Whoever builds upon the slot's rows begins again: those of one hunt have changed. */
export const raiseGeneration = (slot: Slot): Statement => ({
  name: 'checkpoint_raise',
  text: 'UPDATE projection_checkpoint SET generation = generation + 1 WHERE slot_key = $1',
  values: [slotKeyOf(slot)],
});

/**
 * A hunt that is not projected at present. `poison`: an event of it cannot be folded; its rows stay as of the version before.
 * `rebuild`: somebody folds it anew, beside the slot.
 */
export interface Parked {
  readonly huntId: number;
  readonly kind: 'poison' | 'rebuild';
  readonly generation: number;
  /** The first version that is not in the rows. */
  readonly version: number;
  readonly reason: string;
  /** Of the slot's last event at that time. */
  readonly at: number;
}

const reasonCharsMax = 500;

export const readParked = (slot: Slot): Statement => ({
  name: 'parked_read',
  text: 'SELECT hunt_id, kind, generation, version, reason, at FROM projection_parked WHERE slot_key = $1 ORDER BY hunt_id',
  values: [slotKeyOf(slot)],
});

export const parkedOf = (row: Readonly<Record<string, unknown>>): Parked => ({
  huntId: Number(row.hunt_id),
  kind: row.kind as Parked['kind'],
  generation: Number(row.generation),
  version: Number(row.version),
  reason: String(row.reason),
  at: Number(row.at ?? 0),
});

export const park = (parked: Parked): Statement => ({
  name: 'parked_write',
  text: 'INSERT INTO projection_parked (slot_key, hunt_id, kind, generation, version, reason, at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (slot_key, hunt_id) DO UPDATE SET kind = excluded.kind, generation = excluded.generation, version = excluded.version, reason = excluded.reason, at = excluded.at WHERE projection_parked.generation <= excluded.generation',
  values: [
    slotKeyOfHunt(parked.huntId),
    parked.huntId,
    parked.kind,
    parked.generation,
    parked.version,
    clean([...parked.reason].slice(0, reasonCharsMax).join('')),
    timeOf(parked.at),
  ],
});

/** One row if the hunt is still parked under that generation: whoever rebuilds it has come to `version`. */
export const holdParked = (huntId: number, generation: number, version: number): Statement => ({
  name: 'parked_hold',
  text: 'UPDATE projection_parked SET version = $4 WHERE slot_key = $1 AND hunt_id = $2 AND generation = $3',
  values: [slotKeyOfHunt(huntId), huntId, generation, version],
});

/** One row if the hunt is still parked under that generation. */
export const unpark = (huntId: number, generation: number): Statement => ({
  name: 'parked_drop',
  text: 'DELETE FROM projection_parked WHERE slot_key = $1 AND hunt_id = $2 AND generation = $3',
  values: [slotKeyOfHunt(huntId), huntId, generation],
});

export const unparkSlot = (slot: Slot): Statement => ({
  name: 'parked_clear',
  text: 'DELETE FROM projection_parked WHERE slot_key = $1',
  values: [slotKeyOf(slot)],
});
