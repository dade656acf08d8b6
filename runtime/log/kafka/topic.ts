/** The topic that is the log: made as it must be, and judged before anything relies on it. */
import { type Admin, type ITopicMetadata, Kafka, logLevel } from 'kafkajs';
import { slotCount } from '../../../proto/ids.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemTimers } from '../../kernel/timer.ts';
import { BrokerLink } from './broker-link.ts';
import { apiVersions } from './requests.ts';

/** A record, its key and what Kafka puts around them; a checkpoint may be larger than a record. */
export const messageBytesMax = 4 * 1024 * 1024;
/** kafkajs's ConfigResourceTypes.TOPIC, which an ES module cannot import from it. */
const topicResource = 2;
const safeReplicas = 3;
const leadersMs = 30_000;
const leadersPollMs = 50;
const connectMs = 3_000;
const requestMs = 10_000;

const topicPattern = /^[A-Za-z0-9._-]{1,249}$/;

/** Throws {@link RangeError} for a prefix that no topic's name can have. */
export function eventsTopic(prefix?: string): string {
  const topic = prefix === undefined ? 'hunt.events' : `${prefix}.hunt.events`;
  if (topicPattern.test(topic)) return topic;
  throw new RangeError(
    `a topic cannot be called ${JSON.stringify(topic)}: use A-Z a-z 0-9 . _ - in the cluster's name`,
  );
}

export interface TopicOptions {
  readonly brokers: readonly string[];
  readonly prefix?: string;
  /** Default: 3, or as many as there are brokers. */
  readonly replicas?: number;
}

/** `faults` must be mended before the log is used; `warnings` say what is lost when. One sentence each. */
export interface TopicVerdict {
  readonly faults: readonly string[];
  readonly warnings: readonly string[];
}

/** Makes the topic if it is not there, with the settings that it needs, and waits until every slot has a leader. */
export async function ensureTopic(options: TopicOptions): Promise<void> {
  await withAdmin(options.brokers, async (admin) => {
    const topic = eventsTopic(options.prefix);
    const { brokers } = await admin.describeCluster();
    const replicationFactor = options.replicas ?? Math.min(safeReplicas, brokers.length);
    const settings = {
      'cleanup.policy': 'delete',
      'retention.ms': '-1',
      'retention.bytes': '-1',
      'unclean.leader.election.enable': 'false',
      'min.insync.replicas': replicationFactor > 1 ? '2' : '1',
      'compression.type': 'uncompressed',
      'max.message.bytes': `${messageBytesMax}`,
      // Kafka refuses what a clock that runs ahead has stamped; nobody asks these stamps.
      'message.timestamp.type': 'LogAppendTime',
      // Trimmed history is given back to the disk by the segment, and every segment has two index files of full size.
      'segment.bytes': `${64 * 1024 * 1024}`,
      'segment.index.bytes': `${1024 * 1024}`,
    };
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
    // It would throw, or come back too early, if it waited for leaders itself.
    await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic, numPartitions: slotCount, replicationFactor, configEntries }],
    });
    await untilLed(admin, topic);
  });
}

/** The metadata name leaders before those know of it: only their own answers tell. */
async function untilLed(admin: Admin, topic: string): Promise<void> {
  const deadline = systemClock.monotonic() + leadersMs;
  for (;;) {
    try {
      const offsets = await admin.fetchTopicOffsets(topic);
      if (offsets.length > 0) return;
    } catch (error) {
      if (systemClock.monotonic() > deadline) throw error;
    }
    if (systemClock.monotonic() > deadline) throw new Error(`topic ${topic} has no leaders after ${leadersMs} ms`);
    await new Promise<void>((resolve) => void systemTimers.after(leadersPollMs, resolve));
  }
}

async function describe(admin: Admin, topic: string): Promise<ITopicMetadata | undefined> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  return topics.find(({ name }) => name === topic);
}

/** Judges brokers and topic: what is unsafe is a fault. One broker alone, as on a developer's machine, is a warning. */
export async function checkKafka(options: TopicOptions): Promise<TopicVerdict> {
  const faults = await unspoken(options.brokers);
  if (faults.length > 0) return { faults, warnings: [] };
  return withAdmin(options.brokers, async (admin) => {
    const topic = eventsTopic(options.prefix);
    if (!(await admin.listTopics()).includes(topic))
      return {
        faults: [`There is no topic ${topic}: let ensureTopic make it, or make it with ${slotCount} partitions.`],
        warnings: [],
      };
    const found = await describe(admin, topic);
    const { brokers } = await admin.describeCluster();
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: topicResource, name: topic }],
    });
    const settings = new Map(resources[0]?.configEntries.map((entry) => [entry.configName, entry.configValue]));
    const replicas = Math.min(...(found?.partitions ?? []).map((one) => one.replicas.length));
    return judge({ topic, partitions: found?.partitions.length ?? 0, replicas, brokers: brokers.length, settings });
  });
}

