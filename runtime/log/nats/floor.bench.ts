/**
 * What the adapter costs, against a bare loop of publishes to a stream like its own on the same server: as many
 * JetStream publishes, one write each batch, one inbox, nothing else (no condition, no id, no headers). Both as an open
 * loop (a fixed rate is offered, what waits counts from its scheduled time) and as fast as they go with so many in flight.
 * Prints nothing; benchmarks/ does.
 */
import { connect, createInbox, type NatsConnection } from 'nats';
import { type Slot, slotCount, type Version } from '../../../proto/ids.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import { type FloorResult, offer } from '../embedded/floor.bench.ts';
import type { SlotWriter } from '../event-log.ts';
import { Names } from './names.ts';
import { connectNatsLog } from './nats-log.ts';

export interface NatsFloorOptions {
  readonly url: string;
  /** Absent: as fast as it goes, with `inFlight` at once. */
  readonly perSecond?: number;
  readonly seconds: number;
  readonly warmUpSeconds?: number;
  readonly recordBytes?: number;
  readonly streams?: number;
  readonly inFlight?: number;
}

export interface NatsFloorResult extends FloorResult {
  /** Of this process. */
  readonly cpuMicrosAnAppend: number;
}

const inFlightDefault = 512;
const streamsDefault = 3_000;
const recordBytesDefault = 300;
const logBytesMax = 8 * 1024 ** 3;
/** Nothing is stored there. */
const pageBytesMax = 1024 ** 2;

type Append = (i: number, done: () => void) => void;

/** Publishes alone. */
export async function bareFloor(options: NatsFloorOptions): Promise<NatsFloorResult> {
  const nc = await connect({ servers: new URL(options.url).host });
  const name = `floor-${systemRandom.token(6)}`;
  try {
    const config = { name, subjects: [`${name}.*.*.*`], storage: 'file', allow_direct: true };
    await nc.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify(config));
    const body = Buffer.alloc(options.recordBytes ?? recordBytesDefault, 7);
    const streams = options.streams ?? streamsDefault;
    const publish = publisher(nc);
    return await measure(options, (i, done) => {
      const n = i % streams;
      publish(`${name}.${n % slotCount}.hunt.${n}`, body, done);
    });
  } finally {
    await nc.request(`$JS.API.STREAM.DELETE.${name}`);
    await nc.close();
  }
}

function publisher(nc: NatsConnection): (subject: string, body: Uint8Array, done: () => void) => void {
  const inbox = `${createInbox()}.`;
  const waiting = new Map<string, () => void>();
  let number = 0;
  nc.subscribe(`${inbox}*`, {
    callback: (_, message) => {
      const token = message.subject.slice(inbox.length);
      const answer = message.json<{ error?: { description: string } }>();
      if (answer.error !== undefined) throw new Error(answer.error.description);
      waiting.get(token)?.();
      waiting.delete(token);
    },
  });
  return (subject, body, done) => {
    const token = (number++).toString(36);
    waiting.set(token, done);
    nc.publish(subject, body, { reply: inbox + token });
  };
}

/** Appends through the adapter, each conditional, to many streams of all slots. */
export async function adapterFloor(options: NatsFloorOptions): Promise<NatsFloorResult> {
  const cluster = `floor-${systemRandom.token(6)}`;
  const log = await connectNatsLog({ servers: [options.url], cluster, logBytesMax, pageBytesMax });
  const body = Buffer.alloc(options.recordBytes ?? recordBytesDefault, 7);
  const streams = options.streams ?? streamsDefault;
  const heads = new Float64Array(streams);
  const writers: SlotWriter[] = [];
  try {
    for (let slot = 0; slot < slotCount; slot++) writers.push(await log.take(slot as Slot, 1));
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
    const nc = await connect({ servers: new URL(options.url).host });
    const names = new Names(cluster);
    for (const name of [names.log, names.slots, names.pages]) await nc.request(`$JS.API.STREAM.DELETE.${name}`);
    await nc.close();
  }
}

async function measure(options: NatsFloorOptions, append: Append): Promise<NatsFloorResult> {
  const { perSecond, seconds, warmUpSeconds = 0, inFlight = inFlightDefault } = options;
  const before = process.cpuUsage();
  const result =
    perSecond === undefined
      ? await asFastAsItGoes(seconds, warmUpSeconds, inFlight, append)
      : await offer({ perSecond, seconds, warmUpSeconds }, append);
  const { user, system } = process.cpuUsage(before);
  const appends = result.appended * (1 + warmUpSeconds / seconds);
  return { ...result, cpuMicrosAnAppend: (user + system) / appends };
}

function asFastAsItGoes(
  seconds: number,
  warmUpSeconds: number,
  inFlight: number,
  append: Append,
): Promise<FloorResult> {
  const began = systemClock.monotonic();
  const from = began + warmUpSeconds * 1000;
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
  return {
    offered: waits.length,
    appended: waits.length,
    perSecond: Math.round(waits.length / seconds),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: waits.at(-1) ?? 0,
  };
}
