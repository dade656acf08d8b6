import { systemClock } from '../../runtime/kernel/clock.ts';
import { EmbeddedLog } from '../../runtime/log/embedded/client.ts';
import type { EventLog } from '../../runtime/log/event-log.ts';
import type { Feed } from '../../runtime/log/feed.ts';
import type { PageStore } from '../../runtime/log/page-store.ts';
import { type Config, ConfigError } from './config.ts';
import { logSocket } from './run-folder.ts';

/** How long a process waits for the log at its start, before it gives up and is started again. */
const connectMs = 15_000;

/** Log, feed and pages of a profile, as one process holds them. */
export interface Backend {
  readonly log: EventLog;
  readonly feed: Feed;
  readonly pages: PageStore;
  /** Whether the log answers at present, and since when it has not been heard; monotonic ms. */
  state(): { readonly up: boolean; readonly lastHeardMs: number };
  close(): Promise<void>;
}

export async function connectBackend(config: Config): Promise<Backend> {
  if (config.profile !== 'embedded')
    throw new ConfigError([`profile ${config.profile} is not in this release: choose embedded`]);
  const log = new EmbeddedLog({ socketPath: logSocket(config.dataDir) });
  try {
    await firstAnswer(log);
  } catch (error) {
    await log.close();
    throw error;
  }
  return {
    log,
    feed: log,
    pages: log,
    state: () => ({ up: log.state.kind === 'up', lastHeardMs: log.lastHeardMs }),
    close: () => log.close(),
  };
}

/** The log may be starting itself: calls fail after its own patience, the start has more. */
async function firstAnswer(log: EmbeddedLog): Promise<void> {
  const until = systemClock.monotonic() + connectMs;
  for (;;) {
    try {
      await log.head({ kind: 'cluster', id: 0 });
      return;
    } catch (error) {
      if (systemClock.monotonic() > until) throw error;
    }
  }
}
