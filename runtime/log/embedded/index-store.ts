/**
 * The index on disk: LMDB in the log process alone, written behind, rebuildable from the segments (I8). Owns the
 * environment, the flush and the checkpoint. Order keeps it sound: segments are synced, then blocks are written, then the
 * checkpoint; so the index may be ahead of its checkpoint but never ahead of the segments.
 */
import { slotCount } from '../../../proto/ids.ts';
import type { Timers } from '../../kernel/timer.ts';
import type { Damage, DamagedRegion, DamagedStream } from './damage.ts';
import { SlotIndex } from './slot-index.ts';
import type { Store, Table } from './store.ts';
import { StreamIndex } from './stream-index.ts';

/** Streams a slice of a flush: about 2 ms of CPU between commits. */
const sliceStreams = 200;
const checkpointKey = Buffer.from('checkpoint');
const damageKey = Buffer.from('damage');
const formatNumber = 1;

export interface Checkpoint {
  /** Everything before is in the index. */
  readonly position: number;
  readonly epochs: Float64Array;
  /** Position of each slot's last record. */
  readonly slotLast: Float64Array;
}

export class IndexStore {
  readonly streams: StreamIndex;
  readonly slots: SlotIndex;
  readonly #meta: Table;
  /** Position up to which a flush is under way or was done: no run may cross it. */
  boundary = 0;
  /** Everything before is in the index, by a flush that is done. */
  checkpointed = 0;
  /** A flush or a removal is under way; there is one at a time. */
  #writing: Promise<unknown> | undefined;

  constructor(
    private readonly store: Store,
    private readonly timers: Timers,
    streamsMax: number,
  ) {
    this.#meta = store.table('meta');
    this.streams = new StreamIndex(store.table('streams'), streamsMax);
    this.slots = new SlotIndex(store.table('slots'));
  }

  /** The last checkpoint; undefined for a new or deleted index. */
  checkpoint(): Checkpoint | undefined {
    const bytes = this.#meta.get(checkpointKey);
    if (bytes === undefined || bytes.length !== 16 + slotCount * 16 || bytes.readDoubleLE(0) !== formatNumber)
      return undefined;
    const epochs = new Float64Array(slotCount);
    const slotLast = new Float64Array(slotCount);
    for (let slot = 0; slot < slotCount; slot++) {
      epochs[slot] = bytes.readDoubleLE(16 + slot * 16);
      slotLast[slot] = bytes.readDoubleLE(24 + slot * 16);
    }
    return { position: bytes.readDoubleLE(8), epochs, slotLast };
  }

  loadDamage(into: Damage): void {
    const bytes = this.#meta.get(damageKey);
    if (bytes === undefined) return;
    const known = JSON.parse(bytes.toString()) as { streams: DamagedStream[]; regions: DamagedRegion[] };
    for (const stream of known.streams) into.addStream(stream);
    for (const region of known.regions) into.addRegion(region);
  }

  async saveDamage(damage: Damage): Promise<void> {
    await this.store.batch(() => void this.#meta.put(damageKey, Buffer.from(JSON.stringify(damage))));
  }

  /** Writes everything before `checkpoint.position` behind. Resolves false if the index is being written already. */
  async flush(checkpoint: Checkpoint, syncSegments: () => Promise<void>): Promise<boolean> {
    if (this.#writing !== undefined) return false;
    await this.#alone(() => this.#flush(checkpoint, syncSegments));
    return true;
  }

  async #alone(work: () => Promise<void>): Promise<void> {
    const writing = work();
    this.#writing = writing;
    try {
      await writing;
    } finally {
      this.#writing = undefined;
    }
  }

  /** What the trimmed segments before `below` held of these streams, and of all slots, is no longer looked for. */
  async prune(streams: readonly { readonly kind: string; readonly id: number }[], below: number): Promise<void> {
    for (let i = 0; i < streams.length; i += sliceStreams) {
      const slice = streams.slice(i, i + sliceStreams);
      await this.#between(() => {
        for (const { kind, id } of slice) this.streams.stored.prune(kind, id, below);
      });
    }
    await this.#between(() => {
      for (let slot = 0; slot < slotCount; slot++) this.slots.prune(slot, below);
    });
  }

  /** The heads of streams of which nothing but the head is left, for an index that was lost. */
  async restore(
    heads: readonly { readonly kind: string; readonly id: number; readonly head: number }[],
  ): Promise<void> {
    await this.#between(() => {
      for (const { kind, id, head } of heads) this.streams.stored.restore(kind, id, head);
    });
  }

  /** One batch, when no flush is half done: each would read what the other is about to replace. */
  async #between(puts: () => void): Promise<void> {
    while (this.#writing !== undefined) await this.settled();
    await this.#alone(() => this.store.batch(puts));
    await new Promise<void>((resolve) => this.timers.soon(resolve));
  }

  /** What was written so far survives power loss when this resolves. */
  async onDisk(): Promise<void> {
    await this.store.flushed();
  }

  async #flush(checkpoint: Checkpoint, syncSegments: () => Promise<void>): Promise<void> {
    this.boundary = checkpoint.position;
    const before = this.streams.unindexed;
    await syncSegments();
    const dirty = this.streams.takeDirty();
    for (let i = 0; i < dirty.length; i += sliceStreams) {
      const slice = dirty.slice(i, i + sliceStreams);
      try {
        await this.store.batch(() => this.streams.flush(slice, checkpoint.position));
      } catch (error) {
        this.streams.failed(dirty.slice(i));
        throw error;
      }
      this.streams.flushed(slice);
      await new Promise<void>((resolve) => this.timers.soon(resolve));
    }
    try {
      await this.store.batch(() => this.slots.flush(checkpoint.position));
    } catch (error) {
      this.slots.failed();
      throw error;
    }
    this.slots.flushed();
    const bytes = Buffer.alloc(16 + slotCount * 16);
    bytes.writeDoubleLE(formatNumber, 0);
    bytes.writeDoubleLE(checkpoint.position, 8);
    for (let slot = 0; slot < slotCount; slot++) {
      bytes.writeDoubleLE(checkpoint.epochs[slot] as number, 16 + slot * 16);
      bytes.writeDoubleLE(checkpoint.slotLast[slot] as number, 24 + slot * 16);
    }
    await this.store.batch(() => void this.#meta.put(checkpointKey, bytes));
    this.checkpointed = checkpoint.position;
    this.streams.unindexed = Math.max(0, this.streams.unindexed - before);
    this.streams.sweep();
  }

  /** Resolves when what is being written is written. */
  async settled(): Promise<void> {
    await this.#writing?.catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.settled();
    await this.store.close();
  }
}
