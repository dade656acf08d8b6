/** Fetches Kafka's jars before the tests do, so that none of them waits for it. */
import { kafkaJars } from './kafka-jars.ts';

try {
  console.log(`Kafka is in ${kafkaJars()}`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
