/** Kafka logs for tests: each has a topic of its own. Test code. */
import { randomBytes } from 'node:crypto';
import { MemoryLog } from '../memory/memory-log.ts';
import { KafkaLog, type KafkaLogOptions } from './kafka-log.ts';
import { ensureTopic } from './topic.ts';

export type PlainOptions = Omit<KafkaLogOptions, 'shared' | 'route' | 'clock' | 'timers' | 'random'>;

/** A topic that nobody else uses. */
export async function freshTopic(url: string): Promise<{ brokers: string[]; prefix: string }> {
  const topic = { brokers: url.split(','), prefix: `test-${randomBytes(6).toString('hex')}` };
  await ensureTopic(topic);
  return topic;
}

/** For {@link import('../contract-fixture.ts').LogFixture.opener}: another process opens the log by module and options. */
export const open = (options: unknown): Promise<KafkaLog> =>
  KafkaLog.connect({ ...(options as PlainOptions), shared: new MemoryLog() });
