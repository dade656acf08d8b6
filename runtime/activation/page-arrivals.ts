import type { StreamId } from '../../proto/ids.ts';
import type { Waiting } from '../command/mailbox.ts';
import type { ActorEvent } from '../decider.ts';
import type { StateCodec } from '../define-actor.ts';
import type { StoredPage } from '../log/page-store.ts';
import type { NodeContext, Runnable } from './context.ts';
import { pause, storeAttemptsMax } from './loading.ts';
import type { Members } from './members.ts';
import { type Page, unpackPage } from './page.ts';

export interface PageHome<M, E extends ActorEvent> extends Runnable {
  readonly node: NodeContext;
  readonly stream: StreamId;
  readonly isOver: boolean;
  readonly kind: { readonly member: StateCodec<M> };
  readonly state: { readonly members: Members<M, E>; readonly version: number };
  pagesLost(): void;
}

/** Pages of one load, at most. */
const loadPagesMax = 64;

/**
 * The pages of one activation that are on their way in.
 *
 * Owns: which pages are asked for, and who waits for them. Pages that are wanted in one round are loaded in one call. A
 * page that the header names and the store does not have was lost: the activation starts again from the log (I8).
 */
export class PageArrivals<M, E extends ActorEvent> {
  #asked: Page<M, E>[] = [];
  readonly #waiting = new Map<Page<M, E>, (() => void)[]>();
  #isOver = false;

  constructor(readonly home: PageHome<M, E>) {}

  /** The request waits for the pages of those members; true if it has to. */
  want(request: Waiting, memberIds: readonly string[]): boolean {
    const { members } = this.home.state;
    let mustWait = false;
    for (const memberId of memberIds) {
      const page = members.pageOf(memberId);
      if (page.rows !== undefined) {
        page.used = true;
        continue;
      }
      mustWait = true;
      request.blocked++;
      this.#ask(page, () => {
        request.blocked--;
        if (request.blocked === 0) this.home.node.ready(this.home);
      });
    }
    return mustWait;
  }

  /**
   * Resolves when the pages are in memory; rejects when they cannot be had. One that was split meanwhile is left alone: its rows
   * are in its halves, and what the store has of it is old.
   */
  async bring(pages: readonly Page<M, E>[]): Promise<void> {
    const { members } = this.home.state;
    const absent = pages.filter((page) => page.rows === undefined && members.holds(page));
    await Promise.all(absent.map((page) => new Promise<void>((resolve) => this.#ask(page, resolve))));
    if (this.#isOver) throw new Error('the activation is over');
  }

  /** The activation is over: nobody waits any longer. */
  giveUp(): void {
    this.#isOver = true;
    for (const waiting of [...this.#waiting.values()]) for (const arrived of waiting) arrived();
    this.#waiting.clear();
  }

  #ask(page: Page<M, E>, arrived: () => void): void {
    const waiting = this.#waiting.get(page);
    if (waiting !== undefined) {
      waiting.push(arrived);
      return;
    }
    this.#waiting.set(page, [arrived]);
    page.isLoading = true;
    this.#asked.push(page);
    if (this.#asked.length === 1) this.home.node.timers.soon(() => this.#loadAsked());
  }

  #loadAsked(): void {
    const asked = this.#asked;
    this.#asked = [];
    for (let i = 0; i < asked.length; i += loadPagesMax) void this.#load(asked.slice(i, i + loadPagesMax));
  }

  async #load(pages: readonly Page<M, E>[]): Promise<void> {
    const { node, stream } = this.home;
    node.metrics.count('hunt_page_loads_total', pages.length);
    const ids = pages.map((page) => page.id);
    let stored: readonly (StoredPage | undefined)[] | undefined;
    for (let attempt = 1; stored === undefined && attempt <= storeAttemptsMax; attempt++) {
      try {
        stored = await node.pages.load(stream, ids);
      } catch {
        if (attempt < storeAttemptsMax) await pause(node, 50 * 2 ** attempt);
      }
    }
    if (this.home.isOver) return;
    for (const [i, page] of pages.entries()) {
      const found = stored?.[i];
      if (found === undefined || !this.#arrive(page, found)) return this.home.pagesLost();
    }
    // The turn that waited for them comes first: if all others are dirty, these are the ones that would have to go.
    node.timers.soon(() => node.cache.shrink());
  }

  #arrive(page: Page<M, E>, found: StoredPage): boolean {
    const { members, version } = this.home.state;
    page.isLoading = false;
    if (found.foldedTo > version) return false;
    try {
      unpackPage(page, found.bytes, this.home.kind.member);
    } catch {
      return false;
    }
    members.arrived(page, found.foldedTo);
    const waiting = this.#waiting.get(page) ?? [];
    this.#waiting.delete(page);
    for (const arrived of waiting) arrived();
    return true;
  }
}
