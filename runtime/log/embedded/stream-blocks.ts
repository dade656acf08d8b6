/**
 * The blocks of streams as they lie in the store: under kind, id and the first version, a header (f64 head, f64 position of the
 * last record; that of the newest block counts) and runs (u32 version - the block's, u32 length, f64 position). Owns how they are
 * found by position, and how they go when what they name has left the log; the newest stays, if only for its header.
 */
import type { Table } from './store.ts';

export const blockHeaderBytes = 16;
export const blockRunBytes = 16;

export function blockKey(kind: string, id: number, version: number): Buffer {
  const key = Buffer.allocUnsafe(17 + kind.length);
  key[0] = kind.length;
  key.write(kind, 1, 'latin1');
  key.writeDoubleBE(id, 1 + kind.length);
  key.writeDoubleBE(version, 9 + kind.length);
  return key;
}

/** Position of a block's first (0) or last (-1) run; 0 for a block that holds the head alone. */
function positionIn(block: Buffer, run: 0 | -1): number {
  if (block.length === blockHeaderBytes) return 0;
  return block.readDoubleLE((run === 0 ? blockHeaderBytes : block.length - blockRunBytes) + 8);
}

export class StreamBlocks {
  constructor(private readonly blocks: Table) {}

  /** The newest block that begins at or before `version`. */
  at(kind: string, id: number, version: number): { version: number; value: Buffer } | undefined {
    const range = { start: blockKey(kind, id, version), end: blockKey(kind, id, 0), reverse: true, limit: 1 };
    for (const { key, value } of this.blocks.getRange(range))
      return { version: key.readDoubleBE(key.length - 8), value };
    return undefined;
  }

  /** The first stored run at or behind position `below`. `tail`: the first version of the newest block, 0 if there is none. */
  firstBehind(
    kind: string,
    id: number,
    tail: number,
    below: number,
  ): { readonly version: number; readonly position: number } | undefined {
    if (tail === 0) return undefined;
    // The lowest block that begins there lies in [low, high]; what its neighbour holds of it comes before.
    let low = 1;
    let high = tail + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const block = this.at(kind, id, middle);
      if (block !== undefined && positionIn(block.value, 0) >= below) high = block.version;
      else low = middle + 1;
    }
    for (const start of [low - 1, low]) {
      const block = this.at(kind, id, start);
      for (let i = blockHeaderBytes; block !== undefined && i < block.value.length; i += blockRunBytes) {
        const position = block.value.readDoubleLE(i + 8);
        if (position >= below) return { version: block.version + block.value.readUInt32LE(i), position };
      }
    }
    return undefined;
  }

  /** Lets go of the blocks of which everything lies before `below`; the newest keeps the head. Called inside a batch. */
  prune(kind: string, id: number, below: number): void {
    let before: { readonly key: Buffer; readonly value: Buffer } | undefined;
    const range = { start: blockKey(kind, id, 0), end: blockKey(kind, id, Number.MAX_SAFE_INTEGER) };
    for (const { key, value } of this.blocks.getRange(range)) {
      if (before !== undefined) void this.blocks.remove(before.key);
      before = positionIn(value, -1) < below ? { key, value } : undefined;
      if (before === undefined) return;
    }
    if (before !== undefined && before.value.length > blockHeaderBytes)
      void this.blocks.put(before.key, Buffer.from(before.value.subarray(0, blockHeaderBytes)));
  }

  /** The head of a stream of which nothing else is left; one that is known to be further is kept. Called inside a batch. */
  restore(kind: string, id: number, head: number): void {
    if ((this.at(kind, id, Number.MAX_SAFE_INTEGER)?.value.readDoubleLE(0) ?? 0) >= head) return;
    const block = Buffer.alloc(blockHeaderBytes);
    block.writeDoubleLE(head, 0);
    void this.blocks.put(blockKey(kind, id, head), block);
  }
}
