/** What the gateway's HTTP and gRPC need of others, in narrow ports; the host injects the real ones. */
import type { Registry } from 'prom-client';
import type { HuntDefinition } from '../../actors/hunt/definition.ts';
import type { Scoreboard, Status } from '../../actors/hunt/interface.ts';
import type { ShadowReport } from '../../actors/hunt/shadow-run.ts';
import type { Event } from '../../proto/generated/hunt/v1/event.ts';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Random } from '../../runtime/kernel/random.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import type { Route } from '../act/route.ts';
import type { Tokens } from '../token/tokens.ts';
import type { Fault } from './problem.ts';

export interface AdminPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly route: Route;
  readonly tokens: Tokens;
  readonly events: EventReader;
  readonly cluster: ClusterView;
  readonly scoreboards: ScoreboardCache;
  /** Absent: this process was given no PostgreSQL, and lists no hunts. */
  readonly catalog?: HuntCatalog;
  readonly parseDefinition: DefinitionParser;
  /** Decides a hunt's log again under another definition; rejects with a problem. */
  readonly shadowRun: (huntId: number, definition: HuntDefinition) => Promise<ShadowReport>;
  /** Takes one act out of the bucket that the player's sockets use too: 0, or in how many ms it should come again. */
  readonly admitAct: ActAdmission;
  /** What this process needs to serve; asked by `/readyz` and `grpc.health.v1`. */
  readonly readiness: Readiness;
  readonly metrics: Registry;
  readonly journal: Journal;
}

/** Where faults of our own are written. A pino logger is one. */
export interface Journal {
  error(facts: object, message: string): void;
}

/** Reads a hunt's events from the log itself. */
export interface EventReader {
  /**
   * Events `from` + 1 and on, in order, at most `limit` and about `bytesMax` bytes of them (at least one if there is
   * any); contains all that was acknowledged before the call. Vectors are expanded. Throws the log's errors.
   */
  read(huntId: number, from: number, limit: number, bytesMax: number): Promise<EventPage>;
  /** The event as the designer's API shows it: public fields, `private`, `by`, `vector`. Throws UnreadableEventError for one of a newer release. */
  show(event: Event): Record<string, unknown>;
}

export interface EventPage {
  readonly events: readonly Event[];
  /** 0: the hunt has no events. */
  readonly head: number;
  /** The lowest version that is still in the log. */
  readonly oldest: number;
}

/**
 * Keeps the newest scoreboard of hunts for whoever asks next. It may forget anything at any time, and costs a request no
 * more than a moment: it never rejects.
 */
export interface ScoreboardCache {
  /** Those places of the board as of exactly that version; undefined if it does not have them at hand. */
  read(huntId: number, version: number, page: BoardPage): Promise<Scoreboard | undefined>;
  /** Keeps a board's first places, unless it has a newer one. Nobody waits for it. */
  keep(huntId: number, board: Scoreboard): void;
}

export interface BoardPage {
  readonly limit: number;
  readonly offset: number;
}

export interface ClusterView {
  /** The answer of `GET /v1/cluster`. */
  describe(): Promise<ClusterDescription> | ClusterDescription;
}

export interface ClusterDescription {
  readonly cluster: string;
  readonly profile: string;
  readonly view: number;
  readonly frozen: { readonly reason: string; readonly by: string; readonly until: number } | null;
  readonly nodes: readonly {
    readonly id: string;
    readonly state: string;
    readonly weight: number;
    readonly incarnation: number;
    readonly addr: string;
    readonly slots: number;
    readonly hunts: number;
    readonly since: number;
  }[];
  readonly owners: readonly string[];
  readonly epochs: readonly number[];
  readonly pins: Readonly<Record<string, string>>;
  readonly lag: Readonly<
    Record<string, { readonly events: number; readonly seconds: number; readonly worst_slot?: number }>
  >;
  readonly operations: readonly object[];
}

/**
 * The list of all hunts, made from the log and some moments behind it. Never rejects: what keeps it from answering is an
 * outcome.
 */
export interface HuntCatalog {
  /** The newest first. A status is as of now, also where its event is still to come. */
  listHunts(query: HuntListQuery): Promise<HuntListOutcome>;
}

export interface HuntListQuery {
  /** Only this designer's. */
  readonly owner?: string;
  readonly status?: Status;
  /** Text in the title, the join code or the id. */
  readonly q?: string;
  readonly limit: number;
  /** The `next` of the page before. */
  readonly cursor?: string;
}

export type HuntListOutcome =
  | { readonly kind: 'page'; readonly hunts: readonly HuntListRow[]; readonly next: string | undefined }
  | { readonly kind: 'bad_cursor' }
  | { readonly kind: 'unavailable'; readonly message: string };

export interface HuntListRow {
  readonly hunt_id: number;
  readonly title: string;
  readonly status: Status;
  readonly join_code: string;
  readonly opens_at?: number;
  readonly closes_at?: number;
  readonly players: number;
  readonly version: number;
  readonly owner: string;
}

/** Reads a definition without holding up anybody else. Rejects with BUSY when too many wait to be read. */
export type DefinitionParser = (source: {
  text: string;
  format: 'json' | 'yaml';
}) => Promise<
  | { readonly ok: true; readonly definition: object; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly errors: readonly Fault[] }
>;

export type ActAdmission = (playerId: string) => number;
/** What a player is told whom {@link ActAdmission} refused. */
export const tooManyActs = 'you act faster than this hunt allows: wait a moment';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
}
export type Readiness = () => Promise<readonly Check[]> | readonly Check[];
