import { systemClock } from '../../runtime/kernel/clock.ts';
import { EmbeddedLog } from '../../runtime/log/embedded/client.ts';
import type { BackendStart, ProfileBackend } from './backend.ts';
import { logSocket } from './run-folder.ts';

export async function connectEmbedded({ config, connectMs }: BackendStart): Promise<ProfileBackend> {
  const log = new EmbeddedLog({ socketPath: logSocket(config.dataDir) });
  try {
    await firstAnswer(log, connectMs);
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
async function firstAnswer(log: EmbeddedLog, connectMs: number): Promise<void> {
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
