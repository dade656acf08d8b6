/**
 * The node's budget for member rows in memory (I5).
 *
 * Owns: which pages are resident, over all activations, and how many bytes they are taken to weigh. Does not own the
 * pages: it asks a page's holder to let go of it, and only of one that the store holds as it is. Second chance instead of
 * a strict order of use, so that using a page costs no more than setting a flag.
 */
export interface CachedPage {
  used: boolean;
  readonly bytes: number;
}

export interface PageHolder {
  /** Lets go of the page's rows, if the store holds them as they are. */
  letGo(page: CachedPage): boolean;
}

export const pageCacheBytesMax = 56 * 1024 * 1024;
export const dirtyPageBytesMax = 40 * 1024 * 1024;
/** Fewer pages than this are never let go of, whatever they weigh: a command may need several at once. */
export const residentPagesMin = 64;

export class PageCache {
  readonly #holders = new Map<CachedPage, PageHolder>();
  readonly #weights = new Map<CachedPage, number>();
  readonly #dirty = new Map<CachedPage, number>();
  #bytes = 0;
  #dirtyBytes = 0;

  constructor(
    readonly bytesMax: number = pageCacheBytesMax,
    readonly dirtyBytesMax: number = dirtyPageBytesMax,
    readonly residentMin: number = residentPagesMin,
  ) {}

  get bytes(): number {
    return this.#bytes;
  }
  get dirtyBytes(): number {
    return this.#dirtyBytes;
  }
  /** New work that makes pages dirty is refused with BUSY until some were written. */
  get tooDirty(): boolean {
    return this.#dirtyBytes > this.dirtyBytesMax;
  }
  get overBudget(): boolean {
    return this.#bytes > this.bytesMax;
  }

  /** The page became resident, or weighs something else now. */
  weigh(page: CachedPage, holder: PageHolder): void {
    const before = this.#weights.get(page) ?? 0;
    if (!this.#holders.has(page)) this.#holders.set(page, holder);
    const weight = page.bytes;
    this.#weights.set(page, weight);
    this.#bytes += weight - before;
  }

  forget(page: CachedPage): void {
    this.#bytes -= this.#weights.get(page) ?? 0;
    this.#weights.delete(page);
    this.#holders.delete(page);
    this.clean(page);
  }

  soil(page: CachedPage): void {
    if (this.#dirty.has(page)) return;
    this.#dirty.set(page, page.bytes);
    this.#dirtyBytes += page.bytes;
  }

  clean(page: CachedPage): void {
    this.#dirtyBytes -= this.#dirty.get(page) ?? 0;
    this.#dirty.delete(page);
  }

  /** Brings the cache back under its budget as far as clean pages allow. */
  shrink(): void {
    if (this.#bytes <= this.bytesMax) return;
    for (
      let hand = this.#holders.size * 2;
      hand > 0 && this.#bytes > this.bytesMax && this.#holders.size > this.residentMin;
      hand--
    ) {
      const next = this.#holders.entries().next();
      if (next.done === true) return;
      const [page, holder] = next.value;
      this.#holders.delete(page);
      if (page.used) {
        page.used = false;
        this.#holders.set(page, holder);
      } else if (holder.letGo(page)) {
        this.#bytes -= this.#weights.get(page) ?? 0;
        this.#weights.delete(page);
      } else {
        this.#holders.set(page, holder);
      }
    }
  }
}
