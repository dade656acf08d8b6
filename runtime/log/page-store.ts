import type { StreamId, Version } from '../../proto/ids.ts';

/**
 * Where activations write their state behind: disposable, rebuilt from the log (I8). Every adapter passes
 * `page-store.contract.ts`. Page 0 is the header; the runtime numbers the others.
 */
export interface PageStore {
  /** The pages in the order asked for; undefined for those that are not there. */
  load(stream: StreamId, pages: readonly number[]): Promise<readonly (StoredPage | undefined)[]>;
  /**
   * Saves all of `pages`, each iff `foldedTo` is not lower than that of the stored one: a zombie's page is harmless.
   * Each page is replaced atomically; the pages are stored in the order given, so that a crash in between leaves a prefix.
   */
  save(stream: StreamId, pages: readonly StoredPage[]): Promise<void>;
  /** Forgets pages (after a split); forgetting what is not there is no error. */
  drop(stream: StreamId, pages: readonly number[]): Promise<void>;
}

export interface StoredPage {
  readonly page: number;
  /** The version up to which the log is folded into these bytes. */
  readonly foldedTo: Version;
  readonly bytes: Uint8Array;
}
