import type { Status } from './interface.ts';
import type { Rulebook } from './rulebook.ts';
import type { Standings } from './standings.ts';

/**
 * What a hunt remembers. The header: rules, status, windows, stock, standings. Rows: players and teams. An *entrant* (a
 * player in a solo hunt, a team in a team hunt) has its {@link Progress} in its row; nothing of it is in the header but
 * its standing.
 */
export interface Header {
  readonly huntId: number;
  rules: Rulebook | undefined;
  definitionVersion: number;
  owner: string;
  joinCode: string;
  lineage: string;
  status: Status;
  /** When it first opened, was created; 0: not yet. */
  openedAt: number;
  /** The present closing time, which `extend` moves. */
  closesAt: number | undefined;
  /** Players joined and not left. */
  players: number;
  teams: number;
  /** The first {@link teamRowsMax} teams in order of creation. */
  readonly teamRows: { id: string; name: string; size: number }[];
  readonly treasures: Map<string, { claimed: number; found: boolean; released: boolean }>;
  readonly standings: Standings;
  /** Versions of voided events. */
  readonly voided: Set<number>;
  /** Designer requests by Idempotency-Key: what they led to. */
  readonly requests: Map<string, { version: number; events: number; at: number }>;
}

export const teamRowsMax = 200;
export const voidsMax = 100_000;
export const requestsMax = 1_000;
export const requestKeptMs = 24 * 3600 * 1000;

export const markStates = ['open', 'done', 'skipped', 'failed'] as const;
export type MarkState = (typeof markStates)[number];
/** What an entrant did with a stage. */
export interface Mark {
  state: MarkState;
  by: string;
  settledAt: number;
  /** Wrong answers and codes. */
  used: number;
  lockedUntil: number;
}

export interface Progress {
  /** The version of the event that made the entrant; 0: none did. */
  created: number;
  since: number;
  points: number;
  /** The version at which the present points were reached. */
  reached: number;
  banned: boolean;
  finishedAt: number;
  /** Finished by itself, all stages being settled. */
  settled: boolean;
  /** Read these three freely; write through {@link marksOf}, {@link hintsOf}, {@link claimsOf}. */
  marks: ReadonlyMap<string, Mark>;
  /** Hints taken, by clue. */
  hints: ReadonlyMap<string, number>;
  /** Claims, by treasure. */
  claims: ReadonlyMap<string, number>;
}

/** Three empty maps weigh more than the rest of a row, and most rows of a large hunt are of players who have only joined. */
const noMarks: ReadonlyMap<string, Mark> = new Map();
const noCounts: ReadonlyMap<string, number> = new Map();

/** The entrant's own map, to be written to; made at the first call. */
export function marksOf(progress: Progress): Map<string, Mark> {
  if (progress.marks === noMarks) progress.marks = new Map();
  return progress.marks as Map<string, Mark>;
}
export function hintsOf(progress: Progress): Map<string, number> {
  if (progress.hints === noCounts) progress.hints = new Map();
  return progress.hints as Map<string, number>;
}
export function claimsOf(progress: Progress): Map<string, number> {
  if (progress.claims === noCounts) progress.claims = new Map();
  return progress.claims as Map<string, number>;
}

export interface PlayerRow {
  readonly kind: 'player';
  name: string;
  presence: 'none' | 'joined' | 'left';
  banned: boolean;
  team: string;
  /** The last team that the player left. */
  formerTeam: string;
  /** The last accepted position, and when; 0: none. */
  lat: number;
  lon: number;
  placedAt: number;
  /** Of solo hunts. */
  readonly progress: Progress;
}
export interface TeamRow {
  readonly kind: 'team';
  name: string;
  pin: string;
  size: number;
  readonly progress: Progress;
}
export type Member = PlayerRow | TeamRow;

/** Teams' rows stand beside players' under a prefix that no id can have. */
export const teamRowId = (team: string): string => `#${team}`;

export const initialProgress = (): Progress => ({
  created: 0,
  since: 0,
  points: 0,
  reached: 0,
  banned: false,
  finishedAt: 0,
  settled: false,
  marks: noMarks,
  hints: noCounts,
  claims: noCounts,
});

export function initialMember(memberId: string): Member {
  if (memberId.startsWith('#')) return { kind: 'team', name: '', pin: '', size: 0, progress: initialProgress() };
  return {
    kind: 'player',
    name: '',
    presence: 'none',
    banned: false,
    team: '',
    formerTeam: '',
    lat: 0,
    lon: 0,
    placedAt: 0,
    progress: initialProgress(),
  };
}

/** The rules of a hunt that exists; the runtime lets only `create` reach one that does not. */
export function rulesOf(header: Header): Rulebook {
  if (header.rules === undefined) throw new Error(`hunt ${header.huntId} has no definition before HuntCreated`);
  return header.rules;
}

/** The status at a time: judged by the window, not by whether the alarm has fired yet. */
export function statusAt(header: Header, at: number): Status {
  if (header.status === 'closed' || (header.closesAt !== undefined && at >= header.closesAt)) return 'closed';
  const opens = header.rules?.opens;
  return header.status === 'scheduled' && opens !== undefined && at >= opens ? 'open' : header.status;
}
