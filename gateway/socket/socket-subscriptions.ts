/**
 * The hunts that one socket follows. Owns: which, and the answers to `sub` and `unsub`. Does not own: what is sent of a
 * hunt (fan-out).
 * Invariant: nothing of a hunt follows its `unsub`.
 */
import type { ErrorCode } from '../../proto/error-code.ts';
import { type Subscriber, Subscription } from '../fan-out/subscription.ts';
import { type Claims, claimsHunt } from '../token/claims.ts';
import type { Message } from './frame.ts';
import type { GatewayCore } from './gateway-core.ts';
import { huntsPerSocketMax } from './live-config.ts';
import { isHunt } from './message-fields.ts';

const lineageCharsMax = 128;

/** What the socket says about messages that it cannot follow. */
export interface Complaints {
  error(code: ErrorCode, message: string, re: string, hunt?: unknown, retryMs?: number): void;
  /** Counts as a malformed message. */
  invalid(message: string, re: string, hunt?: unknown): void;
}

export class SocketSubscriptions {
  readonly #byHunt = new Map<number, Subscription>();

  constructor(
    private readonly core: Pick<GatewayCore, 'fanOut' | 'route'>,
    private readonly subscriber: Subscriber,
    private readonly complaints: Complaints,
  ) {}

  sub(fields: Message, claims: Claims): void {
    const { hunt, from, mode, lineage } = fields;
    const { complaints } = this;
    if (!isHunt(hunt)) complaints.invalid('sub.hunt must be a hunt id: an integer above 0', 'sub');
    else if (from !== undefined && !(Number.isSafeInteger(from) && (from as number) >= 0))
      complaints.invalid('sub.from must be a version: an integer from 0 on', 'sub', hunt);
    else if (mode !== undefined && mode !== 'all' && mode !== 'own')
      complaints.invalid('sub.mode must be all or own', 'sub', hunt);
    else if (lineage !== undefined && !(typeof lineage === 'string' && lineage.length <= lineageCharsMax))
      complaints.invalid(`sub.lineage must be a text of at most ${lineageCharsMax} characters`, 'sub', hunt);
    else if (!claimsHunt(claims, hunt)) complaints.error('FORBIDDEN', 'The token is not for this hunt.', 'sub', hunt);
    else if (this.#byHunt.has(hunt))
      complaints.error('ALREADY_DONE', 'This socket is subscribed to the hunt: unsub first.', 'sub', hunt);
    else if (this.#byHunt.size >= huntsPerSocketMax)
      complaints.error(
        'NOT_ALLOWED',
        `A socket has at most ${huntsPerSocketMax} hunts: unsub from one first.`,
        'sub',
        hunt,
      );
    else this.#begin(new Subscription(this.subscriber, hunt, mode, from as number | undefined, lineage), claims);
  }

  unsub({ hunt }: Message): void {
    if (!isHunt(hunt)) {
      this.complaints.invalid('unsub.hunt must be a hunt id: an integer above 0', 'unsub');
      return;
    }
    const sub = this.#byHunt.get(hunt);
    if (sub === undefined) {
      this.complaints.error('NOT_FOUND', 'This socket is not subscribed to the hunt.', 'unsub', hunt);
      return;
    }
    this.#byHunt.delete(hunt);
    this.core.fanOut.remove(sub);
  }

  /** The fan-out could not serve the subscription. */
  refused(hunt: number, code: ErrorCode, message: string, retryMs?: number): void {
    this.#byHunt.delete(hunt);
    this.complaints.error(code, message, 'sub', hunt, retryMs);
  }

  /** The socket takes bytes again. */
  drained(): void {
    for (const sub of this.#byHunt.values()) this.core.fanOut.drained(sub);
  }

  drop(): void {
    for (const sub of this.#byHunt.values()) this.core.fanOut.remove(sub);
    this.#byHunt.clear();
  }

  #begin(sub: Subscription, claims: Claims): void {
    this.#byHunt.set(sub.hunt, sub);
    if (claims.role === 'designer') void this.#beginAsDesigner(sub, claims.sub);
    else this.core.fanOut.add(sub);
  }

  /** Designers follow their own hunts alone. */
  async #beginAsDesigner(sub: Subscription, owner: string): Promise<void> {
    const answer = await this.core.route.call({ kind: 'hunt', id: sub.hunt }, 'access', {});
    if (sub.gone) return;
    if (!answer.ok) {
      sub.stage = 'gone';
      this.refused(sub.hunt, answer.code, answer.message, answer.retryMs);
    } else if ((answer.body as { owner: string }).owner !== owner) {
      sub.stage = 'gone';
      this.refused(sub.hunt, 'FORBIDDEN', 'Another designer owns this hunt.');
    } else this.core.fanOut.add(sub);
  }
}
