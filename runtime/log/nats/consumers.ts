/**
 * Messages of the log's stream in its order, in batches. Each batch is complete: a message that was lost on the way shows in
 * the consumer's own count. Owns nothing; a consumer that nobody fetches from goes by itself.
 */
import { createInbox, type Msg } from 'nats';
import type { Timers } from '../../kernel/timer.ts';
import type { JetStreamApi } from './jetstream-api.ts';
import { headerBlock, type NatsLink } from './nats-link.ts';
import { statusOf } from './requests.ts';
import type { Stored } from './stored-messages.ts';

const idleNs = 10_000_000_000;
/** Nothing came for so long: the batch is given up. */
const silenceMs = 2_000;

/** A consumer, and where it stands. */
export interface Cursor {
  readonly consumer: string;
  /** The position behind the last message that it gave. */
  readonly next: number;
  /** How many messages it gave. */
  readonly given: number;
}

export interface Batch {
  readonly messages: readonly Stored[];
  readonly cursor: Cursor;
  /** There is more. */
  readonly isMore: boolean;
}

export interface Wanted {
  /** A subject, with wildcards. */
  readonly filter: string;
  readonly from: number;
  readonly headersOnly?: boolean;
}

export class Consumers {
  constructor(
    private readonly link: NatsLink,
    private readonly api: JetStreamApi,
    private readonly timers: Timers,
    private readonly stream: string,
  ) {}

  /** Undefined: it would have nothing to give. */
  async create({ filter, from, headersOnly = false }: Wanted): Promise<Cursor | undefined> {
    const config = {
      deliver_policy: 'by_start_sequence',
      opt_start_seq: from,
      ack_policy: 'none',
      filter_subject: filter,
      inactive_threshold: idleNs,
      mem_storage: true,
      num_replicas: 1,
      ...(headersOnly ? { headers_only: true } : {}),
    };
    const created = await this.api.call<{ name: string; num_pending: number }>(
      'to create a consumer',
      `CONSUMER.CREATE.${this.stream}`,
      { stream_name: this.stream, config },
    );
    const cursor = { consumer: created.name, next: from, given: 0 };
    if (created.num_pending > 0) return cursor;
    this.delete(cursor);
    return undefined;
  }

  delete({ consumer }: Cursor): void {
    // If that is not heard, the consumer goes by itself.
    this.api.call('to delete a consumer', `CONSUMER.DELETE.${this.stream}.${consumer}`).catch(() => undefined);
  }

  /** Undefined: the batch did not come, or not even one message is within the bytes asked for. */
  fetch(cursor: Cursor, ask: { readonly batch: number; readonly max_bytes?: number }): Promise<Batch | undefined> {
    return new Promise((resolve) => {
      const messages: Stored[] = [];
      const inbox = createInbox();
      let { next, given } = cursor;
      let isMore = false;
      const finish = (isComplete: boolean): void => {
        unsubscribe();
        cancel();
        resolve(isComplete ? { messages, cursor: { ...cursor, next, given }, isMore } : undefined);
      };
      const onMessage = (message: Msg): void => {
        const header = headerBlock(message);
        const status = statusOf(header);
        if (status !== 0) {
          // 404: nothing is left. Else: no more within the bytes asked for, or no such consumer any longer.
          finish(status === 404 || messages.length > 0);
          return;
        }
        const at = deliveryOf(message.reply ?? '');
        // One before it was lost on the way.
        if (at?.nth !== given + 1) {
          finish(false);
          return;
        }
        given++;
        next = at.seq + 1;
        isMore = at.pending > 0;
        messages.push({ seq: at.seq, subject: message.subject, header, body: Buffer.from(message.data) });
        if (!isMore || messages.length === ask.batch) finish(true);
      };
      const unsubscribe = this.link.subscribe(inbox, onMessage);
      const cancel = this.timers.after(silenceMs, () => finish(false));
      const request = Buffer.from(JSON.stringify({ ...ask, no_wait: true }));
      if (this.link.isUp)
        this.link.publish(`$JS.API.CONSUMER.MSG.NEXT.${this.stream}.${cursor.consumer}`, request, inbox);
    });
  }
}

/** `$JS.ACK.<stream>.<consumer>.<deliveries>.<seq>.<nth>.<time>.<pending>`; servers may put two tokens before the stream and one behind. */
function deliveryOf(
  reply: string,
): { readonly seq: number; readonly nth: number; readonly pending: number } | undefined {
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined;
  const first = tokens.length > 9 ? 4 : 2;
  const [seq, nth, , pending] = tokens.slice(first + 3).map(Number);
  return { seq: seq as number, nth: nth as number, pending: pending as number };
}
