import type { StreamId, Version } from '../../proto/ids.ts';
import type { PageStore } from '../../runtime/log/page-store.ts';
import type { Backend } from './backend.ts';
import type { Config } from './config.ts';

/** How far live events are behind Kafka. */
export interface RelayLag {
  readonly events: number;
  readonly seconds: number;
}

interface Note {
  /** Events that count in Kafka and were not copied yet, when this was written. */
  readonly events: number;
  readonly at: number;
  /** When nothing was behind for the last time. */
  readonly levelAt: number;
}

/** Where a relay notes how it goes, for gateways to read: they know no address of it, and it may be dead. */
const page: StreamId = { kind: 'relay-lag', id: 0 };
const pageNumber = 0;
/** A relay that is well notes so more often. */
const silentMs = 5_000;

export async function noteRelay(pages: PageStore, note: Note): Promise<void> {
  await pages.save(page, [
    // A later note counts: a relay that was stopped and wakes up does not overwrite its successor's.
    { page: pageNumber, foldedTo: note.at as Version, bytes: Buffer.from(JSON.stringify(note)) },
  ]);
}

/** For `lag` of GET /v1/cluster: empty where there is no relay, or none that can be told of. */
export async function relayed(
  { profile }: Config,
  { pages }: Pick<Backend, 'pages'>,
  now: number,
): Promise<{ readonly relay?: RelayLag }> {
  if (profile !== 'kafka') return {};
  const relay = await relayLag(pages, now).catch(() => undefined);
  return relay === undefined ? {} : { relay };
}

/** Undefined: no relay ever ran. A silent one is behind by all the time since it was heard. */
export async function relayLag(pages: PageStore, now: number): Promise<RelayLag | undefined> {
  const [stored] = await pages.load(page, [pageNumber]);
  if (stored === undefined) return undefined;
  const { events, at, levelAt } = JSON.parse(Buffer.from(stored.bytes).toString('utf8')) as Note;
  const isBehind = events > 0 || now - at > silentMs;
  return { events, seconds: isBehind ? Math.max(0, now - levelAt) / 1_000 : 0 };
}
