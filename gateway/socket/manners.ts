/**
 * How much bad conduct of one socket is borne: messages above its rate are refused, whoever goes on after many refusals is
 * closed, and so is the tenth malformed message in a minute.
 */
import { Bucket, type Rate } from './bucket.ts';

/** Malformed messages in a minute, the last of which ends the connection. */
export const malformedMax = 10;
const malformedWindowMs = 60_000;
/** A client that goes on after so many refusals for its rate is closed (4101); one is forgiven every 50 ms. */
const refusalsMax = { perSecond: 20, burst: 200 };

export class Manners {
  readonly #messages: Bucket;
  readonly #refusals: Bucket;
  #malformed: number[] = [];

  constructor(rate: Rate, now: number) {
    this.#messages = new Bucket(rate, now);
    this.#refusals = new Bucket(refusalsMax, now);
  }

  /** Of a message: 0, or in how many ms it should come again. */
  waitMs(now: number): number {
    return this.#messages.take(now);
  }

  /** A message was refused for its rate; whether that was one too many. */
  isTooEager(now: number): boolean {
    return this.#refusals.take(now) > 0;
  }

  /** A message was malformed; whether that was one too many. */
  isTooConfused(now: number): boolean {
    this.#malformed = this.#malformed.filter((at) => now - at < malformedWindowMs);
    this.#malformed.push(now);
    return this.#malformed.length >= malformedMax;
  }
}
