import { systemClock } from '../../runtime/kernel/clock.ts';
import { EmbeddedLog } from '../../runtime/log/embedded/client.ts';
import { connectMs, type ProfileBackend } from './backend.ts';
import type { Config } from './config.ts';
import { logSocket } from './run-folder.ts';

export async function connectEmbedded(config: Config): Promise<ProfileBackend> {
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
