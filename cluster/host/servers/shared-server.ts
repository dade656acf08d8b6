import { kafkaBroker } from './kafka-broker.ts';
import { natsServer } from './nats-server.ts';
import { postgresServer } from './postgres-server.ts';
import type { PrivateServer } from './private-server.ts';
import { redisServer } from './redis-server.ts';
import type { ServerKind } from './require-server.ts';

const starts: Record<ServerKind, () => Promise<PrivateServer>> = {
  nats: natsServer,
  redis: redisServer,
  postgres: postgresServer,
  kafka: sharedKafka,
};

const shared = new Map<ServerKind, Promise<PrivateServer>>();

/**
 * One server of a kind for a whole test run, started by the first that asks and ended with the process (by its guard).
 * Tests that share it bring names of their own (streams, topics, databases, key prefixes), and leave it running.
 */
export function sharedServer(kind: ServerKind): Promise<PrivateServer> {
  let server = shared.get(kind);
  if (server === undefined) {
    server = starts[kind]();
    shared.set(kind, server);
  }
  return server;
}

/** A broker that somebody else runs may serve where nobody needs to kill it. */
async function sharedKafka(): Promise<PrivateServer> {
  const address = process.env.HUNT_TEST_KAFKA;
  if (address === undefined || address === '') return kafkaBroker();
  const notOurs = (): never => {
    throw new Error(`the Kafka at ${address} (HUNT_TEST_KAFKA) is not ours to stop: take kafkaBroker() for that`);
  };
  return {
    url: address,
    pid: 0,
    kill: notOurs,
    stop: notOurs,
    start: notOurs,
    pause: notOurs,
    resume: notOurs,
    close: async () => undefined,
  };
}
