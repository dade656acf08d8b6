/**
 * A copy of the view beside the log, so that a process that starts need not read the cluster's whole history, whose beginning
 * may be in the archive alone. Disposable like any page (I8): what is missing, of another release, or of a history that the log
 * does not know, is not used, and the view is folded from the first event.
 */
import { Packr } from 'msgpackr';
import type { ClusterEvent } from '../proto/generated/node/v1/cluster.ts';
import type { Version } from '../proto/ids.ts';
import type { PageStore } from '../runtime/log/page-store.ts';
import { clusterStream, emptyView, type View } from './view.ts';

/** Raised with every change of what a {@link View} holds. */
const viewFormat = 1;
const viewPage = 0;
const packr = new Packr({ structuredClone: true });

interface SavedView {
  readonly format: number;
  readonly view: View;
  /** Of the event that made the view: tells its history from another one of the same length. */
  readonly fingerprint: number;
}

export type ViewPages = Pick<PageStore, 'load' | 'save' | 'drop'>;

/** Never rejects: a store that is away costs the next start a longer read. */
export async function saveView(pages: ViewPages, view: View, made: ClusterEvent): Promise<void> {
  const saved: SavedView = { format: viewFormat, view, fingerprint: made.fingerprint };
  const page = { page: viewPage, foldedTo: view.number as Version, bytes: packr.pack(saved) };
  await pages.save(clusterStream, [page]).catch(() => {});
}

/**
 * The saved view, unless the log contradicts it: `eventAt` gives the log's event of that version, `unknown` if it is no longer
 * there or cannot be read, undefined if the log has not got so far.
 */
export async function loadView(
  pages: ViewPages,
  eventAt: (version: Version) => Promise<ClusterEvent | 'unknown' | undefined>,
): Promise<View> {
  const [stored] = await pages.load(clusterStream, [viewPage]).catch(() => []);
  if (stored === undefined) return emptyView;
  const saved = unpacked(stored.bytes);
  if (saved?.format === viewFormat) {
    const event = await eventAt(saved.view.number as Version);
    if (event === 'unknown' || event?.fingerprint === saved.fingerprint) return saved.view;
  }
  // It must go, or the store would keep it from a lower version that is right.
  await pages.drop(clusterStream, [viewPage]).catch(() => {});
  return emptyView;
}

function unpacked(bytes: Uint8Array): SavedView | undefined {
  try {
    return packr.unpack(Buffer.from(bytes)) as SavedView;
  } catch {
    return undefined;
  }
}
