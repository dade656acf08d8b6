import type { ParsedAction } from '../../actors/hunt/action.ts';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Random } from '../../runtime/kernel/random.ts';
import type { Route } from '../act/route.ts';
import type { FanOut } from '../fan-out/fan-out.ts';
import type { Claims } from '../token/claims.ts';
import type { Buckets } from './bucket.ts';
import type { LiveConfig } from './live-config.ts';
import type { LiveMetrics } from './live-metrics.ts';
import type { Session } from './session.ts';

/** The action of an `act`, whatever came in its place, as the node reads it, or what is wrong with it. */
export type ActionParser = (json: unknown) => ParsedAction;
/** The token's claims, or undefined for whatever is no valid token. Never rejects. */
export type TokenVerifier = (token: string) => Promise<Claims | undefined>;

/** What all sessions of a gateway share. */
export interface GatewayCore {
  readonly config: LiveConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: LiveMetrics;
  readonly route: Route;
  readonly fanOut: FanOut;
  readonly players: Buckets;
  readonly outboxCounts: { frames(sent: number): void; lagging(change: 1 | -1): void };
  readonly verifyToken: TokenVerifier;
  readonly parseAction: ActionParser;
  /** The session is authenticated; `key` = role, sub and hunt claim. */
  known(session: Session, key: string): void;
  gone(session: Session): void;
  /** A fault of ours, met by the session with that id. */
  report(session: string, error: unknown): void;
  /** A jittered wait before coming back. */
  retryMs(): number;
}
