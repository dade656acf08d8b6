/** A relay in a process of its own, for a test to kill; see relay.test.ts. Test code. */
import { connectNatsLog, type NatsLogOptions } from '../nats/nats-log.ts';
import type { PlainOptions } from './kafka-log.fixture.ts';
import { KafkaLog } from './kafka-log.ts';
import { Relay } from './relay.ts';

const [kafka, nats] = JSON.parse(process.argv[2] as string) as [PlainOptions, NatsLogOptions];
const target = await connectNatsLog(nats);
await Relay.start({ source: await KafkaLog.connect({ ...kafka, shared: target }), target });
process.on('disconnect', () => process.exit(0));
process.send?.('runs');
