import { pack, unpack } from 'msgpackr';
import type { ActorEvent, Row, State } from '../decider.ts';
import type { ActorKind } from '../define-actor.ts';
import { Members } from './members.ts';
import type { PageCache } from './page-cache.ts';
import { VersionVector } from './vector.ts';

/**
 * What an actor is: header, members, version, vector, and the time of its last event. Changed by folding events and by
 * nothing else, so that replaying the log gives the same state on any machine (I3).
 */
export class ActorState<H, M, A, E extends ActorEvent> implements State<H, M> {
  header: H;
  version = 0;
  /** The last event's time: `at` never falls along one actor. */
  lastAt = 0;
  readonly vector = new VersionVector();
  members: Members<M, E>;

  constructor(
    readonly kind: ActorKind<H, M, A, E>,
    readonly actorId: number,
    pageMembersMax: number,
    cache: PageCache,
    saved?: SavedHeader,
  ) {
    const { decider } = kind;
    this.members = new Members<M, E>(decider, pageMembersMax, cache, saved?.leaves ?? []);
    this.header = saved === undefined ? decider.initialHeader(actorId) : kind.header.unpack(saved.header);
    if (saved === undefined) return;
    this.version = saved.version;
    this.lastAt = saved.lastAt;
    this.vector.reset(saved.vector);
  }

  row(memberId: string): Row<M> | undefined {
    return this.members.row(memberId);
  }

  /** Folds the next event into everything. */
  evolve(event: E): void {
    this.kind.decider.evolveHeader(this.header, event);
    this.members.evolve(event);
    this.version = event.version;
    this.lastAt = event.occurredAt;
  }

  /** Folds one record of the log; what the header holds already goes to the members alone, and those skip for themselves. */
  fold(events: readonly E[], owner: string): void {
    let first = true;
    for (const event of events) {
      if (event.version > this.version) {
        if (event.version !== this.version + 1)
          throw new Error(`version ${event.version} follows ${this.version}: the log has a hole`);
        if (first) this.vector.reset(event.vector);
        else this.vector.raise(owner);
        this.evolve(event);
      } else this.members.evolve(event);
      first = false;
    }
  }
}

/** Page 0: the header and what belongs to it. */
export interface SavedHeader {
  /** The version that the header is folded to. */
  readonly version: number;
  /** The version that every page is at least folded to; the log is read from the one after. Never above `version`. */
  readonly foldedTo: number;
  readonly lastAt: number;
  readonly vector: readonly { node: string; count: number }[];
  /** The pages by number; none while the actor has no members. */
  readonly leaves: readonly number[];
  readonly header: unknown;
}

const headerFormat = 1;

export function packHeader(saved: SavedHeader): Uint8Array {
  const { version, foldedTo, lastAt, vector, leaves, header } = saved;
  return pack([
    headerFormat,
    version,
    foldedTo,
    lastAt,
    vector.map(({ node, count }) => [node, count]),
    leaves,
    header,
  ]);
}

/** Undefined for bytes that are no header of this release: the log is read from 1 then (I8). */
export function unpackHeader(bytes: Uint8Array): SavedHeader | undefined {
  try {
    const [format, version, foldedTo, lastAt, vector, leaves, header] = unpack(bytes) as [
      number,
      number,
      number,
      number,
      [string, number][],
      number[],
      unknown,
    ];
    if (format !== headerFormat) return undefined;
    return { version, foldedTo, lastAt, vector: vector.map(([node, count]) => ({ node, count })), leaves, header };
  } catch {
    return undefined;
  }
}
