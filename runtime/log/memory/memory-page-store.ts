import { type StreamId, streamKey } from '../../../proto/ids.ts';
import type { PageStore, StoredPage } from '../page-store.ts';

/** The page store in memory: refuses a lower `foldedTo`, and crashes, loses and fails as it is told to. */
export class MemoryPageStore implements PageStore {
  readonly #pages = new Map<string, StoredPage>();
  /** Called before each page is stored; true: this page and all that follow are not, and the call fails. */
  crash: ((stream: StreamId, page: StoredPage) => boolean) | undefined;
  isDown = false;
  readonly calls = { load: 0, save: 0, pagesLoaded: 0, pagesSaved: 0 };

  async load(stream: StreamId, pages: readonly number[]): Promise<readonly (StoredPage | undefined)[]> {
    this.calls.load++;
    this.calls.pagesLoaded += pages.length;
    await Promise.resolve();
    if (this.isDown) throw new Error('the page store does not answer');
    return pages.map((page) => this.#pages.get(`${streamKey(stream)}/${page}`));
  }

  async save(stream: StreamId, pages: readonly StoredPage[]): Promise<void> {
    this.calls.save++;
    await Promise.resolve();
    if (this.isDown) throw new Error('the page store does not answer');
    for (const page of pages) {
      if (this.crash?.(stream, page) === true) throw new Error('the page store broke off');
      const key = `${streamKey(stream)}/${page.page}`;
      const present = this.#pages.get(key);
      if (present !== undefined && page.foldedTo < present.foldedTo) continue;
      this.calls.pagesSaved++;
      this.#pages.set(key, { ...page, bytes: Uint8Array.from(page.bytes) });
    }
  }

  async drop(stream: StreamId, pages: readonly number[]): Promise<void> {
    await Promise.resolve();
    for (const page of pages) this.#pages.delete(`${streamKey(stream)}/${page}`);
  }

  /** The pages that are there, by "kind/id/page". */
  keys(): string[] {
    return [...this.#pages.keys()];
  }

  stored(stream: StreamId, page: number): StoredPage | undefined {
    return this.#pages.get(`${streamKey(stream)}/${page}`);
  }

  lose(matches: (key: string) => boolean): void {
    for (const key of this.#pages.keys()) if (matches(key)) this.#pages.delete(key);
  }
}
