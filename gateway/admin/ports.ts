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
  readonly cluster: ClusterDesk;
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

/** The cluster, seen and changed. Whatever is not allowed rejects with a Problem. */
export interface ClusterDesk {
  /** The answer of `GET /v1/cluster`. */
  describe(): Promise<ClusterDescription> | ClusterDescription;
  /** What the change would move, and what that would cost; changes nothing. */
  plan(change: ClusterChangeWish): Promise<ClusterPlanAnswer>;
  /** Begins to carry a plan out. VIEW_CHANGED unless the view is the one that it was made on. */
  apply(wish: ApplyWish, by: string): Promise<OperationRow>;
  operation(id: string): OperationRow;
  /** Takes the whole change back. */
  rollBack(id: string, by: string): Promise<OperationRow>;
  freeze(reason: string, expiresS: number, by: string): Promise<ClusterFreeze>;
  unfreeze(by: string): Promise<void>;
  /** Empties a node; asked again, the same operation. */
  drain(wish: DrainWish, by: string): Promise<OperationRow>;
  /** The audit trail: what changed the cluster, who, when and why, from event `from` + 1 on. */
  history(from: number, limit: number): Promise<{ readonly events: readonly object[]; readonly next: number | null }>;
}

export interface ClusterChangeWish {
  readonly weights: Readonly<Record<string, number>>;
  /** By slot. */
  readonly pins: Readonly<Record<string, string>>;
  readonly unpin: readonly number[];
  readonly remove: readonly string[];
  readonly reason: string;
  /** Of the pins; 0: for good. */
  readonly pinsForS: number;
}

export interface ClusterPlanAnswer {
  readonly plan_id: string;
  readonly view: number;
  readonly moves: readonly {
    readonly slot: number;
    readonly from: string;
    readonly to: string;
    readonly reason: string;
    readonly bytes: number;
    readonly stall_ms: number;
  }[];
  readonly slots_after: Readonly<Record<string, number>>;
  readonly imbalance_after: number;
}

export interface ApplyWish {
  readonly planId: string;
  readonly movesPerS: number;
  readonly canaryS: number;
}

export interface DrainWish {
  readonly node: string;
  readonly deadlineS: number;
  /** What its process does once it has left. */
  readonly after: 'exit' | 'stay' | 'restart';
}

export interface ClusterFreeze {
  readonly reason: string;
  readonly by: string;
  readonly until: number;
}

export interface OperationRow {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly moves_total: number;
  readonly moves_done: number;
  readonly stall_ms_max: number;
  readonly started_at: number;
  readonly ended_at?: number;
  readonly node?: string;
  readonly error?: string;
  readonly by: string;
  readonly reason: string;
  /** Only where one operation is asked for. */
  readonly moves?: readonly object[];
}

export interface ClusterDescription {
  readonly cluster: string;
  readonly profile: string;
  readonly view: number;
  readonly frozen: ClusterFreeze | null;
  readonly nodes: readonly {
    readonly id: string;
    readonly state: string;
    readonly weight: number;
    readonly incarnation: number;
    readonly addr: string;
    readonly slots: number;
    readonly hunts: number;
    readonly since: number;
    /** In the last ten minutes. */
    readonly removals?: number;
  }[];
  readonly owners: readonly string[];
  readonly epochs: readonly number[];
  readonly pins: Readonly<Record<string, string>>;
  readonly lag: Readonly<Record<string, FollowerLag>>;
  readonly operations: readonly OperationRow[];
  /** Hunts that cannot be served, and slots that should be and are not, with their reasons. */
  readonly parked: readonly {
    readonly node: string;
    readonly hunt: string;
    readonly code: string;
    readonly message: string;
  }[];
  readonly unserved: readonly {
    readonly node: string;
    readonly slot: number;
    readonly for_ms: number;
    readonly reason: string;
  }[];
  readonly moving: Readonly<Record<string, string>>;
}

/** How far somebody who follows the log is behind it. */
export interface FollowerLag {
  readonly events: number;
  readonly seconds: number;
  readonly worst_slot?: number;
  /** Hunts that it does not follow any further, the first few, and why. */
  readonly parked?: readonly { readonly hunt: string; readonly message: string }[];
  /** Why the numbers are not as of now. */
  readonly fault?: string;
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
