import { judge, type ReceiptVerdict, remember } from '../command/receipts.ts';
import type { ActorEvent, Decider } from '../decider.ts';
import { depthOf, type MemberRow, memberHash, Page, pageDepthMax, suffixOf } from './page.ts';
import type { CachedPage, PageCache, PageHolder } from './page-cache.ts';

type MemberDecider<M, E extends ActorEvent> = Pick<
  Decider<never, M, never, E>,
  'initialMember' | 'evolveMember' | 'membersOf'
>;

/**
 * The member rows of one actor, in pages by extendible hashing.
 *
 * Owns: the directory (which page a member is in), the pages, the events that wait for a page that is not resident. Does
 * not load or save: `pages` and `write-behind` do, and tell it. A page splits when an insert finds it full, so the
 * directory depends on the members alone, whoever builds it.
 */
export class Members<M, E extends ActorEvent> implements PageHolder {
  /** Indexed by the low `depth` bits of a member's hash. */
  #directory: Page<M, E>[];
  #depth = 0;
  #absent = 0;
  #pageCount = 1;
  /** Pages that a split made useless; the store may forget them once a header that does not name them is saved. */
  retired: Page<M, E>[] = [];

  constructor(
    readonly decider: MemberDecider<M, E>,
    readonly pageMembersMax: number,
    readonly cache: PageCache,
    leaves: readonly number[],
  ) {
    if (leaves.length === 0) {
      const root = new Page<M, E>(0, 0);
      root.rows = new Map();
      this.#directory = [root];
      return;
    }
    this.#depth = Math.max(...leaves.map(depthOf));
    const directory = new Array<Page<M, E> | undefined>(2 ** this.#depth);
    for (const id of leaves) {
      const page = new Page<M, E>(depthOf(id), suffixOf(id));
      page.stored = true;
      for (let i = page.suffix; i < directory.length; i += 2 ** page.depth) directory[i] = page;
    }
    if (directory.includes(undefined)) throw new Error('the directory of pages has a hole');
    this.#directory = directory as Page<M, E>[];
    this.#absent = leaves.length;
    this.#pageCount = leaves.length;
  }

  /** Every page is here, so no command has to wait for one. */
  get allResident(): boolean {
    return this.#absent === 0;
  }

  get pageCount(): number {
    return this.#pageCount;
  }

  /** What the rows in memory are taken to weigh. */
  get residentBytes(): number {
    return this.pages().reduce((sum, page) => sum + (page.rows === undefined ? 0 : page.bytes), 0);
  }

  pageOf(memberId: string): Page<M, E> {
    return this.#directory[this.#depth === 0 ? 0 : memberHash(memberId) & (2 ** this.#depth - 1)] as Page<M, E>;
  }

  /** Whether the page is in the directory: false once it was split. */
  holds(page: Page<M, E>): boolean {
    return this.#directory[page.suffix] === page;
  }

  pages(): Page<M, E>[] {
    return this.#depth === 0 ? [this.#directory[0] as Page<M, E>] : [...new Set(this.#directory)];
  }

  /** The row; a new one, which nobody keeps, if the member has none; undefined if its page is not resident. */
  row(memberId: string): MemberRow<M> | undefined {
    const page = this.pageOf(memberId);
    if (page.rows === undefined) return undefined;
    page.used = true;
    return (
      page.rows.get(memberId) ?? {
        id: memberId,
        lastSeq: 0,
        receipts: [],
        member: this.decider.initialMember(memberId),
      }
    );
  }

  /** Judged by the row alone; undefined if it is not resident. */
  receipt(player: string, seq: number, fingerprint: number): ReceiptVerdict | undefined {
    const page = this.pageOf(player);
    if (page.rows === undefined) return undefined;
    const row = page.rows.get(player);
    return row === undefined ? { kind: 'fresh' } : judge(row, seq, fingerprint);
  }

  /** Folds the event into the rows that it changes; where the page is not resident, later. */
  evolve(event: E): void {
    const members = this.decider.membersOf(event);
    for (const memberId of members) this.#evolve(memberId, event, true);
    // A player's command leaves a receipt in its row, whatever else it changes.
    if (event.seq > 0 && !members.includes(event.playerId)) this.#evolve(event.playerId, event, false);
  }

  touchedBy(event: E): readonly string[] {
    const members = this.decider.membersOf(event);
    return event.seq > 0 && !members.includes(event.playerId) ? [...members, event.playerId] : members;
  }

  #evolve(memberId: string, event: E, isMember: boolean): void {
    const page = this.pageOf(memberId);
    // A page that came with the header may be ahead of it: a save that broke off stores pages first.
    if (page.rows !== undefined && event.version <= page.foldedTo) return;
    if (page.rows !== undefined) this.#fold(page, memberId, event, isMember);
    else if (page.pending.at(-1) !== event) page.pending.push(event);
  }

