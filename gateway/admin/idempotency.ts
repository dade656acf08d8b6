/**
 * Idempotency-Key: the first answer to a request is given again to its repetitions. The truth is in an actor of kind
 * "key", one a request key, in the log; this file owns only which claims this gateway holds without having answered yet.
 *
 * A claim names the ids that the request may mint, drawn before anything was done: whoever takes an abandoned claim over
 * uses the same ids, and designers' verbs carry the key down to the hunt, so that a second try has no second effect (I4).
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { errorCatalogue } from '../../proto/error-code.ts';
import { idPattern, type StreamId } from '../../proto/ids.ts';
import type { CallOutcome, Route } from '../act/route.ts';
import { Problem, problemBody, problemOf } from './problem.ts';

/** Ids drawn for a request before it is carried out. */
export interface Minted {
  readonly hunt_id: number;
  /** Unpredictable; join codes and player ids are derived from it. */
  readonly seed: string;
}

export interface Answer {
  readonly status: number;
  readonly body: object;
  readonly location?: string;
}
export interface KeyedAnswer extends Answer {
  readonly replayed: boolean;
}

export interface KeyedRequest {
  /** The Idempotency-Key as sent; undefined: carried out without one. */
  readonly key: string | undefined;
  readonly method: string;
  readonly path: string;
  /** `sub` of the token, or empty. */
  readonly subject: string;
  readonly bodyHash: Uint8Array;
  /** For the `instance` of a refusal. */
  readonly instance: string;
}

/** What a request is given to be carried out. `key` is set when it came with an Idempotency-Key. */
export interface Undertaking {
  readonly minted: Minted;
  readonly key?: string;
}

/** Claims of this gateway that ended without an answer. */
export const heldClaimsMax = 10_000;
/** An answer longer than this is not kept: no POST of ours has one. */
export const keptAnswerBytesMax = 256 * 1024;

export class Idempotency {
  readonly #route: Pick<Route, 'call'>;
  readonly #mint: () => Minted;
  readonly #held = new LRUCache<string, Minted>({ max: heldClaimsMax });

  constructor(route: Pick<Route, 'call'>, mint: () => Minted) {
    this.#route = route;
    this.#mint = mint;
  }

  /** Carries the request out, or gives the first answer to it. Rejects with a {@link Problem}. */
  async once(request: KeyedRequest, run: (undertaking: Undertaking) => Promise<Answer>): Promise<KeyedAnswer> {
    if (request.key === undefined) return { ...(await run({ minted: this.#mint() })), replayed: false };
    if (!idPattern.test(request.key))
      throw new Problem('INVALID', 'Idempotency-Key must be 1 to 64 of A-Z a-z 0-9 _ . : -');
    const name = [request.method, request.path, request.subject, request.key].join(' ');
    const digest = createHash('sha256').update(name).digest();
    const stream: StreamId = { kind: 'key', id: digest.readUIntBE(0, 6) };
    const claim = digest.toString('base64url');
    const begun = await this.#begin(stream, name, claim, request.bodyHash);
    if ('answer' in begun) return { ...begun.answer, replayed: true };
    this.#held.delete(claim);
    let answer: Answer;
    try {
      answer = await run({ minted: begun.minted, key: claim.slice(0, 32) });
    } catch (error) {
      if (!(error instanceof Problem) || errorCatalogue[error.code].retryable || error.code === 'INTERNAL') {
        // Not an answer for good: the claim stays ours, so that the next try need not wait for its end.
        this.#held.set(claim, begun.minted);
        throw error;
      }
      answer = { status: errorCatalogue[error.code].http, body: problemBody(error, request.instance) };
    }
    await this.#keep(stream, name, claim, begun.minted, answer);
    return { ...answer, replayed: false };
  }

  async #begin(
    stream: StreamId,
    name: string,
    claim: string,
    bodyHash: Uint8Array,
  ): Promise<{ minted: Minted } | { answer: Answer }> {
    const body: RequestKeyCommands['begin'] = {
      key: name,
      body_hash: Buffer.from(bodyHash).toString('base64url'),
      minted: this.#mint(),
    };
    const outcome = await this.#route.call(stream, 'begin', body);
    if (outcome.ok) {
      const begun = outcome.body as BegunReply;
      return begun.state === 'answered' ? { answer: storedAnswer(begun) } : { minted: begun.minted };
    }
    if (outcome.code === 'SEQ_CONFLICT')
      throw new Problem('SEQ_CONFLICT', 'this Idempotency-Key was used with another body: take a new key');
    if (outcome.code === 'ALREADY_DONE') {
      const stored = await this.#route.call(stream, 'get', { key: name });
      if (!stored.ok) throw problemOf(stored);
      return { answer: storedAnswer(stored.body as StoredAnswer) };
    }
    const held = outcome.code === 'BUSY' ? this.#held.get(claim) : undefined;
    if (held !== undefined) return { minted: held };
    if (outcome.code === 'BUSY')
      throw new Problem('BUSY', 'the first request with this Idempotency-Key is under way: try again', {
        retryMs: outcome.retryMs ?? 1_000,
      });
    throw unavailableAsBusy(outcome);
  }

  /** What could not be kept is found out by the next try, which carries the request out again with the same ids. */
  async #keep(stream: StreamId, name: string, claim: string, minted: Minted, answer: Answer): Promise<void> {
    const body = JSON.stringify(answer.body);
    const kept =
      body.length <= keptAnswerBytesMax &&
      (
        await this.#route.call(stream, 'answer', {
          key: name,
          status: answer.status,
          body,
          location: answer.location ?? '',
        })
      ).ok;
    if (!kept) this.#held.set(claim, minted);
  }
}

/**
 * What the actor of kind "key" is asked. Its id is 48 bits of the key's hash, so that `key`, the whole name, goes along.
 * `begin` refuses with SEQ_CONFLICT for another body hash, ALREADY_DONE when the answer is there (then `get` reads it), and
 * BUSY while another's claim is younger than 30 s; after that it hands the claim over, with the ids that were minted first.
 */
export interface RequestKeyCommands {
  begin: { readonly key: string; readonly body_hash: string; readonly minted: Minted };
  answer: { readonly key: string; readonly status: number; readonly body: string; readonly location: string };
}
export interface RequestKeyQueries {
  get: [{ readonly key: string }, StoredAnswer];
}
interface StoredAnswer {
  readonly status: number;
  /** JSON text. */
  readonly body: string;
  readonly location?: string;
}
type BegunReply =
  | { readonly state: 'begun' | 'taken_over'; readonly minted: Minted }
  | ({ readonly state: 'answered' } & StoredAnswer);

function storedAnswer(stored: StoredAnswer): Answer {
  return {
    status: stored.status,
    body: JSON.parse(stored.body) as object,
    ...(stored.location ? { location: stored.location } : {}),
  };
}

/** Beginning twice is harmless, so that an unknown outcome of `begin` is surely nothing done to the caller. */
function unavailableAsBusy(outcome: Extract<CallOutcome, { ok: false }>): Problem {
  if (outcome.code !== 'UNAVAILABLE') return problemOf(outcome);
  return new Problem('BUSY', outcome.message, outcome.retryMs === undefined ? {} : { retryMs: outcome.retryMs });
}
