import { systemClock } from '../../runtime/kernel/clock.ts';
import { systemTimers } from '../../runtime/kernel/timer.ts';
import { type EventLog, LogUnavailableError } from '../../runtime/log/event-log.ts';
import { KafkaLog } from '../../runtime/log/kafka/kafka-log.ts';
import { checkKafka, ensureTopic, type TopicOptions } from '../../runtime/log/kafka/topic.ts';
import type { NatsLog } from '../../runtime/log/nats/nats-log.ts';
import type { BackendStart, ProfileBackend } from './backend.ts';
import { ConfigError } from './config.ts';
import { connectJetStream } from './nats-backend.ts';

const retryMs = 250;

/** Kafka for the hunts; JetStream for the cluster's own stream, the relayed feed and the pages. */
export async function connectKafka(start: BackendStart): Promise<ProfileBackend> {
  const { kafka, jetStream } = await connectBoth(start);
  return {
    log: kafka,
    feed: jetStream,
    pages: jetStream,
    state: () => ({ up: kafka.fault === undefined, lastHeardMs: kafka.lastHeardMs }),
    close: async () => {
      await kafka.close();
      await jetStream.close();
    },
  };
}

export async function connectBoth(start: BackendStart): Promise<{ kafka: KafkaLog; jetStream: NatsLog }> {
  const jetStream = await connectJetStream(start);
  try {
    return { kafka: await connectKafkaLog(start, jetStream), jetStream };
  } catch (error) {
    await jetStream.close();
    throw error;
  }
}

async function connectKafkaLog({ config, journal, connectMs }: BackendStart, shared: EventLog): Promise<KafkaLog> {
  const topic: TopicOptions = {
    brokers: config.kafkaBrokers ?? [],
    prefix: config.cluster,
    replicas: config.kafkaReplication,
  };
  await untilMade(topic, connectMs);
  const { faults, warnings } = await checkKafka(topic);
  if (faults.length > 0) throw new ConfigError(faults.map((fault) => `HUNT_KAFKA_BROKERS: ${fault}`));
  if (config.role === 'up') for (const warning of warnings) journal.warn({}, warning);
  const clientId = `hunt ${config.nodeId ?? config.role} of ${config.cluster}`;
  return await KafkaLog.connect({ brokers: topic.brokers, prefix: config.cluster, clientId, shared });
}

/** Brokers may be starting themselves. */
async function untilMade(topic: TopicOptions, connectMs: number): Promise<void> {
  const until = systemClock.monotonic() + connectMs;
  for (;;) {
    try {
      return await ensureTopic(topic);
    } catch (error) {
      if (systemClock.monotonic() > until)
        throw new LogUnavailableError(
          `no Kafka broker serves at ${topic.brokers.join(', ')}: ${(error as Error).message}`,
        );
      await new Promise<void>((resolve) => systemTimers.after(retryMs, resolve));
    }
  }
}
