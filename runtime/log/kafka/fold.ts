/**
 * The one rule of a slot's partition: which of its records count. Owner, followers, relay and checkers all apply it, and
 * because it is a pure function of the records in their order, all of them agree at every offset, whatever they believed.
 *
 * Anybody may write anything at any time: a stopped owner that wakes up, a request that was given up and arrives late, the
 * same records twice. Such records are ghosts: they stay in the partition and never count. Keeps I2.
 *
 * - An *announcement* `{term, epoch, owner}` counts iff its term is the highest so far + 1 and its epoch is not below the
 *   present one. Terms fence; the epoch is the number of the cluster view that assigned the slot. They are two numbers
 *   because views are counted for all slots together, so that a slot's epochs jump, and because one epoch may be taken twice
 *   (a node that starts again): "highest + 1" needs a number without holes that each announcement uses up.
 * - A *batch* `{term, seq, ...}` counts iff it bears the present term and the next seq. Only the process whose announcement
 *   began the term knows it, and it numbers its batches 1, 2, 3 ...: the first copy of each counts, in their order.
 */
import type { StreamId } from '../../../proto/ids.ts';

export interface Announcement {
  readonly type: 'announcement';
  readonly term: number;
  readonly epoch: number;
  /** Unguessable and new for every announcement: by it the announcer knows its own. */
  readonly owner: string;
}

export interface Batch {
  readonly type: 'batch';
  readonly term: number;
  readonly epoch: number;
  readonly seq: number;
  /** Events in the slot before this batch: what lag is counted with. */
  readonly total: number;
  readonly stream: StreamId;
  readonly version: number;
  readonly count: number;
}

/** What says nothing about who owns the slot: checkpoints, and whatever else somebody wrote into the topic. */
export interface Aside {
  readonly type: 'checkpoint' | 'foreign';
}

export interface FoldState {
  readonly term: number;
  readonly epoch: number;
  readonly owner: string;
  /** Of the last batch of this term that counted. */
  readonly seq: number;
  /** Events of all batches that counted. */
  readonly total: number;
}

export const emptySlot: FoldState = { term: 0, epoch: 0, owner: '', seq: 0, total: 0 };

/** The state after the record; the very same object iff the record is a ghost. */
export function fold(state: FoldState, entry: Announcement | Batch | Aside): FoldState {
  switch (entry.type) {
    case 'announcement': {
      if (entry.term !== state.term + 1 || entry.epoch < state.epoch) return state;
      return { term: entry.term, epoch: entry.epoch, owner: entry.owner, seq: 0, total: state.total };
    }
    case 'batch': {
      // Terms begin at 1: in a slot that nobody has taken no batch counts.
      if (entry.term < 1 || entry.term !== state.term || entry.seq !== state.seq + 1) return state;
      const { term, epoch, owner, total } = state;
      return { term, epoch, owner, seq: entry.seq, total: total + entry.count };
    }
    case 'checkpoint':
    case 'foreign':
      return state;
    default:
      return entry satisfies never;
  }
}

/**
 * The state after a batch that is known to count, for readers that begin in the middle of a partition: a batch bears all
 * that decides about what follows. Who the owner is does not matter to them.
 */
export function adopt(batch: Batch): FoldState {
  const { term, epoch, seq, total, count } = batch;
  return { term, epoch, owner: '', seq, total: total + count };
}
