import type { StreamId, Version } from '../../proto/ids.ts';
import type { PageStore } from '../../runtime/log/page-store.ts';
import type { Backend } from './backend.ts';
import type { Config } from './config.ts';

/** How far live events are behind Kafka. */
export interface RelayLag {
  readonly events: number;
  readonly seconds: number;
  /** Hunts whose live events are not copied any more, the first few. */
  readonly parked?: NonNullable<RelayNote['parked']>;
  /** Why the numbers are not as of now. */
  readonly fault?: string;
}

export interface RelayNote {
  /** Events that count in Kafka and were not copied yet, when this was written. */
  readonly events: number;
  readonly at: number;
  /** When nothing was behind for the last time. */
  readonly levelAt: number;
  /** The first few. */
  readonly parked?: readonly { readonly hunt: string; readonly message: string }[];
}

export const parkedShownMax = 20;

/** Where a relay notes how it goes, for gateways to read: they know no address of it, and it may be dead. */
const page: StreamId = { kind: 'relay-lag', id: 0 };
const pageNumber = 0;
/** A relay that is well notes so more often. */
const silentMs = 5_000;

export async function noteRelay(pages: PageStore, note: RelayNote): Promise<void> {
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
  const { events, at, levelAt, parked = [] } = JSON.parse(Buffer.from(stored.bytes).toString('utf8')) as RelayNote;
  const isSilent = now - at > silentMs;
  return {
    events,
    seconds: events > 0 || isSilent ? Math.max(0, now - levelAt) / 1_000 : 0,
    ...(parked.length === 0 ? {} : { parked }),
    ...(isSilent
      ? { fault: `the relay says nothing for ${Math.round((now - at) / 1_000)} s: this is what it said last` }
      : {}),
  };
}
