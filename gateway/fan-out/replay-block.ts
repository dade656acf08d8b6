/**
 * History for those who come back. Owns the cache of blocks: 64 versions each, cut at fixed places, immutable once full,
 * loaded once however many ask, shared with their frames by all who resume, forgotten by bytes (I5). Reads the log itself.
 */
import { LRUCache } from 'lru-cache';
import type { Version } from '../../proto/ids.ts';
import type { EventLog, ReadPage } from '../../runtime/log/event-log.ts';
import type { Codec } from '../socket/frame.ts';
import { type EvFrame, evFrames, SharedEvent } from './audience-frame.ts';
import type { EventReader } from './event-reader.ts';

export const blockVersions = 64;
export const blockCacheBytesMax = 64 * 1024 * 1024;
/** One read of the log fills several blocks. */
const readBytes = 256 * 1024;
/** An event decoded and encoded twice, beside its bytes in the log. */
const overheadBytes = 600;

export class ReplayBlock {
  readonly #frames: [readonly EvFrame[] | undefined, readonly EvFrame[] | undefined] = [undefined, undefined];

  constructor(
    readonly hunt: number,
    /** The block holds (after, upto]. */
    readonly after: number,
    readonly events: readonly SharedEvent[],
    readonly bytes: number,
  ) {}

  get upto(): number {
    return this.after + this.events.length;
  }
  get full(): boolean {
    return this.events.length === blockVersions;
  }

  /** The frames of everything behind `cursor`; those of the whole block are shared. */
  all(codec: Codec, cursor: number, encoded: () => void): readonly EvFrame[] {
    if (cursor === this.after) {
      const whole = this.#frames[codec.index] ?? evFrames(codec, this.hunt, cursor, this.upto, this.events, encoded);
      this.#frames[codec.index] = whole;
      return whole;
    }
    return evFrames(codec, this.hunt, cursor, this.upto, this.events.slice(cursor - this.after), encoded);
  }
}

export type BlockAnswer =
  | { readonly kind: 'block'; readonly block: ReplayBlock }
  | { readonly kind: 'trimmed'; readonly oldest: number };

export class ReplayBlocks {
  readonly #full: LRUCache<string, ReplayBlock>;
  readonly #loading = new Map<string, Promise<BlockAnswer>>();

  constructor(
    private readonly log: Pick<EventLog, 'read'>,
    private readonly reader: EventReader,
    bytesMax: number = blockCacheBytesMax,
  ) {
    this.#full = new LRUCache({ maxSize: bytesMax, sizeCalculation: (block) => block.bytes });
  }

  /** The full block that holds version `cursor` + 1, if it is here. */
  peek(hunt: number, cursor: number): ReplayBlock | undefined {
    return this.#full.get(keyOf(hunt, cursor));
  }

  /** The block that holds version `cursor` + 1, as far as the log goes. Rejects with the log's or the reader's error. */
  load(hunt: number, cursor: number): Promise<BlockAnswer> {
    const key = keyOf(hunt, cursor);
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#read(hunt, cursor).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  async #read(hunt: number, cursor: number): Promise<BlockAnswer> {
    const after = cursor - (cursor % blockVersions);
    const stream = { kind: 'hunt', id: hunt };
    let events: SharedEvent[] = [];
    let bytes = 0;
    let first: ReplayBlock | undefined;
    let start = after;
    let from = after + 1;
    for (;;) {
      const page: ReadPage = await this.log.read(stream, from as Version, readBytes);
      if (page.oldest > cursor + 1) return { kind: 'trimmed', oldest: page.oldest };
      if (page.oldest > from) {
        // The block begins in the archive: what is left of it is served, but not kept as if it were whole.
        start = page.oldest - 1;
      }
      for (const record of page.records) {
        for (const event of this.reader.decode(record)) {
          if (event.version !== start + events.length + 1) continue;
          events.push(new SharedEvent(event));
          if ((start + events.length) % blockVersions !== 0) continue;
          const block = new ReplayBlock(
            hunt,
            start,
            events,
            bytes + record.bytes.byteLength + events.length * overheadBytes,
          );
          if (block.full) this.#full.set(keyOf(hunt, start), block);
          first ??= block;
          start += events.length;
          events = [];
          bytes = 0;
        }
        bytes += record.bytes.byteLength;
      }
      if (first !== undefined) return { kind: 'block', block: first };
      if (page.next === undefined) return { kind: 'block', block: new ReplayBlock(hunt, start, events, bytes) };
      from = page.next;
    }
  }
}

const keyOf = (hunt: number, cursor: number): string => `${hunt}/${Math.floor(cursor / blockVersions)}`;
