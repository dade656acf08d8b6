import type { Rate } from './bucket.ts';

export interface LiveConfig {
  /** Besides the gateway's own: who may open sockets from a browser. */
  readonly origins: readonly string[];
  readonly socketsMax: number;
  readonly heartbeatS: number;
  /** Acts of one player on this gateway, all of its sockets together. */
  readonly playerRate: Rate;
  /** Messages of one socket of a player. */
  readonly socketRate: Rate;
  /** Upgrades from one address. */
  readonly addressRate: Rate;
  /** More subscribers of one hunt than this are served `own`. */
  readonly hotSubscribers: number;
  readonly authMs: number;
  /** Bytes that wait in all outboxes of the gateway together; beyond, the fullest sockets are closed as overloaded. */
  readonly outboxBytesTotalMax: number;
}

export const liveDefaults: LiveConfig = {
  origins: [],
  socketsMax: 18_000,
  heartbeatS: 20,
  playerRate: { perSecond: 10, burst: 30 },
  socketRate: { perSecond: 50, burst: 100 },
  addressRate: { perSecond: 200, burst: 1_000 },
  hotSubscribers: 1_000,
  authMs: 10_000,
  outboxBytesTotalMax: 256 * 1024 * 1024,
};

/** PROTOCOL.md. */
export const messageBytesMax = 16 * 1024;
export const huntsPerSocketMax = 64;
export const socketsPerTokenMax = 10;
