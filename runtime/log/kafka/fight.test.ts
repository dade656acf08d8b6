/**
 * Three owners fight for eight slots over a network that loses and delays. Judged by what the owners were told and what the
 * partitions hold, read anew by others: nothing that was acknowledged is lost, nothing is there twice, and nothing is
 * there of which it was said that it is not.
 *
 * HUNT_TEST_FIGHT_SECONDS makes it longer; the seed is in the test's name when it fails.
 */
import assert from 'node:assert/strict';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import { sharedServer } from '../../../cluster/host/servers/shared-server.ts';
import type { Position, Slot, StreamId } from '../../../proto/ids.ts';
import { eventually, freshStream, readAll, seeded, textOf, version, WriterProcess } from '../contract-fixture.ts';
import { type AppendOutcome, FencedError, type LogRecord, LogUnavailableError, type SlotWriter } from '../event-log.ts';
import { MemoryLog } from '../memory/memory-log.ts';
import { freshTopic } from './kafka-log.fixture.ts';
import { KafkaLog, type KafkaLogOptions } from './kafka-log.ts';
import { apiKeyOf, type Fates, MessageProxy } from './message-proxy.fixture.ts';
import { api } from './requests.ts';

const seconds = Number(process.env.HUNT_TEST_FIGHT_SECONDS ?? 10);
const seed = Number(process.env.HUNT_TEST_FIGHT_SEED ?? Date.now() % 100_000);
const owners = 3;
const slots = Array.from({ length: 8 }, (_, i) => (40 + i) as Slot);
const streamsPerSlot = 3;
/** Of all messages of each kind. */
const faultShare = 0.05;
const requestMs = 250;
/** Longer than a request is waited for, so that late ones come behind their copies. */
const lateMsMax = 600;
/** The last owner loses its patience before its requests do, and is told *ambiguous*. */
const patienceMs = [20_000, 20_000, 200] as const;
/** So small that checkpoints are written all the time, by owners and by those who only think that they are. */
const limits = { rangeSpan: 20, landmarkSpan: 20, behindMax: 60, checkpointRecords: 30 };

/** One append and what its owner was told. */
interface Told {
  readonly stream: StreamId;
  readonly version: number;
  readonly text: string;
  outcome: AppendOutcome | undefined;
}

/** Loses responses; delays requests and responses. */
function faults(random: () => number): Fates {
  return (direction) => {
    const drawn = random();
    if (drawn < faultShare) return direction === 'response' ? 'lose' : { lateMs: random() * lateMsMax };
    return direction === 'response' && drawn < 2 * faultShare ? { lateMs: random() * lateMsMax } : 'pass';
  };
}

class Owner {
  readonly told: Told[] = [];
  takes = 0;
  #number = 0;

  constructor(
    readonly name: string,
    readonly log: KafkaLog,
    readonly random: () => number,
    readonly streams: ReadonlyMap<Slot, readonly StreamId[]>,
    readonly nextEpoch: () => number,
  ) {}

  async fight(isOver: () => boolean): Promise<void> {
    await Promise.all(
      slots.map(async (slot) => {
        while (!isOver()) await this.#round(slot);
      }),
    );
  }

  /** Takes the slot and writes until it is fenced or has had its turn. */
  async #round(slot: Slot): Promise<void> {
    let writer: SlotWriter;
    try {
      writer = await this.log.take(slot, this.nextEpoch());
    } catch (error) {
      if (error instanceof FencedError || error instanceof LogUnavailableError) return;
      throw error;
    }
    this.takes++;
    const streams = this.streams.get(slot) as readonly StreamId[];
    const bursts = 1 + Math.floor(this.random() * 6);
    for (let burst = 0; burst < bursts; burst++) {
      const outcomes = await Promise.all(streams.map((stream) => this.#burst(writer, stream)));
      if (outcomes.includes('over')) return;
    }
  }

  /** Some appends in flight at once, each behind the other, on the head as the log tells it. */
  async #burst(writer: SlotWriter, stream: StreamId): Promise<'on' | 'over'> {
    let head: number;
    try {
      head = await this.log.head(stream);
    } catch (error) {
      if (error instanceof LogUnavailableError) return 'on';
      throw error;
    }
    const appends = Array.from({ length: 1 + Math.floor(this.random() * 5) }, async (_, i) => {
      const text = `${this.name}/${++this.#number}`;
      const one: Told = { stream, version: head + 1 + i, text, outcome: undefined };
      this.told.push(one);
      one.outcome = await writer.append(stream, version(head + i), 1, Buffer.from(text));
      return one.outcome;
    });
    const kinds = (await Promise.all(appends)).map(({ kind }) => kind);
    return kinds.includes('fenced') ? 'over' : 'on';
  }
}

