/**
 * The pages of activations (PageStore): LMDB in the log process alone. Disposable, so a save waits for its commit but not
 * for the disk; never corrupt, because LMDB keeps the last synced state whole. Every page carries the version that it is
 * folded to and is only ever replaced by one that is not older. Keeps I8.
 */
import type { Version } from '../../../proto/ids.ts';
import type { StoredPage } from '../page-store.ts';
import type { Store, Table } from './store.ts';

function pageKey(kind: string, id: number, page: number): Buffer {
  const key = Buffer.allocUnsafe(13 + kind.length);
  key[0] = kind.length;
  key.write(kind, 1, 'latin1');
  key.writeDoubleBE(id, 1 + kind.length);
  key.writeUInt32BE(page, 9 + kind.length);
  return key;
}

export class Pages {
  readonly #pages: Table;

  constructor(private readonly store: Store) {
    this.#pages = store.table('pages');
  }

  load(kind: string, id: number, page: number): StoredPage | undefined {
    const value = this.#pages.get(pageKey(kind, id, page));
    if (value === undefined) return undefined;
    return { page, foldedTo: value.readDoubleLE(0) as Version, bytes: value.subarray(8) };
  }

  /** All in one transaction; each iff it is not older than the one that is there. */
  async save(kind: string, id: number, pages: readonly StoredPage[]): Promise<void> {
    await this.store.transaction(() => {
      for (const page of pages) {
        const key = pageKey(kind, id, page.page);
        const held = this.#pages.get(key)?.readDoubleLE(0) ?? 0;
        if (held > page.foldedTo) continue;
        const value = Buffer.allocUnsafe(8 + page.bytes.byteLength);
        value.writeDoubleLE(page.foldedTo, 0);
        value.set(page.bytes, 8);
        void this.#pages.put(key, value);
      }
    });
  }

  async drop(kind: string, id: number, pages: readonly number[]): Promise<void> {
    await this.store.batch(() => {
      for (const page of pages) void this.#pages.remove(pageKey(kind, id, page));
    });
  }

  async close(): Promise<void> {
    await this.store.close();
  }
}
