import type { ErrorCode } from '../../proto/error-code.ts';
import type { Codec } from '../socket/frame.ts';

/** The socket behind a subscription, as the fan-out sees it. */
export interface Subscriber {
  readonly codec: Codec;
  readonly role: 'player' | 'designer' | 'operator';
  /** `sub` of the token. */
  readonly name: string;
  readonly outbox: { readonly lagging: boolean; write(frame: Buffer): void; send(frame: Buffer): void };
  /** The subscription could not be served; it is gone. */
  refused(hunt: number, code: ErrorCode, message: string, retryMs?: number): void;
}

export type Mode = 'all' | 'own';
export type ResetReason = 'ahead' | 'too_far' | 'trimmed' | 'lineage' | 'definition' | 'audience';

/**
 * *loading*: waits for its view. *catching-up*: fed from history. *behind*: its socket lags; goes on when it has drained.
 * *live*: has everything up to the hub's head. *gone*: nothing is sent any more.
 */
export type Stage = 'loading' | 'catching-up' | 'behind' | 'live' | 'gone';

/** One socket's subscription to one hunt. Kept lean: there are tens of thousands. */
export class Subscription {
  stage: Stage = 'loading';
  mode: Mode = 'all';
  /** What the client's cursor is (I6). */
  cursor = 0;
  /** In `own`: up to here the hunt was searched for this audience; at least the cursor. */
  scanned = 0;
  team: string | undefined;
  teamVersion = 0;
  /** Where it goes on from instead of a snapshot. */
  from: number | undefined;
  reset: ResetReason | undefined;
  /** The private view that the client holds, as JSON; undefined until it was sent one. */
  me: string | undefined;
  meVersion = 0;
  /** A view to be sent in full before the next `live`. */
  meDue: { version: number; json: string } | undefined;
  /** `live` is due after `sub`, and then no more. */
  liveDue = true;
  boardDue = true;
  boardMe: string | undefined;
  boardMeAt = 0;
  /** In `own`: has undelivered events. */
  dirty = false;
  at = -1;
  /** Tries to get its view that failed for the moment. */
  tries = 0;

  constructor(
    readonly subscriber: Subscriber,
    readonly hunt: number,
    readonly asked: Mode | undefined,
    from: number | undefined,
    readonly lineage: string | undefined,
  ) {
    this.from = from;
  }

  get player(): string | undefined {
    return this.subscriber.role === 'player' ? this.subscriber.name : undefined;
  }
  get gone(): boolean {
    return this.stage === 'gone';
  }
}