/** Everything in the slots, by reading the partitions from the start. */
async function history(log: KafkaLog, slot: Slot): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (let from = 0 as Position; ; ) {
    const page = await log.readSlot(slot, from);
    records.push(...page.records);
    if (page.next === page.end) return records;
    from = page.next;
  }
}

function judge(told: readonly Told[], records: readonly LogRecord[]): { appended: number; unknown: number } {
  const heads = new Map<number, number>();
  const byText = new Map<string, LogRecord>();
  for (const record of records) {
    assert.equal(record.version, (heads.get(record.stream.id) ?? 0) + 1, 'versions follow one another');
    heads.set(record.stream.id, record.version);
    assert.ok(!byText.has(textOf(record)), `${textOf(record)} is there twice`);
    byText.set(textOf(record), record);
  }
  const counts = { appended: 0, unknown: 0 };
  for (const { text, outcome, stream, version: at } of told) {
    const record = byText.get(text);
    if (outcome === undefined || outcome.kind === 'ambiguous') counts.unknown++;
    else if (outcome.kind === 'appended') {
      counts.appended++;
      assert.ok(record !== undefined, `${text} was acknowledged and is lost`);
      assert.deepEqual([record.position, record.version, record.stream], [outcome.position, at, stream]);
    } else assert.equal(record, undefined, `${text} is there, but its owner was told ${outcome.kind}`);
  }
  assert.ok(byText.size >= counts.appended && byText.size <= counts.appended + counts.unknown);
  return counts;
}