  /** The page's rows were just filled in from the store, folded to `foldedTo`: the events that waited for it are folded. */
  arrived(page: Page<M, E>, foldedTo: number): void {
    page.stored = true;
    page.foldedTo = foldedTo;
    page.used = true;
    this.#absent--;
    this.cache.weigh(page, this);
    const pending = page.pending;
    page.pending = [];
    for (const event of pending) {
      if (event.version <= foldedTo) continue;
      const members = this.decider.membersOf(event);
      for (const memberId of members) this.#foldArrived(page, memberId, event, true);
      if (event.seq > 0 && !members.includes(event.playerId)) this.#foldArrived(page, event.playerId, event, false);
    }
  }

  /** The store now holds the page as folded to `foldedTo`; it stays dirty if it was changed since. */
  saved(page: Page<M, E>, foldedTo: number): void {
    page.stored = true;
    page.foldedTo = foldedTo;
    if (page.touched > foldedTo) {
      page.dirtyFrom = foldedTo + 1;
      return;
    }
    page.dirtyFrom = 0;
    this.cache.clean(page);
  }

  letGo(cached: CachedPage): boolean {
    const page = cached as Page<M, E>;
    if (page.rows === undefined || page.dirtyFrom > 0 || !page.stored || page.isLoading) return false;
    page.rows = undefined;
    this.#absent++;
    return true;
  }

  /** The activation ends. */
  dispose(): void {
    for (const page of this.pages()) this.cache.forget(page);
  }

  /** The page may have been split by an event before; the rows of other pages have their own copy of the event. */
  #foldArrived(page: Page<M, E>, memberId: string, event: E, isMember: boolean): void {
    const home = this.pageOf(memberId);
    if (home === page || isWithin(home, page)) this.#fold(home, memberId, event, isMember);
  }

  #fold(page: Page<M, E>, memberId: string, event: E, isMember: boolean): void {
    const rows = page.rows as Map<string, MemberRow<M>>;
    let row = rows.get(memberId);
    const isNew = row === undefined;
    if (row === undefined) {
      row = { id: memberId, lastSeq: 0, receipts: [], member: this.decider.initialMember(memberId) };
      rows.set(memberId, row);
    }
    if (event.seq > 0 && memberId === event.playerId) remember(row, event);
    if (isMember) this.decider.evolveMember(row.member, event, memberId);
    page.touched = event.version;
    page.used = true;
    if (page.dirtyFrom === 0) {
      page.dirtyFrom = event.version;
      this.cache.soil(page);
    }
    if (!isNew) return;
    this.cache.weigh(page, this);
    if (rows.size > this.pageMembersMax && page.depth < pageDepthMax) this.#split(page);
  }

  #split(page: Page<M, E>): void {
    const bit = 2 ** page.depth;
    this.#pageCount++;
    if (page.depth === this.#depth) {
      this.#directory = [...this.#directory, ...this.#directory];
      this.#depth++;
    }
    const halves = [
      new Page<M, E>(page.depth + 1, page.suffix),
      new Page<M, E>(page.depth + 1, page.suffix + bit),
    ] as const;
    for (const half of halves) {
      half.rows = new Map();
      half.rowBytes = page.rowBytes;
      half.dirtyFrom = page.dirtyFrom;
      half.touched = page.touched;
      for (let i = half.suffix; i < this.#directory.length; i += 2 ** half.depth) this.#directory[i] = half;
    }
    for (const row of page.rows?.values() ?? []) {
      const half = (memberHash(row.id) & bit) === 0 ? halves[0] : halves[1];
      half.rows?.set(row.id, row);
    }
    if (page.stored) this.retired.push(page);
    page.rows = undefined;
    this.cache.forget(page);
    for (const half of halves) {
      this.cache.weigh(half, this);
      this.cache.soil(half);
    }
    for (const half of halves)
      if ((half.rows?.size ?? 0) > this.pageMembersMax && half.depth < pageDepthMax) this.#split(half);
  }
}

/** Whether `page` came out of `ancestor` by splits. */
export const isWithin = (
  page: { depth: number; suffix: number },
  ancestor: { depth: number; suffix: number },
): boolean => page.depth > ancestor.depth && page.suffix % 2 ** ancestor.depth === ancestor.suffix;
