/**
 * One SubmitStream: batches in, replies out, merged per loop turn. Owns the replies that wait to be written and the
 * requests that wait until it is known whose their hunt is; both are bounded by the requests without a written reply, at
 * which the stream is read no further (I5). Requests of one player keep their order. Every request of a well-formed batch
 * is answered once, unless the client goes away.
 */

import type { ServerDuplexStream } from '@grpc/grpc-js';
import { requestWithTokenName } from '../act/token-name.ts';
import { tooManyActs } from '../admin/ports.ts';
import { Problem } from '../admin/problem.ts';
import type { Claims } from '../token/claims.ts';
import { skewMs } from '../token/tokens.ts';
import { statusOf, statusOfError } from './grpc-status.ts';
import type { IngestParts } from './ingest-parts.ts';
import { ReplyBox } from './reply-box.ts';
import { cutBatch, FramingError, nackTo, type RequestHead, readHead } from './request-reader.ts';
import { Submitter } from './submitter.ts';

/** Requests of one stream that have no written reply: at this the stream is paused, at half of it resumed. */
export const streamRequestsMax = 16_384;
/** Bytes of replies that wait for a slow reader: at this the stream is paused too. */
export const streamReplyBytesMax = 4 * 1024 * 1024;

type Raw = ServerDuplexStream<Buffer, Buffer>;
type Life =
  | { readonly kind: 'open' }
  /** No more is read; when all is answered the stream ends, with that problem if there is one. */
  | { readonly kind: 'draining'; readonly problem: Problem | undefined }
  | { readonly kind: 'over' };

interface Held {
  readonly head: RequestHead;
  readonly bytes: Uint8Array;
}

export class SubmitStream {
  readonly #call: Raw;
  readonly #ops: IngestParts;
  readonly #claims: Claims;
  readonly #submitter: Submitter;
  readonly #held = new Map<number, Held[]>();
  readonly #full: { batch: Buffer; count: number }[] = [];
  readonly #box = new ReplyBox();
  #fullBytes = 0;
  /** Requests that were read and whose reply is not written yet. */
  #unwritten = 0;
  #life: Life = { kind: 'open' };
  #flushing = false;
  #blocked = false;
  #paused = false;

  constructor(ops: IngestParts, call: Raw, claims: Claims) {
    this.#ops = ops;
    this.#call = call;
    this.#claims = claims;
    this.#submitter = new Submitter(claims, ops.directory);
    call.on('data', (batch: Buffer) => this.#take(batch));
    call.on('end', () => this.#drain(undefined));
    call.on('drain', () => {
      this.#blocked = false;
      this.#write();
    });
    call.on('cancelled', () => this.#abandon());
    call.on('close', () => this.#abandon());
  }

  #take(batch: Buffer): void {
    if (this.#life.kind !== 'open') return;
    if (this.#ops.ports.clock.now() >= this.#claims.exp + skewMs) {
      this.#drain(new Problem('UNAUTHENTICATED', 'the token has expired: open the stream again with a new one'));
      return;
    }
    try {
      const cuts = cutBatch(batch);
      for (let i = 0; i < cuts.length; i += 2) this.#submit(batch, cuts[i] as number, cuts[i + 1] as number);
    } catch (error) {
      if (!(error instanceof FramingError)) {
        this.#fail(error);
        return;
      }
      this.#drain(new Problem('INVALID', `the batch is malformed: ${error.message}`));
      return;
    }
    this.#pace();
  }

  #submit(batch: Buffer, start: number, end: number): void {
    const head = readHead(batch, start, end);
    this.#unwritten++;
    if (head.fault !== undefined) {
      this.#reply(nackTo(batch, start, end, 'INVALID', head.fault));
      return;
    }
    const held = this.#held.get(head.huntId);
    // Behind those that wait for the same hunt, or a player's commands would change places.
    if (held !== undefined) {
      held.push({ head, bytes: batch.subarray(start, end) });
      return;
    }
    const verdict = this.#submitter.judge(head);
    if (verdict === 'allowed') {
      const waitMs = this.#claims.role === 'player' ? this.#ops.ports.admitAct(head.playerId) : 0;
      if (waitMs > 0) this.#reply(nackTo(batch, start, end, 'RATE_LIMITED', tooManyActs, waitMs));
      else this.#forward(head, batch.subarray(start, end));
      return;
    }
    if (verdict !== 'ask') {
      this.#reply(nackTo(batch, start, end, 'FORBIDDEN', verdict));
      return;
    }
    this.#held.set(head.huntId, [{ head, bytes: batch.subarray(start, end) }]);
    this.#ops.directory.find(head.huntId).then(
      () => this.#release(head.huntId, undefined),
      (error: unknown) => this.#release(head.huntId, error),
    );
  }

  #forward(head: RequestHead, bytes: Uint8Array): void {
    const request = requestWithTokenName(bytes, this.#claims);
    this.#ops.ports.route.submit(head.huntId, head.playerId, head.seq, request, this.#reply);
  }

  #release(huntId: number, error: unknown): void {
    const held = this.#held.get(huntId) ?? [];
    this.#held.delete(huntId);
    const problem = error === undefined || error instanceof Problem ? error : undefined;
    if (error !== undefined && problem === undefined) {
      this.#fail(error);
      return;
    }
    for (const { head, bytes } of held) {
      if (problem !== undefined) {
        this.#reply(nackTo(bytes, 0, bytes.length, problem.code, problem.message, problem.retryMs));
        continue;
      }
      const verdict = this.#submitter.judge(head);
      if (verdict === 'allowed') this.#forward(head, bytes);
      else if (verdict === 'ask')
        this.#reply(
          nackTo(bytes, 0, bytes.length, 'BUSY', 'the hunt could not be looked up: send this one again', 100),
        );
      else this.#reply(nackTo(bytes, 0, bytes.length, 'FORBIDDEN', verdict));
    }
  }