describe('owners of the Kafka log who fight', () => {
  let brokers: { brokers: string[]; prefix: string };
  const logs: KafkaLog[] = [];
  const proxies: MessageProxy[] = [];
  const connect = async (options: Omit<KafkaLogOptions, 'shared'>): Promise<KafkaLog> => {
    const log = await KafkaLog.connect({ ...options, shared: new MemoryLog() });
    logs.push(log);
    return log;
  };

  before(async function () {
    requireServer(this, 'kafka');
    brokers = await freshTopic((await sharedServer('kafka')).url);
  });
  after(async () => {
    for (const log of logs) await log.close();
    for (const proxy of proxies) await proxy.close();
  });

  it(`lose nothing, double nothing and are told nothing wrong, ${owners} of them over ${slots.length} slots (seed ${seed})`, async function () {
    this.timeout((seconds + 60) * 1_000);
    const random = seeded(seed);
    const streams = new Map(
      slots.map((slot) => [slot, Array.from({ length: streamsPerSlot }, () => freshStream(slot))] as const),
    );
    let epoch = 1;
    const fighters: Owner[] = [];
    for (let i = 0; i < owners; i++) {
      const proxy = await MessageProxy.before(brokers.brokers[0] as string);
      proxies.push(proxy);
      const log = await connect({
        ...brokers,
        route: proxy.route,
        requestMs,
        patienceMs: patienceMs[i] as number,
        lookMs: 100,
        limits,
      });
      proxy.fate = faults(seeded(seed + i));
      // Views rise for all; some takes come late, under the epoch of a view that is past or shared.
      const nextEpoch = (): number => (random() < 0.7 ? ++epoch : Math.max(1, epoch - Math.floor(random() * 3)));
      fighters.push(new Owner('abc'[i] as string, log, seeded(seed + 100 + i), streams, nextEpoch));
    }
    const end = Date.now() + seconds * 1_000;
    const fights = fighters.map((owner) => owner.fight(() => Date.now() > end));
    await eventually('the fight to go on', () => Date.now() > end, seconds * 1_000 + 5_000);
    for (const proxy of proxies) proxy.fate = () => 'pass';
    await Promise.all(fights);

    const told = fighters.flatMap((owner) => owner.told);
    const reader = await connect({ ...brokers, limits });
    const records = (await Promise.all(slots.map((slot) => history(reader, slot)))).flat();
    const { appended, unknown } = judge(told, records);
    const faultsMade = proxies.map(({ counts }) => counts.lost + counts.late).reduce((a, b) => a + b);
    const takes = fighters.map((owner) => owner.takes).reduce((a, b) => a + b);
    const summary = `${appended} appended, ${unknown} unknown, ${told.length} asked, ${takes} takes, ${faultsMade} faults`;
    assert.ok(appended > 100 && takes > 20 && faultsMade > 50, `too little of a fight: ${summary}`);
    if (process.env.HUNT_TEST_FIGHT_SECONDS !== undefined) console.log(`      ${summary}`);

    // Whoever reads by stream and index sees the same.
    for (const stream of [...streams.values()].flat()) {
      const own = records.filter((record) => record.stream.id === stream.id);
      assert.deepEqual((await readAll(reader, stream)).map(textOf), own.map(textOf));
    }
  });

  it('lets an owner that was stopped past every timeout do no harm when it wakes up', async function () {
    this.timeout(60_000);
    const impatience = { requestMs: 300, patienceMs: 1_000, connectMs: 300, lookMs: 200 };
    const slot = 60 as Slot;
    const stream = freshStream(slot);
    const log = await connect(brokers);
    const module = new URL('./kafka-log.fixture.js', import.meta.url).href;
    const zombie = await WriterProcess.start({ module, args: { ...brokers, ...impatience } });
    try {
      await zombie.take(slot, 1);
      assert.equal((await zombie.append(stream, 0, 'zombie 1')).kind, 'appended');
      const flying = Array.from({ length: 50 }, (_, i) => zombie.append(stream, 1 + i, `zombie ${i + 2}`));
      zombie.stop();
      const late = Array.from({ length: 50 }, (_, i) => zombie.append(stream, 51 + i, `zombie ${i + 52}`));
      const stopped = Date.now();
      const owner = await log.take(slot, 2);
      const head = await log.head(stream);
      assert.equal((await owner.append(stream, head, 1, Buffer.from('owner'))).kind, 'appended');
      await eventually('all of its timeouts to pass', () => Date.now() - stopped > 2_500);
      zombie.wake();
      const outcomes = await Promise.all([...flying, ...late]);
      const texts = (await readAll(log, stream)).map(textOf);
      assert.equal(texts.length, head + 1, 'nothing came behind the new owner');
      assert.equal(texts[head], 'owner');
      for (const [i, outcome] of outcomes.entries()) {
        if (outcome.kind === 'appended') assert.equal(texts[i + 1], `zombie ${i + 2}`);
        else assert.ok(!texts.includes(`zombie ${i + 2}`), `zombie ${i + 2} is there, but was ${outcome.kind}`);
      }
      assert.deepEqual(await zombie.append(stream, head + 1, 'again'), { kind: 'fenced', epoch: 2 });
    } finally {
      await zombie.end();
    }
  });

  it('lets an owner of which nothing arrives learn by looking that it was fenced', async () => {
    const slot = 61 as Slot;
    const proxy = await MessageProxy.before(brokers.brokers[0] as string);
    proxies.push(proxy);
    const [idle, rival] = [await connect({ ...brokers, route: proxy.route, lookMs: 50 }), await connect(brokers)];
    const writer = await idle.take(slot, 1);
    const isProduce = (message: Buffer): boolean => apiKeyOf(message) === api.produce.key;
    proxy.fate = (direction, message) => (direction === 'request' && isProduce(message) ? 'lose' : 'pass');
    await rival.take(slot, 2);
    const outcome = await writer.append(freshStream(slot), version(0), 1, Buffer.from('x'));
    assert.deepEqual(outcome, { kind: 'fenced', epoch: 2 });
  });
});
