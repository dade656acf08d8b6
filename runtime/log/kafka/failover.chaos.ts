/**
 * Three brokers, three replicas, two in sync: one of them is killed, stopped, restarted while owners write. Takes a minute and all of
 * a small machine, so `npm test` leaves it out:
 *
 *   npm run build && npx mocha --no-config --exit --timeout 300000 dist/runtime/log/kafka/failover.chaos.js
 */
import assert from 'node:assert/strict';
import { type KafkaBrokers, kafkaBroker } from '../../../cluster/host/servers/kafka-broker.ts';
import type { PrivateServer } from '../../../cluster/host/servers/private-server.ts';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import type { Position, Slot } from '../../../proto/ids.ts';
import { eventually, freshStream, readAll, textOf, version } from '../contract-fixture.ts';
import { MemoryLog } from '../memory/memory-log.ts';
import { freshTopic } from './kafka-log.fixture.ts';
import { KafkaLog } from './kafka-log.ts';
import { checkKafka } from './topic.ts';

const slots = Array.from({ length: 24 }, (_, i) => (i * 10) as Slot);
const patienceMs = 60_000;
const stoppedMs = 8_000;

describe('the Kafka log on three brokers', () => {
  let brokers: KafkaBrokers;
  let topic: { brokers: string[]; prefix: string };
  const logs: KafkaLog[] = [];

  before(async function () {
    requireServer(this, 'kafka');
    brokers = await kafkaBroker({ nodes: 3 });
    topic = await freshTopic(brokers.url);
  });
  after(async () => {
    for (const log of logs) await log.close();
    await brokers?.close();
  });

  const connect = async (): Promise<KafkaLog> => {
    const log = await KafkaLog.connect({ ...topic, shared: new MemoryLog(), patienceMs });
    logs.push(log);
    return log;
  };

  it('finds nothing to warn of', async () => {
    assert.deepEqual(await checkKafka(topic), { faults: [], warnings: [] });
  });

  it('loses nothing that was acknowledged, whatever becomes of one broker', async () => {
    const log = await connect();
    const streams = slots.map((slot) => freshStream(slot));
    const heads = slots.map(() => 0);
    const positions: Position[][] = slots.map(() => []);
    let longestMs = 0;
    let isOver = false;
    const writing = slots.map(async (slot, i) => {
      const writer = await log.take(slot, 1);
      const stream = streams[i] as (typeof streams)[number];
      while (!isOver) {
        const began = Date.now();
        const head = heads[i] as number;
        const appends = [0, 1, 2].map((n) =>
          writer.append(stream, version(head + n), 1, Buffer.from(`${stream.id}/${head + n + 1}`)),
        );
        for (const outcome of await Promise.all(appends)) {
          assert.ok(outcome.kind === 'appended', JSON.stringify(outcome));
          positions[i]?.push(outcome.position);
        }
        heads[i] = head + 3;
        longestMs = Math.max(longestMs, Date.now() - began);
      }
    });
    const moveOn = async (what: string): Promise<void> => {
      const from = [...heads];
      const began = Date.now();
      await eventually(
        `all slots to be written on after ${what}`,
        () => heads.every((head, i) => head > (from[i] as number) + 30),
        patienceMs,
      );
      console.log(
        `      ${what}: all slots written on within ${Date.now() - began} ms, longest append ${longestMs} ms`,
      );
      longestMs = 0;
    };
    await moveOn('the start');
    for (const node of brokers.nodes as readonly PrivateServer[]) {
      await node.kill();
      await moveOn('a kill');
      await node.start();
      await moveOn('its restart');
    }
    const [node] = brokers.nodes as readonly PrivateServer[];
    node?.pause();
    const paused = Date.now();
    await moveOn('a stop');
    await eventually('the stopped broker to be long forgotten', () => Date.now() - paused > stoppedMs, 2 * stoppedMs);
    node?.resume();
    await moveOn('waking up');
    isOver = true;
    await Promise.all(writing);
    const reader = await connect();
    for (const [i, stream] of streams.entries()) {
      const records = await readAll(reader, stream);
      assert.deepEqual(
        records.map(textOf),
        Array.from({ length: heads[i] as number }, (_, v) => `${stream.id}/${v + 1}`),
      );
      assert.deepEqual(
        records.map(({ position }) => position),
        positions[i],
      );
    }
  });
});
