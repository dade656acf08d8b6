import { checkNatsServer, connectNatsLog, type NatsLog, type NatsLogOptions } from '../../runtime/log/nats/nats-log.ts';
import { NatsServerError } from '../../runtime/log/nats/stream-config.ts';
import type { BackendStart, ProfileBackend } from './backend.ts';
import { ConfigError } from './config.ts';

export async function connectNats(start: BackendStart): Promise<ProfileBackend> {
  const log = await connectJetStream(start);
  return {
    log,
    feed: log,
    pages: log,
    state: () => ({ up: log.isUp, lastHeardMs: log.lastHeardMs }),
    close: () => log.close(),
  };
}

/** JetStream as this cluster uses it. Profile kafka keeps the view, the relayed events and the pages there. */
export async function connectJetStream({ config, journal, connectMs }: BackendStart): Promise<NatsLog> {
  const { natsUrl: servers = [], natsLogBytes, natsPageBytes } = config;
  const options: NatsLogOptions = {
    servers,
    cluster: config.cluster,
    name: `hunt ${config.nodeId ?? config.role} of ${config.cluster}`,
    replicas: config.natsReplicas,
    connectMs,
    ...(natsLogBytes === undefined ? {} : { logBytesMax: natsLogBytes }),
    ...(natsPageBytes === undefined ? {} : { pageBytesMax: natsPageBytes }),
  };
  try {
    const log = await connectNatsLog(options);
    if (config.role === 'up') for (const note of (await checkNatsServer(options)).notes) journal.info({}, note);
    return log;
  } catch (error) {
    if (error instanceof NatsServerError) throw new ConfigError(error.faults.map((fault) => `HUNT_NATS_URL: ${fault}`));
    throw error;
  }
}
