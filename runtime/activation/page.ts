import { pack, unpack } from 'msgpackr';
import type { Receipts } from '../command/receipts.ts';
import type { StateCodec } from '../define-actor.ts';

/** A member's row as the runtime keeps it: what the decider sees ({@link Row}) and the receipts behind it. */
export interface MemberRow<M> extends Receipts {
  readonly id: string;
  member: M;
}

/** Page 0 is the header; the page that holds all members while there are few is page 1. */
export const headerPage = 0;
export const rootPage = 1;
/** A page so deep splits no further: only ids chosen to collide get there. */
export const pageDepthMax = 20;
/** What a row is taken to weigh in memory until its page was written once, and how much more it weighs than its bytes. */
export const rowBytesGuess = 512;
const memoryPerByte = 4;
const rowOverheadBytes = 160;

/**
 * The rows whose hash ends in the bits `suffix` (of `depth` bits). Its number tells both, so the pages that a split makes
 * are always new ones, and two owners that hold the same members have the same pages.
 */
export class Page<M, E> {
  readonly id: number;
  /** Undefined while the rows are in the store only. */
  rows: Map<string, MemberRow<M>> | undefined;
  /** Events on rows of this page that came while it was not resident, oldest first. */
  pending: E[] = [];
  /** Whether the store has ever held this page; then a load that finds nothing has found a loss. */
  stored = false;
  /** The version up to which the stored bytes are folded. */
  foldedTo = 0;
  /** The first version that the stored bytes lack; 0 when they lack none. */
  dirtyFrom = 0;
  /** The last version that changed a row. */
  touched = 0;
  /** Set by every use, cleared by the cache's hand (second chance). */
  used = true;
  rowBytes = rowBytesGuess;
  isLoading = false;

  constructor(
    readonly depth: number,
    readonly suffix: number,
  ) {
    this.id = pageId(depth, suffix);
  }

  get bytes(): number {
    return this.rows === undefined ? 0 : this.rows.size * this.rowBytes;
  }
}

export const pageId = (depth: number, suffix: number): number => 2 ** depth + suffix;
export const depthOf = (id: number): number => 31 - Math.clz32(id);
export const suffixOf = (id: number): number => id - 2 ** depthOf(id);

export function packPage<M>(page: Page<M, unknown>, codec: StateCodec<M>): Uint8Array {
  const rows: unknown[] = [];
  for (const row of page.rows?.values() ?? []) rows.push([row.id, row.lastSeq, row.receipts, codec.pack(row.member)]);
  const bytes = pack(rows);
  if (rows.length > 0) page.rowBytes = Math.ceil((bytes.byteLength * memoryPerByte) / rows.length) + rowOverheadBytes;
  return bytes;
}

/** Fills the page's rows from stored bytes. Throws on bytes that are no page. */
export function unpackPage<M>(page: Page<M, unknown>, bytes: Uint8Array, codec: StateCodec<M>): void {
  const packed = unpack(bytes) as [string, number, number[], unknown][];
  const rows = new Map<string, MemberRow<M>>();
  for (const [id, lastSeq, receipts, member] of packed)
    rows.set(id, { id, lastSeq, receipts, member: codec.unpack(member) });
  page.rows = rows;
  if (rows.size > 0) page.rowBytes = Math.ceil((bytes.byteLength * memoryPerByte) / rows.size) + rowOverheadBytes;
}

/** FNV-1a over the id's code units, then murmur's finaliser, so that the low bits are as good as the high ones. */
export function memberHash(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
