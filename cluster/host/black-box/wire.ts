/** What stands on the wire, as a stranger reads it in the contract (sections 3-5): names and shapes, no behaviour. */
export interface Action {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface PublicEvent {
  readonly version: number;
  readonly player: string;
  readonly type: string;
  readonly at: number;
  readonly seq?: number;
  readonly team?: string;
  readonly points?: number;
  readonly [field: string]: unknown;
}

/** As `GET /v1/hunts/{id}/events` gives it. */
export interface FullEvent extends PublicEvent {
  readonly vector?: Readonly<Record<string, number>>;
  readonly private?: Readonly<Record<string, unknown>>;
  readonly by?: string;
}

export interface StageView {
  readonly state: 'locked' | 'open' | 'done' | 'skipped' | 'failed';
  readonly title?: string;
  readonly points?: number;
  readonly attempts_left?: number;
  readonly pin?: { readonly lat: number; readonly lon: number; readonly radius_m: number };
  readonly clues?: Readonly<
    Record<string, { readonly text: string; readonly hints: readonly string[]; readonly hints_left: number }>
  >;
  readonly after?: string;
}

export interface Me {
  readonly player: string;
  readonly name?: string;
  readonly team?: string;
  readonly status: 'none' | 'joined' | 'left' | 'finished' | 'disqualified';
  readonly total: number;
  readonly rank?: number;
  readonly last_seq: number;
  readonly stages: Readonly<Record<string, StageView>>;
  readonly treasures: Readonly<
    Record<string, { readonly title: string; readonly points: number; readonly mine: number | boolean }>
  >;
}

export interface HuntView {
  readonly hunt_id: number;
  readonly title: string;
  readonly status: string;
  readonly players: number;
  readonly entrants: number;
  readonly stages: readonly { readonly id: string; readonly title?: string; readonly points?: number }[];
  readonly [field: string]: unknown;
}

export interface BoardRow {
  readonly rank: number;
  readonly player?: string;
  readonly team?: string;
  readonly name?: string;
  readonly points: number;
  readonly reached_version?: number;
}

export type Mode = 'all' | 'own';
export type Ready = {
  readonly t: 'ready';
  readonly player: string;
  readonly session: string;
  readonly heartbeat_s: number;
  readonly role: string;
  readonly now: number;
  readonly limits: { readonly message_bytes: number; readonly in_flight: number; readonly acts_per_s: number };
};
export type Snap = {
  readonly t: 'snap';
  readonly hunt: number;
  readonly version: number;
  readonly state: { readonly hunt: HuntView; readonly me: Me | null };
  readonly mode: Mode;
  readonly lineage: string;
};
export type Ev = {
  readonly t: 'ev';
  readonly hunt: number;
  readonly after: number;
  readonly upto: number;
  readonly events: readonly PublicEvent[];
};
export type MeMessage = {
  readonly t: 'me';
  readonly hunt: number;
  readonly version: number;
  readonly full: boolean;
  readonly me: Me;
};
export type Live = {
  readonly t: 'live';
  readonly hunt: number;
  readonly version: number;
  readonly mode: Mode;
  readonly lineage: string;
};
export type Board = {
  readonly t: 'board';
  readonly hunt: number;
  readonly version: number;
  readonly top: readonly BoardRow[];
  readonly entrants: number;
  readonly me?: { readonly rank: number; readonly points: number };
};
export type Ack = {
  readonly t: 'ack';
  readonly seq: number;
  readonly hunt: number;
  readonly version: number;
  readonly events: number;
  readonly result: Readonly<Record<string, unknown>> & { readonly points: number; readonly total: number };
  readonly duplicate?: boolean;
};
export type Nack = {
  readonly t: 'nack';
  readonly seq: number;
  readonly hunt: number;
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly retry_ms?: number;
  readonly version?: number;
  readonly detail?: Readonly<Record<string, unknown>>;
};
export type Reset = { readonly t: 'reset'; readonly hunt: number; readonly reason: string; readonly version: number };
export type Pong = { readonly t: 'pong'; readonly now: number; readonly id?: unknown };
export type Err = {
  readonly t: 'err';
  readonly code: string;
  readonly message: string;
  readonly re?: string;
  readonly hunt?: number;
  readonly retry_ms?: number;
};
export type Bye = { readonly t: 'bye'; readonly code: number; readonly retry_ms: number; readonly reason: string };

export type ServerMessage = Ready | Snap | Ev | MeMessage | Live | Board | Ack | Nack | Reset | Pong | Err | Bye;
export type MessageOf<T extends ServerMessage['t']> = Extract<ServerMessage, { t: T }>;
export type ClientMessage = { readonly t: string; readonly [field: string]: unknown };

/** RFC 7396, as `me` messages with `full: false` ask for. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const out: Record<string, unknown> =
    target !== null && typeof target === 'object' && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = mergePatch(out[key], value);
  }
  return out;
}
