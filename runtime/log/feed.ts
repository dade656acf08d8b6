import type { StreamId, Version } from '../../proto/ids.ts';
import type { LogRecord } from './event-log.ts';

/**
 * Committed records, live. Only what is durable is ever delivered (I1). Every adapter passes `feed.contract.ts`.
 */
export interface Feed {
  /**
   * From the moment the promise resolves with the stream's head, every later record of the stream is delivered to
   * `listener.record`, in version order, at least once, until {@link Subscription.close}. After a break of the connection
   * the feed subscribes again by itself and calls `listener.head` with the head it found: a listener that holds less
   * reads the gap from the log.
   */
  subscribe(stream: StreamId, listener: FeedListener): Promise<Subscription>;
}

export interface FeedListener {
  record(record: LogRecord): void;
  /** The head after a re-subscription. Records above it follow. */
  head(version: Version): void;
}

export interface Subscription {
  readonly head: Version;
  close(): void;
}
