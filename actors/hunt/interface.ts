/**
 * What may be asked of a hunt by name, beside the players' actions: the bodies and answers of its commands and queries.
 * The gateway builds HTTP, gRPC and socket messages from these; the contract's names are kept, so that most pass through.
 */
import type { HuntDefinition } from './definition.ts';

/** Commands. All answer with {@link Steered} but `create`. `by` = `sub` of the token; `key` = Idempotency-Key, so that a second try has no second effect. */
export interface HuntCommands {
  create: { definition: HuntDefinition; owner: string; join_code: string; lineage: string };
  open: Steer;
  pause: Steer;
  resume: Steer;
  close: Steer;
  /** `closes` in ms since 1970, or `minutes` added to the present closing time. */
  extend: Steer & { closes?: number; minutes?: number };
  adjust: Steer & Subject & { points: number };
  void: Steer & { version: number };
  disqualify: Steer & Subject;
  announce: Steer & { text: string };
  publish: Steer & { definition: HuntDefinition };
}
export interface Steer {
  by: string;
  reason?: string;
  key?: string;
}
/** Exactly one of the two. */
export interface Subject {
  player?: string;
  team?: string;
}
/** The answer's version travels beside it (CallOutcome.version). */
export interface Steered {
  status: Status;
  closes_at?: number;
  total?: number;
  /** Of `publish`: the number of what was published. */
  definition_version?: number;
}

export type Status = 'draft' | 'scheduled' | 'open' | 'paused' | 'closed';

/** Rows of one answer: twice what a client may ask for, so that a cache gets whole boards of most hunts with one question. */
export const scoreboardRowsMax = 2_000;

/** Queries: body → answer. */
export interface HuntQueries {
  /** For tokens, roles and routing decisions of the gateway. */
  access: [Record<string, never>, Access];
  /** The private views of up to 256 players, and the public one, all at the same version. */
  views: [{ players: string[]; hunt: boolean }, Views];
  /** The designer's view; `at_version` looks back. */
  show: [{ at_version?: number }, Show];
  /** The live board, and the places of up to 256 players. */
  board: [{ players: string[] }, Board];
  /** Up to {@link scoreboardRowsMax} places. It walks over all members: who asks often asks through a cache. */
  scoreboard: [{ limit: number; offset: number }, Scoreboard];
  export: [Record<string, never>, { csv: string }];
}

export interface Access {
  version: number;
  owner: string;
  status: Status;
  title: string;
  join_code: string;
  closes_at?: number;
  admission: 'code' | 'invite';
  entry: 'solo' | 'team';
  feed: 'all' | 'own';
  board_show: 'live' | 'closed';
  lineage: string;
  definition_version: number;
}

export interface Views {
  version: number;
  lineage: string;
  feed: 'all' | 'own';
  entry: 'solo' | 'team';
  hunt?: HuntView;
  players: Record<string, PlayerView>;
}
export interface PlayerView {
  me: Me;
  /** The team, in team hunts once the player has one. */
  team?: string;
  /** When `me` changes by time alone next (a window, a hint's delay, a time limit), ms since 1970: ask again then. */
  changes_at?: number;
}

export interface HuntView {
  hunt_id: number;
  title: string;
  description?: string;
  language?: string;
  status: Status;
  opens_at?: number;
  closes_at?: number;
  timezone: string;
  entry: 'solo' | 'team';
  order: 'any' | 'linear' | 'graph';
  feed: 'all' | 'own';
  definition_version: number;
  players: number;
  entrants: number;
  stages: { id: string; title?: string; points?: number }[];
  teams?: { team: string; name: string; size: number }[];
  top: BoardEntry[];
}

export interface Me {
  player: string;
  name?: string;
  team?: string;
  status: 'none' | 'joined' | 'left' | 'finished' | 'disqualified';
  total: number;
  rank?: number;
  last_seq: number;
  finished_at?: number;
  stages: Record<string, StageView>;
  treasures: Record<string, TreasureView>;
}
export interface StageView {
  state: 'locked' | 'open' | 'done' | 'skipped' | 'failed';
  title?: string;
  text?: string;
  points?: number;
  by?: string;
  opens_at?: number;
  closes_at?: number;
  attempts_left?: number;
  locked_until?: number;
  pin?: { lat: number; lon: number; radius_m: number };
  clues?: Record<string, ClueView>;
  after?: string;
}
export interface ClueView {
  text: string;
  media?: string;
  choices?: string[];
  hints: string[];
  hints_left: number;
  next_hint_cost?: number;
  next_hint_at?: number;
}
export interface TreasureView {
  title: string;
  points: number;
  stock_left?: number;
  mine: number;
  pin?: { lat: number; lon: number; radius_m: number };
}

export interface BoardEntry {
  rank: number;
  player?: string;
  team?: string;
  name: string;
  points: number;
  finished_at?: number;
}
export interface Board {
  version: number;
  show: 'live' | 'closed';
  status: Status;
  top: BoardEntry[];
  entrants: number;
  me: Record<string, { rank: number; points: number }>;
}
export interface Scoreboard {
  version: number;
  entrants: number;
  entries: (BoardEntry & { reached_version: number })[];
}

export interface Show {
  hunt_id: number;
  title: string;
  status: Status;
  join_code: string;
  opens_at?: number;
  closes_at?: number;
  players: number;
  version: number;
  owner: string;
  slot: number;
  lineage: string;
  definition_version: number;
  definition: HuntDefinition;
  state: HuntView;
}
