/**
 * What the adapter costs, against a bare kafkajs producer on the same broker with the same topic settings, acks and batches: one
 * request in flight, what is asked meanwhile becomes the next one, at most as many records and bytes; no fold, no
 * condition, no fencing. Both as an open loop (a fixed rate is offered, what waits counts from its scheduled time) and as
 * fast as they go with so many in flight. Prints nothing; benchmarks/ does.
 */
import { Kafka, logLevel, type Message, type Producer } from 'kafkajs';
import { type Slot, slotCount, type Version } from '../../../proto/ids.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import { systemTimers } from '../../kernel/timer.ts';
import { type FloorResult, offer } from '../embedded/floor.bench.ts';
import type { SlotWriter } from '../event-log.ts';
import { MemoryLog } from '../memory/memory-log.ts';
import { KafkaLog } from './kafka-log.ts';
import { ensureTopic, eventsTopic } from './topic.ts';

export interface KafkaFloorOptions {
  readonly brokers: readonly string[];
  /** Absent: as fast as it goes, with `inFlight` at once. */
  readonly perSecond?: number;
  readonly seconds: number;
  readonly warmUpSeconds?: number;
  readonly recordBytes?: number;
  readonly streams?: number;
  readonly inFlight?: number;
}

export interface KafkaFloorResult extends FloorResult {
  /** Of this process. */
  readonly cpuMicrosAnAppend: number;
}

const inFlightDefault = 512;
const streamsDefault = 3_000;
const recordBytesDefault = 300;
const requestBytesMax = 512 * 1024;
const requestRecordsMax = 1_000;
const retryMs = 200;

type Append = (i: number, done: () => void) => void;

/** The producer alone. */
export async function bareFloor(options: KafkaFloorOptions): Promise<KafkaFloorResult> {
  return withTopic(options, async (kafka, prefix) => {
    const producer = kafka.producer({
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
      allowAutoTopicCreation: false,
      retry: { retries: 0 },
    });
    await producer.connect();
    try {
      const value = Buffer.alloc(options.recordBytes ?? recordBytesDefault, 7);
      const streams = options.streams ?? streamsDefault;
      const send = sender(producer, eventsTopic(prefix), Math.min(requestRecordsMax, requestBytesMax / value.length));
      return await measure(options, (i, done) =>
        send({ partition: (i % streams) % slotCount, key: null, value }, done),
      );
    } finally {
      await producer.disconnect();
    }
  });
}

function sender(producer: Producer, topic: string, most: number): (message: Message, done: () => void) => void {
  const waiting: { message: Message; done: () => void }[] = [];
  let isFlying = false;
  const fly = async (): Promise<void> => {
    isFlying = true;
    while (waiting.length > 0) {
      const sent = waiting.splice(0, most);
      const messages = sent.map(({ message }) => message);
      // A topic that is new is not led at once.
      const send = (): Promise<unknown> => producer.send({ topic, acks: -1, timeout: 5_000, messages });
      await send().catch(async () => {
        await new Promise<void>((resolve) => void systemTimers.after(retryMs, resolve));
        await send();
      });
      for (const { done } of sent) done();
    }
    isFlying = false;
  };
  return (message, done) => {
    waiting.push({ message, done });
    if (!isFlying) {
      isFlying = true;
      setImmediate(() => void fly());
    }
  };
}

/** Appends through the adapter, each conditional, to many streams of all slots. */
export async function adapterFloor(options: KafkaFloorOptions): Promise<KafkaFloorResult> {
  return withTopic(options, async (_, prefix) => {
    const { brokers } = options;
    const log = await KafkaLog.connect({ brokers, prefix, shared: new MemoryLog() });
    try {
      const body = Buffer.alloc(options.recordBytes ?? recordBytesDefault, 7);
      const streams = options.streams ?? streamsDefault;
      const heads = new Float64Array(streams);
      const slots = Array.from({ length: slotCount }, (_slot, slot) => slot as Slot);
      const writers = await Promise.all(slots.map((slot) => log.take(slot, 1)));
      let failed: string | undefined;
      const result = await measure(options, (i, done) => {
        const id = (i % streams) + slotCount * streams;
        const expected = heads[i % streams] as Version;
        heads[i % streams] = expected + 1;
        void (writers[id % slotCount] as SlotWriter).append({ kind: 'hunt', id }, expected, 1, body).then((outcome) => {
          if (outcome.kind !== 'appended') failed ??= JSON.stringify(outcome);
          done();
        });
      });
      if (failed !== undefined) throw new Error(`not all appends were done; the first of them: ${failed}`);
      return result;
    } finally {
      await log.close();
    }
  });
}

/** A topic of its own, removed behind it. */
async function withTopic<T>(
  { brokers }: KafkaFloorOptions,
  run: (kafka: Kafka, prefix: string) => Promise<T>,
): Promise<T> {
  const prefix = `floor-${systemRandom.token(6)}`;
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  await ensureTopic({ brokers, prefix });
  try {
    return await run(kafka, prefix);
  } finally {
    const admin = kafka.admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [eventsTopic(prefix)] });
    await admin.disconnect();
  }
}

async function measure(options: KafkaFloorOptions, append: Append): Promise<KafkaFloorResult> {
  const { perSecond, seconds, warmUpSeconds = 0, inFlight = inFlightDefault } = options;
  const before = process.cpuUsage();
  const result =
    perSecond === undefined
      ? await asFastAsItGoes(seconds, warmUpSeconds, inFlight, append)
      : await offer({ perSecond, seconds, warmUpSeconds }, append);
  const { user, system } = process.cpuUsage(before);
  return { ...result, cpuMicrosAnAppend: (user + system) / (result.appended * (1 + warmUpSeconds / seconds)) };
}

function asFastAsItGoes(
  seconds: number,
  warmUpSeconds: number,
  inFlight: number,
  append: Append,
): Promise<FloorResult> {
  const from = systemClock.monotonic() + warmUpSeconds * 1000;
  const until = from + seconds * 1000;
  const waits: number[] = [];
  let next = 0;
  let flying = 0;
  return new Promise((resolve) => {
    const one = (): void => {
      const sent = systemClock.monotonic();
      flying++;
      append(next++, () => {
        const now = systemClock.monotonic();
        flying--;
        if (now >= from && now < until) waits.push(now - sent);
        if (now < until) one();
        else if (flying === 0) resolve(summary(waits, seconds));
      });
    };
    for (let i = 0; i < inFlight; i++) one();
  });
}

function summary(waits: number[], seconds: number): FloorResult {
  waits.sort((a, b) => a - b);
  const at = (share: number): number => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? 0;
  const count = waits.length;
  const perSecond = Math.round(count / seconds);
  return { offered: count, appended: count, perSecond, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: waits.at(-1) ?? 0 };
}