  readonly #reply = (reply: Uint8Array): void => {
    if (this.#life.kind === 'over') return;
    this.#box.add(reply);
    if (this.#box.full) this.#close();
    if (this.#flushing) return;
    this.#flushing = true;
    this.#ops.ports.timers.soon(() => {
      this.#flushing = false;
      this.#write();
    });
  };

  #close(): void {
    const { count, bytes } = this.#box;
    if (count === 0) return;
    this.#full.push({ batch: this.#box.take(), count });
    this.#fullBytes += bytes;
  }

  #write(): void {
    if (this.#life.kind === 'over' || this.#blocked) return;
    this.#close();
    for (let next = this.#full.shift(); next !== undefined; next = this.#full.shift()) {
      this.#fullBytes -= next.batch.length;
      this.#unwritten -= next.count;
      if (!this.#call.write(next.batch)) {
        this.#blocked = true;
        break;
      }
    }
    this.#pace();
    this.#endIfDrained();
  }

  #pace(): void {
    const waiting = this.#fullBytes + this.#box.bytes;
    if (!this.#paused && (this.#unwritten >= streamRequestsMax || waiting >= streamReplyBytesMax)) {
      this.#paused = true;
      this.#call.pause();
    } else if (this.#paused && this.#unwritten <= streamRequestsMax / 2 && waiting <= streamReplyBytesMax / 2) {
      this.#paused = false;
      this.#call.resume();
    }
  }

  #drain(problem: Problem | undefined): void {
    if (this.#life.kind !== 'open') return;
    this.#life = { kind: 'draining', problem };
    this.#endIfDrained();
  }

  #endIfDrained(): void {
    if (this.#life.kind !== 'draining' || this.#unwritten > 0) return;
    const { problem } = this.#life;
    this.#abandon();
    if (problem === undefined) this.#call.end();
    else this.#call.emit('error', statusOf(problem));
  }

  /** A fault of ours: nothing sensible can follow on this stream. */
  #fail(error: unknown): void {
    if (this.#life.kind === 'over') return;
    this.#abandon();
    this.#call.emit('error', statusOfError(this.#ops, error, this.#call.getPath()));
  }

  #abandon(): void {
    this.#life = { kind: 'over' };
    this.#held.clear();
    this.#full.length = 0;
    this.#fullBytes = 0;
  }
}
