import { kafkaBroker } from '../../../cluster/host/servers/kafka-broker.ts';
import type { PrivateServer } from '../../../cluster/host/servers/private-server.ts';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import type { LogFixture } from '../contract-fixture.ts';
import { eventLogContract } from '../event-log.contract.ts';
import { MemoryLog } from '../memory/memory-log.ts';
import { freshTopic } from './kafka-log.fixture.ts';
import { KafkaLog } from './kafka-log.ts';

/** A broker that was killed scans all of its partitions before it serves. */
const patienceMs = 60_000;
/** Of the suite's restarts, the one in the middle of its appends: a real kill takes too long to do it each time. */
const killedRestart = 2;

describe('on one broker', function () {
  // It is killed and started again in the middle of tests.
  this.timeout(90_000);
  let broker: PrivateServer | undefined;
  before(async function () {
    requireServer(this, 'kafka');
    broker = await kafkaBroker();
  });
  after(() => broker?.close());

  eventLogContract('the Kafka log', async (): Promise<LogFixture<KafkaLog>> => {
    const server = broker as PrivateServer;
    const topic = await freshTopic(server.url);
    const shared = new MemoryLog();
    let restarts = 0;
    return {
      open: () => KafkaLog.connect({ ...topic, shared, patienceMs }),
      restartServer: async () => {
        await (++restarts === killedRestart ? server.kill() : server.stop());
        await server.start();
      },
      opener: {
        module: new URL('./kafka-log.fixture.js', import.meta.url).href,
        args: { ...topic, patienceMs },
      },
      close: () => Promise.resolve(),
    };
  });
});
