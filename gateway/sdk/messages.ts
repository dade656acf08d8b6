/**
 * The protocol's messages as the contract names them (sections 3 to 6), for clients. Every union is open: a client
 * ignores message types, event types and enum values that it does not know.
 */
import type { BoardEntry, HuntView, Me } from '../../actors/hunt/interface.ts';

// What a player sees is made by the hunt; only its types are taken from there, so that nothing of it reaches a browser.
export type {
  BoardEntry,
  ClueView,
  HuntView,
  Me,
  StageView,
  Status as HuntStatus,
  TreasureView,
} from '../../actors/hunt/interface.ts';

export type Mode = 'all' | 'own';

export type Action =
  | { type: 'join'; name?: string }
  | { type: 'leave' }
  | { type: 'finish' }
  | { type: 'create_team'; name: string; pin?: string }
  | { type: 'join_team'; team: string; pin?: string }
  | { type: 'check_in'; lat: number; lon: number; accuracy: number; stage?: string }
  | { type: 'answer'; clue: string; text: string }
  | { type: 'scan'; code: string }
  | { type: 'claim'; treasure: string; lat?: number; lon?: number; accuracy?: number; code?: string }
  | { type: 'hint'; clue: string }
  | { type: 'skip'; stage?: string };

/** The fields of PROTOCOL.md, actions, absent where the action has none. */
export interface Result {
  points: number;
  total: number;
  player?: string;
  name?: string;
  rejoined?: boolean;
  finished_at?: number;
  team?: string;
  stage?: string;
  distance_m?: number;
  opened?: string[];
  clue?: string;
  treasure?: string;
  bonus?: number;
  first?: boolean;
  stock_left?: number;
  n?: number;
  text?: string;
  left?: number;
}

export interface Ack {
  t: 'ack';
  seq: number;
  hunt: number;
  version: number;
  events: number;
  result: Result;
  duplicate?: boolean;
}
export interface Nack {
  t: 'nack';
  seq: number;
  hunt: number;
  code: string;
  message: string;
  retryable: boolean;
  retry_ms?: number;
  /** Present: the refusal itself is in the log (a wrong answer, say). */
  version?: number;
  detail?: NackDetail;
}
export interface NackDetail {
  attempts_left?: number;
  locked_until?: number;
  distance_m?: number;
  last_seq?: number;
  status?: string;
  points?: number;
  total?: number;
}

/** The public part of an event; fields beside these depend on `type` (PROTOCOL.md, events). */
export interface HuntEvent {
  version: number;
  player: string;
  type: string;
  at: number;
  seq?: number;
  team?: string;
  points?: number;
  stage?: string;
  treasure?: string;
  by?: string;
  name?: string;
  rejoined?: boolean;
  bonus?: number;
  first?: boolean;
  stock_left?: number;
  title?: string;
  text?: string;
  reason?: string;
  voids?: number;
  closes_at?: number;
  definition_version?: number;
  /** Only in `GET .../events`. */
  private?: Record<string, unknown>;
  vector?: Record<string, number>;
}

export interface Ready {
  t: 'ready';
  player: string;
  session: string;
  heartbeat_s: number;
  role: string;
  now: number;
  limits: { message_bytes: number; in_flight: number; acts_per_s: number };
}
export interface Snap {
  t: 'snap';
  hunt: number;
  version: number;
  mode: Mode;
  lineage: string;
  state: { hunt: HuntView; me: Me | null };
}
export interface Ev {
  t: 'ev';
  hunt: number;
  after: number;
  upto: number;
  events: HuntEvent[];
}
export interface MeMessage {
  t: 'me';
  hunt: number;
  version: number;
  /** false: `me` is an RFC 7396 merge patch on the one held. */
  full: boolean;
  me: unknown;
}
export interface Live {
  t: 'live';
  hunt: number;
  version: number;
  mode: Mode;
  lineage: string;
}
export interface Board {
  t: 'board';
  hunt: number;
  version: number;
  top: BoardEntry[];
  entrants: number;
  /** Absent: the one held still stands. */
  me?: { rank: number; points: number };
}
export interface Reset {
  t: 'reset';
  hunt: number;
  reason: string;
  version: number;
}
export interface Pong {
  t: 'pong';
  now: number;
  id?: number;
}
export interface Err {
  t: 'err';
  code: string;
  message: string;
  re?: string;
  hunt?: number;
  retry_ms?: number;
}
export interface Bye {
  t: 'bye';
  code: number;
  retry_ms: number;
  reason: string;
}

export type ServerMessage = Ready | Snap | Ev | MeMessage | Live | Board | Ack | Nack | Reset | Pong | Err | Bye;
export type ClientMessage =
  | { t: 'auth'; token: string }
  | { t: 'sub'; hunt: number; from?: number; mode?: Mode; lineage?: string }
  | { t: 'unsub'; hunt: number }
  | { t: 'ping'; id?: number }
  | { t: 'act'; seq: number; hunt: number; action: Action };
