import type { StreamId, Version } from '../../proto/ids.ts';
import type { ActorEvent } from '../decider.ts';
import { type ActorState, packHeader } from './actor-state.ts';
import type { NodeContext } from './context.ts';
import { headerPage, type Page, packPage } from './page.ts';

/**
 * Write-behind: an activation's pages go to the store when much is only in the log, and before it sleeps.
 *
 * Only what is committed is ever written (never ahead of the log, I1), pages first, the header last: a crash at any point
 * leaves a header whose `foldedTo` every page has reached, and the log holds the rest. A failure is no error: the log is
 * the truth, and the next activation reads a longer tail.
 */
export interface Saveable<H, M, A, E extends ActorEvent> {
  readonly stream: StreamId;
  readonly state: ActorState<H, M, A, E>;
  readonly isOver: boolean;
  /** The last version that is in the log for sure. */
  readonly durable: number;
  readonly savedTo: number;
  /** Stops turns until nothing is in flight, runs `pack` then, and lets turns go on. False: the activation is over. */
  quiesce(pack: () => void): Promise<boolean>;
  /** Brings the pages into memory. */
  bring(pages: readonly Page<M, E>[]): Promise<void>;
  saved(version: number, headerBytes: number): void;
}

/** Up to so many pages are packed at once, in one stop, with the header. */
const pagesAtOnce = 16;

/** True when the store now holds everything up to the version that was durable at the start. */
export async function writeBehind<H, M, A, E extends ActorEvent>(
  node: NodeContext,
  actor: Saveable<H, M, A, E>,
): Promise<boolean> {
  await node.savePermits.take();
  try {
    return await save(node, actor);
  } catch {
    return false;
  } finally {
    node.savePermits.give();
  }
}

async function save<H, M, A, E extends ActorEvent>(node: NodeContext, actor: Saveable<H, M, A, E>): Promise<boolean> {
  const { state, stream } = actor;
  let target = actor.durable;
  let due = duePages(state, target);
  for (; due.length > pagesAtOnce; due = due.slice(pagesAtOnce)) {
    const chunk = due.slice(0, pagesAtOnce);
    await actor.bring(chunk.filter((page) => page.rows === undefined));
    if (actor.isOver) return false;
    const isSettled = chunk.every((page) => page.touched <= actor.durable);
    let saving: Promise<void> | undefined;
    if (isSettled) saving = savePages(node, stream, state, chunk, actor.durable);
    else if (!(await actor.quiesce(() => (saving = savePages(node, stream, state, chunk))))) return false;
    await saving;
    node.cache.shrink();
  }
  await actor.bring(due.filter((page) => page.rows === undefined));
  if (actor.isOver) return false;
  let saving: Promise<void> | undefined;
  const quiet = await actor.quiesce(() => {
    const dirty = state.members.pages().filter((page) => page.rows !== undefined && page.dirtyFrom > 0);
    const rest = dirty.filter((page) => !page.stored || due.includes(page));
    // Nothing that is left behind: the header may speak for everything, and the tail is empty.
    if (dirty.length === rest.length && state.members.pages().every((page) => page.pending.length === 0))
      target = state.version;
    saving = saveAll(node, actor, rest, target);
  });
  if (!quiet) return false;
  await saving;
  return true;
}

const duePages = <H, M, A, E extends ActorEvent>(state: ActorState<H, M, A, E>, target: number): Page<M, E>[] =>
  state.members
    .pages()
    .filter(
      (page) =>
        (page.dirtyFrom > 0 && page.dirtyFrom <= target) ||
        (page.pending[0] !== undefined && page.pending[0].version <= target),
    );

/** Packs at once what the caller knows to be committed up to `foldedTo`, and writes it. */
export async function savePages<H, M, A, E extends ActorEvent>(
  node: NodeContext,
  stream: StreamId,
  state: ActorState<H, M, A, E>,
  pages: readonly Page<M, E>[],
  foldedTo: number = state.version,
): Promise<void> {
  const resident = pages.filter((page) => page.rows !== undefined);
  if (resident.length === 0) return;
  const stored = resident.map((page) => ({
    page: page.id,
    foldedTo: foldedTo as Version,
    bytes: packPage(page, state.kind.member),
  }));
  await node.pages.save(stream, stored);
  // One that was split meanwhile is in the directory no more, and its halves are dirty.
  for (const page of resident) if (page.rows !== undefined) state.members.saved(page, foldedTo);
}

async function saveAll<H, M, A, E extends ActorEvent>(
  node: NodeContext,
  actor: Saveable<H, M, A, E>,
  pages: readonly Page<M, E>[],
  foldedTo: number,
): Promise<void> {
  const { state, stream } = actor;
  const { version, lastAt, members } = state;
  const stored = pages.map((page) => ({
    page: page.id,
    foldedTo: version as Version,
    bytes: packPage(page, state.kind.member),
  }));
  const leaves = members
    .pages()
    .filter((page) => page.stored || page.dirtyFrom > 0)
    .map((page) => page.id);
  const header = packHeader({
    version,
    foldedTo,
    lastAt,
    vector: state.vector.entries(),
    leaves,
    header: state.kind.header.pack(state.header),
  });
  const { retired } = members;
  members.retired = [];
  try {
    await node.pages.save(stream, [...stored, { page: headerPage, foldedTo: version as Version, bytes: header }]);
  } catch (error) {
    members.retired.push(...retired);
    throw error;
  }
  for (const page of pages) if (page.rows !== undefined) members.saved(page, version);
  actor.saved(foldedTo, header.byteLength);
  if (retired.length > 0)
    await node.pages.drop(
      stream,
      retired.map((page) => page.id),
    );
}
