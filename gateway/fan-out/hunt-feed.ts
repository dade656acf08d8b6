/**
 * The committed records of one hunt, in order and without a hole. Owns: the subscription to the log's feed, and the reading
 * of what the feed did not bring. Does not own: what becomes of a record.
 * Invariants: only what is durable is handed on (I1: feed and log deliver nothing else); each record that ends above the
 * follower's head is handed on once, right behind it (I6).
 */
import type { Version } from '../../proto/ids.ts';
import type { Cancel, Timers } from '../../runtime/kernel/timer.ts';
import type { EventLog, LogRecord } from '../../runtime/log/event-log.ts';
import type { Feed, Subscription as FeedSubscription } from '../../runtime/log/feed.ts';

const feedRetryMs = 500;

type FeedState = { kind: 'opening' } | { kind: 'open'; feed: FeedSubscription } | { kind: 'closed' };

export interface HuntFollower {
  /** The last version that it was handed. */
  readonly head: number;
  /** The feed is open from behind this version on. */
  opened(head: Version): void;
  take(record: LogRecord): void;
}

export class HuntFeed {
  #state: FeedState = { kind: 'opening' };
  #filling = false;
  /** There are events up to here. */
  #wanted = 0;
  #timer: Cancel | undefined;

  constructor(
    private readonly hunt: number,
    private readonly parts: { readonly feed: Feed; readonly log: Pick<EventLog, 'read'>; readonly timers: Timers },
    private readonly follower: HuntFollower,
  ) {}

  get isOpen(): boolean {
    return this.#state.kind === 'open';
  }

  async open(): Promise<void> {
    try {
      const feed = await this.parts.feed.subscribe(
        { kind: 'hunt', id: this.hunt },
        { record: (record) => this.#record(record), head: (version) => this.#reach(version) },
      );
      if (this.#state.kind === 'closed') {
        feed.close();
        return;
      }
      this.#state = { kind: 'open', feed };
      // Records may have come before the promise was looked at: they are in the log as well.
      this.follower.opened(feed.head);
      this.#reach(this.#wanted);
    } catch {
      if (this.#state.kind === 'closed') return;
      this.#timer = this.parts.timers.after(feedRetryMs, () => void this.open());
    }
  }

  close(): void {
    if (this.#state.kind === 'open') this.#state.feed.close();
    this.#state = { kind: 'closed' };
    this.#timer?.();
  }

  #record(record: LogRecord): void {
    const end = record.version + record.count - 1;
    if (this.#state.kind !== 'open' || this.#filling || record.version > this.follower.head + 1) {
      this.#reach(end);
      return;
    }
    if (end > this.follower.head) this.follower.take(record);
  }

  /** Up to here there are events: what the feed did not bring is read from the log. */
  #reach(version: number): void {
    this.#wanted = Math.max(this.#wanted, version);
    if (this.#state.kind !== 'open' || this.#filling || this.#wanted <= this.follower.head) return;
    this.#filling = true;
    void this.#fill().then(() => {
      this.#filling = false;
      if (this.#state.kind === 'open' && this.#wanted > this.follower.head)
        this.#timer = this.parts.timers.after(feedRetryMs, () => this.#reach(this.#wanted));
    });
  }

  async #fill(): Promise<void> {
    try {
      while (this.#state.kind === 'open' && this.#wanted > this.follower.head) {
        const from = (this.follower.head + 1) as Version;
        const page = await this.parts.log.read({ kind: 'hunt', id: this.hunt }, from);
        for (const record of page.records) if (this.isOpen) this.follower.take(record);
        if (page.records.length === 0) return;
      }
    } catch {
      // The log is away: it is asked again.
    }
  }
}