export interface TopicFacts {
  readonly topic: string;
  readonly partitions: number;
  /** Of the partition that has fewest. */
  readonly replicas: number;
  readonly brokers: number;
  readonly settings: ReadonlyMap<string, string>;
}

/** What these settings mean in data lost. */
export function judge({ topic, partitions, replicas, brokers, settings }: TopicFacts): TopicVerdict {
  const faults: string[] = [];
  const warnings: string[] = [];
  const set = (name: string): string => settings.get(name) ?? '';
  const inSync = Number(set('min.insync.replicas'));
  if (partitions !== slotCount)
    faults.push(
      `Topic ${topic} has ${partitions} partitions, and a slot is a partition: it must have exactly ${slotCount}.`,
    );
  if (replicas === 1 && brokers === 1)
    warnings.push(
      `Topic ${topic} has one replica on one broker: a killed broker loses nothing, but when its machine loses power the acknowledged appends of its last seconds are lost, and with its disk everything. For play that matters run three brokers.`,
    );
  else if (replicas === 1)
    faults.push(
      `Topic ${topic} has one replica on ${brokers} brokers: one broken machine loses a part of all hunts. Give it ${safeReplicas} replicas.`,
    );
  if (replicas > 1 && inSync < 2)
    faults.push(
      `Topic ${topic} has min.insync.replicas=${inSync}: an append is acknowledged by a single broker when the others are behind, and is lost with it. Set it to 2.`,
    );
  if (replicas > 1 && inSync >= replicas)
    warnings.push(
      `Topic ${topic} has min.insync.replicas=${inSync} of ${replicas} replicas: nothing is lost, but play stands still whenever one broker is away. Give it ${inSync + 1} replicas.`,
    );
  if (set('unclean.leader.election.enable') === 'true')
    faults.push(
      `Topic ${topic} has unclean.leader.election.enable=true: a broker that was behind may become leader and cut off what was acknowledged. Set it to false.`,
    );
  if (set('cleanup.policy') !== 'delete')
    faults.push(
      `Topic ${topic} has cleanup.policy=${set('cleanup.policy')}: compaction deletes events out of the middle of hunts. Set it to delete.`,
    );
  for (const name of ['retention.ms', 'retention.bytes'])
    if (set(name) !== '-1')
      faults.push(
        `Topic ${topic} has ${name}=${set(name)}: Kafka deletes events whether they are in the archive or not. Set it to -1; the log is trimmed behind the archive.`,
      );
  if (!['producer', 'uncompressed'].includes(set('compression.type')))
    faults.push(
      `Topic ${topic} has compression.type=${set('compression.type')}: its records could not be read back. Set it to uncompressed.`,
    );
  if (Number(set('max.message.bytes')) < messageBytesMax)
    faults.push(
      `Topic ${topic} has max.message.bytes=${set('max.message.bytes')}: large records would never be taken. Set it to ${messageBytesMax} or more.`,
    );
  return { faults, warnings };
}

/** A broker that is too old, or that does not answer, named by address. */
async function unspoken(brokers: readonly string[]): Promise<string[]> {
  const faults: string[] = [];
  let answered = 0;
  for (const broker of brokers) {
    const at = broker.lastIndexOf(':');
    const link = new BrokerLink(
      { host: broker.slice(0, at), port: Number(broker.slice(at + 1)) },
      { clientId: 'hunt', connectMs, timers: systemTimers, heard: () => undefined, route: (same) => same },
    );
    try {
      const missing = await link.ask(apiVersions(), requestMs);
      answered++;
      if (missing.length > 0)
        faults.push(`The broker at ${broker} does not speak ${missing.join(', ')}: run Kafka 2.1 or newer.`);
    } catch {
      // Another of them may answer.
    } finally {
      link.close();
    }
  }
  if (answered === 0)
    faults.push(`No Kafka broker answers at ${brokers.join(', ')}: is it running, is the address right?`);
  return faults;
}

async function withAdmin<T>(brokers: readonly string[], run: (admin: Admin) => Promise<T>): Promise<T> {
  const kafka = new Kafka({
    clientId: 'hunt',
    brokers: [...brokers],
    connectionTimeout: connectMs,
    requestTimeout: requestMs,
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await run(admin);
  } finally {
    await admin.disconnect();
  }
}
