import type { EventLog } from '../../runtime/log/event-log.ts';
import type { Feed } from '../../runtime/log/feed.ts';
import type { PageStore } from '../../runtime/log/page-store.ts';
import { type Config, ConfigError } from './config.ts';
import { logSocket } from './run-folder.ts';

/** Log, feed and pages of a profile, as one process holds them. */
export interface Backend {
  readonly log: EventLog;
  readonly feed: Feed;
  readonly pages: PageStore;
  close(): Promise<void>;
}
