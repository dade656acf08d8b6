/**
 * One client's connection, seen from the log process. Owns its socket, what it subscribes to, and the bound on what may lie
 * unsent: a subscriber that does not drain is cut to "head only" (records are left out, and named by `heads` once it drains;
 * it reads the gap), so that nobody's slowness costs memory (I5) or leaves an unseen gap (I6).
 */
import type { Duplex } from 'node:stream';
import { FrameReader, frame } from '../../link/frame.ts';
import type { FeedTarget, StreamEntry } from './stream-index.ts';
import { BodyWriter, logFrame } from './wire.ts';

export const feedUnsentBytesMax = 4 * 1024 * 1024;
/** Above this the link is not read until it drains: its own answers are what it does not take. */
const answersUnsentBytesMax = 32 * 1024 * 1024;
export const subscriptionsMax = 500_000;

type Delivery =
  | { readonly kind: 'live' }
  /** The streams of which records were left out. */
  | { readonly kind: 'behind'; readonly streams: Set<StreamEntry> };

export class FeedLink implements FeedTarget {
  readonly subscriptions = new Set<StreamEntry>();
  requests = 0;
  cuts = 0;
  #delivery: Delivery = { kind: 'live' };
  /** start, end, start, end, … of the present commit's bytes that this link is to be sent. */
  #ranges: number[] = [];
  readonly #frames = new FrameReader();

  constructor(
    readonly name: string,
    readonly socket: Duplex,
    onFrame: (link: FeedLink, type: number, payload: Buffer) => void,
    onEnd: (link: FeedLink, error: Error | undefined) => void,
  ) {
    let fault: Error | undefined;
    socket.on('data', (chunk: Buffer) => {
      if (fault !== undefined) return;
      try {
        this.#frames.push(chunk, (type, payload) => onFrame(this, type, payload));
      } catch (error) {
        fault = error as Error;
        socket.destroy();
      }
    });
    socket.on('drain', () => this.#drained());
    socket.on('error', () => undefined);
    socket.on('close', () => onEnd(this, fault));
  }

  send(bytes: Buffer): void {
    if (this.socket.destroyed) return;
    this.socket.write(bytes);
    if (this.socket.writableLength > answersUnsentBytesMax) this.socket.pause();
  }

  subscribe(entry: StreamEntry): void {
    if (this.subscriptions.size >= subscriptionsMax)
      throw new RangeError(`over ${subscriptionsMax} subscriptions on one link: unsubscribe first`);
    this.subscriptions.add(entry);
    entry.subscribers ??= new Set();
    entry.subscribers.add(this);
  }

  unsubscribe(entry: StreamEntry): void {
    this.subscriptions.delete(entry);
    if (this.#delivery.kind === 'behind') this.#delivery.streams.delete(entry);
    entry.subscribers?.delete(this);
    if (entry.subscribers?.size === 0) entry.subscribers = undefined;
  }

  /** A record of the present commit, for {@link deliver}. True the first time in a commit. */
  offer(entry: StreamEntry, start: number, end: number): boolean {
    if (this.#delivery.kind === 'behind') {
      this.#delivery.streams.add(entry);
      return false;
    }
    const ranges = this.#ranges;
    if (ranges.at(-1) === start) ranges[ranges.length - 1] = end;
    else ranges.push(start, end);
    return ranges.length === 2;
  }

  /** One write for all that this link gets of a commit. `entryOf` names the streams if they must be left out. */
  deliver(commit: Buffer, offered: () => Iterable<StreamEntry>): void {
    const ranges = this.#ranges;
    this.#ranges = [];
    if (this.socket.destroyed) return;
    let length = 0;
    for (let i = 0; i < ranges.length; i += 2) length += (ranges[i + 1] as number) - (ranges[i] as number);
    if (this.socket.writableLength + length > feedUnsentBytesMax && this.socket.writableLength > 0) {
      const streams = new Set<StreamEntry>();
      for (const entry of offered()) if (this.subscriptions.has(entry)) streams.add(entry);
      this.#delivery = { kind: 'behind', streams };
      this.cuts++;
      return;
    }
    const parts: Buffer[] = [];
    for (let i = 0; i < ranges.length; i += 2)
      parts.push(commit.subarray(ranges[i] as number, ranges[i + 1] as number));
    this.socket.write(frame(logFrame.records, ...parts));
  }

  #drained(): void {
    if (this.socket.isPaused()) this.socket.resume();
    const delivery = this.#delivery;
    if (delivery.kind !== 'behind') return;
    this.#delivery = { kind: 'live' };
    const heads = new BodyWriter();
    for (const entry of delivery.streams) heads.stream(entry).f64(entry.committed);
    this.send(heads.frame(logFrame.heads));
  }

  end(): void {
    for (const entry of [...this.subscriptions]) this.unsubscribe(entry);
    this.socket.destroy();
  }
}
