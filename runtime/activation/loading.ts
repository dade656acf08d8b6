import type { StreamId, Version } from '../../proto/ids.ts';
import type { ActorEvent } from '../decider.ts';
import type { ActorKind } from '../define-actor.ts';
import { readChunkBytes } from '../limits.ts';
import type { StoredPage } from '../log/page-store.ts';
import { ActorState, type SavedHeader, unpackHeader } from './actor-state.ts';
import type { NodeContext } from './context.ts';
import { headerPage, rootPage, unpackPage } from './page.ts';
import { RecentRecords } from './recent-records.ts';
import { decodeRecord } from './record.ts';
import { savePages } from './write-behind.ts';

export interface Loaded<H, M, A, E extends ActorEvent> {
  readonly state: ActorState<H, M, A, E>;
  readonly recent: RecentRecords;
  /** The version from which on events are in the log only. */
  readonly savedTo: number;
  readonly headerBytes: number;
  readonly provedAt: number;
}

/** The log has lost its beginning and the pages do not make up for it: somebody must restore the archive. */
export class HistoryLostError extends Error {
  override readonly name = 'HistoryLostError';
}

/**
 * Activation: the header and the tail of the log after it, and the one page of a small actor with them. With `rebuild`
 * pages are taken for lost and everything comes from the log (I8).
 */
export async function load<H, M, A, E extends ActorEvent>(
  node: NodeContext,
  kind: ActorKind<H, M, A, E>,
  stream: StreamId,
  pageMembersMax: number,
  rebuild: boolean,
): Promise<Loaded<H, M, A, E>> {
  const [headerStored, rootStored] = rebuild ? [] : await loadPages(node, stream, [headerPage, rootPage]);
  const saved = headerStored === undefined ? undefined : unpackHeader(headerStored.bytes);
  const asked = node.clock.monotonic();
  const outcome = await fromSaved(node, kind, stream, pageMembersMax, saved, rootStored);
  if (outcome !== undefined) return { ...outcome, headerBytes: headerStored?.bytes.byteLength ?? 0, provedAt: asked };
  // The pages say more than the log, or cannot be read: they are worth nothing and must not come back.
  await node.pages.drop(stream, [headerPage, rootPage, ...(saved?.leaves ?? [])]).catch(() => {});
  const rebuilt = await fromSaved(node, kind, stream, pageMembersMax, undefined, undefined);
  if (rebuilt === undefined) throw new Error(`${stream.kind} ${stream.id}: the log contradicts itself`);
  return { ...rebuilt, headerBytes: 0, provedAt: asked };
}

async function fromSaved<H, M, A, E extends ActorEvent>(
  node: NodeContext,
  kind: ActorKind<H, M, A, E>,
  stream: StreamId,
  pageMembersMax: number,
  saved: SavedHeader | undefined,
  root: StoredPage | undefined,
): Promise<Omit<Loaded<H, M, A, E>, 'headerBytes' | 'provedAt'> | undefined> {
  let state: ActorState<H, M, A, E>;
  try {
    state = new ActorState(kind, stream.id, pageMembersMax, node.cache, saved);
  } catch (error) {
    if (saved === undefined) throw error;
    return undefined;
  }
  try {
    if (!fillRoot(state, saved, root)) return undefined;
    const recent = new RecentRecords();
    let from = (saved?.foldedTo ?? 0) + 1;
    for (;;) {
      const page = await node.log.read(stream, from as Version, readChunkBytes);
      if (page.oldest > from && page.head >= from)
        throw new HistoryLostError(
          `${stream.kind} ${stream.id}: versions ${from} to ${page.oldest - 1} are no longer in the log`,
        );
      if (saved !== undefined && page.head < saved.version) return discard(state);
      for (const record of page.records) {
        const { events, owner } = decodeRecord(record.bytes, kind.events);
        state.fold(events, owner);
        recent.add(record);
      }
      if (page.next === undefined) break;
      from = page.next;
      if (node.cache.tooDirty) await spill(node, stream, state, from - 1);
    }
    for (const page of state.members.pages()) if (page.foldedTo > state.version) return discard(state);
    node.cache.shrink();
    return { state, recent, savedTo: saved?.foldedTo ?? 0 };
  } catch (error) {
    state.members.dispose();
    throw error;
  }
}

function discard(state: { members: { dispose(): void } }): undefined {
  state.members.dispose();
  return undefined;
}

/** The root page comes with the header. False: it should be there and is not. */
function fillRoot<H, M, A, E extends ActorEvent>(
  state: ActorState<H, M, A, E>,
  saved: SavedHeader | undefined,
  root: StoredPage | undefined,
): boolean {
  if (saved?.leaves.length !== 1 || saved.leaves[0] !== rootPage) return true;
  const [page] = state.members.pages();
  if (page === undefined || root === undefined) return discard(state) ?? false;
  try {
    unpackPage(page, root.bytes, state.kind.member);
  } catch {
    return discard(state) ?? false;
  }
  state.members.arrived(page, root.foldedTo);
  return true;
}

/** A long history without pages may not fit into memory: what is folded so far goes to the store, and the clean pages go. */
async function spill<H, M, A, E extends ActorEvent>(
  node: NodeContext,
  stream: StreamId,
  state: ActorState<H, M, A, E>,
  /** How far the pages are; the header may have been ahead of them. */
  foldedTo: number,
): Promise<void> {
  const dirty = state.members.pages().filter((page) => page.rows !== undefined && page.dirtyFrom > 0);
  await savePages(node, stream, state, dirty, foldedTo).catch(() => {});
  node.cache.shrink();
}

/** Waits of 0.1 to 0.8 s lie between them. */
export const storeAttemptsMax = 5;

/** Loads pages; a store that stays unreachable is as good as an empty one, for play needs the log alone (I10). */
export async function loadPages(
  node: NodeContext,
  stream: StreamId,
  pages: readonly number[],
): Promise<readonly (StoredPage | undefined)[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await node.pages.load(stream, pages);
    } catch {
      if (attempt === storeAttemptsMax) return pages.map(() => undefined);
      await pause(node, 50 * 2 ** attempt);
    }
  }
}

export const pause = (node: Pick<NodeContext, 'timers'>, ms: number): Promise<void> =>
  new Promise((resolve) => node.timers.after(ms, resolve));
export const nextRound = (node: Pick<NodeContext, 'timers'>): Promise<void> =>
  new Promise((resolve) => node.timers.soon(resolve));
