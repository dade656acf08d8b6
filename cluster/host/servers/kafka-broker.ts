import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { kafkaCacheFolder, kafkaJars } from './kafka-jars.ts';
import { eventually, freePort, GuardedServer, type PrivateServer, serverFolder } from './private-server.ts';
import { requireProgram, versionOf } from './programs.ts';

export interface KafkaOptions {
  /** Three replicate everything, with two in sync; one is the default. */
  readonly nodes?: 1 | 3;
  /** Where the one broker listens for clients; any free port by default. */
  readonly port?: number;
  /** More lines for server.properties; they count more than ours. */
  readonly config?: string;
}

const heapMb = { 1: 512, 3: 256 } as const;
const frugal = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

/** All nodes together are one server; each is one of its own in `nodes`. */
export class KafkaBrokers implements PrivateServer {
  constructor(readonly nodes: readonly GuardedServer[]) {}

  get url(): string {
    return this.nodes.map(({ url }) => url).join(',');
  }
  get pid(): number {
    return (this.nodes[0] as GuardedServer).pid;
  }
  async start(): Promise<void> {
    await this.#each((node) => node.start());
    const addresses = this.nodes.map(({ url }) => url);
    await eventually('all brokers to know one another', () => serving(addresses, this.nodes.length));
  }
  kill = (): Promise<void> => this.#each((node) => node.kill());
  stop = (): Promise<void> => this.#each((node) => node.stop());
  pause(): void {
    for (const node of this.nodes) node.pause();
  }
  resume(): void {
    for (const node of this.nodes) node.resume();
  }
  close = (): Promise<void> => this.#each((node) => node.close());

  async #each(run: (node: GuardedServer) => Promise<void>): Promise<void> {
    await Promise.all(this.nodes.map(run));
  }
}

export async function kafkaBroker(options: KafkaOptions = {}): Promise<KafkaBrokers> {
  return startBrokers(options, await fasterStart());
}

/** `jvm`: what else the virtual machine is told. */
async function startBrokers(options: KafkaOptions, jvm: readonly string[]): Promise<KafkaBrokers> {
  const count = options.nodes ?? 1;
  const java = requireProgram('java');
  const classPath = join(kafkaJars(), '*');
  const drawn = randomBytes(16);
  // Kafka's own tool would read an id that begins with a dash as an option.
  drawn[0] = (drawn[0] as number) & 0x7f;
  const clusterId = drawn.toString('base64url');
  const places: Place[] = [];
  for (let id = 1; id <= count; id++) {
    places.push({
      id,
      client: options.port ?? (await freePort()),
      peers: await freePort(),
      folder: serverFolder(`kafka-${id}`),
    });
  }
  const nodes = await Promise.all(
    places.map(async (place) => {
      const { folder, client } = place;
      const properties = join(folder, 'server.properties');
      writeFileSync(properties, `${configOf(place, places)}${options.config ?? ''}\n`);
      const tool = ['-Xmx128m', ...frugal, ...jvm.filter(isRead), '-cp', classPath, 'kafka.tools.StorageTool'];
      await promisify(execFile)(java, [...tool, 'format', '-t', clusterId, '-c', properties], { cwd: folder });
      return new GuardedServer({
        name: 'kafka',
        url: `127.0.0.1:${client}`,
        folder,
        argv: [
          java,
          ...['-Xms64m', `-Xmx${heapMb[count]}m`, ...frugal, ...jvm],
          '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
          ...['-cp', classPath, 'kafka.Kafka', properties],
        ],
        serves: () => serving([`127.0.0.1:${client}`], 1),
      });
    }),
  );
  const brokers = new KafkaBrokers(nodes);
  await brokers.start();
  return brokers;
}

interface Place {
  readonly id: number;
  readonly client: number;
  readonly peers: number;
  readonly folder: string;
}

function configOf({ id, client, peers, folder }: Place, places: readonly Place[]): string {
  const count = places.length;
  const inSync = count === 1 ? 1 : 2;
  return `process.roles=broker,controller
node.id=${id}
log.dirs=${join(folder, 'data')}
controller.quorum.voters=${places.map((place) => `${place.id}@127.0.0.1:${place.peers}`).join(',')}
listeners=PLAINTEXT://127.0.0.1:${client},CONTROLLER://127.0.0.1:${peers}
advertised.listeners=PLAINTEXT://127.0.0.1:${client}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
default.replication.factor=${count}
offsets.topic.replication.factor=${count}
transaction.state.log.replication.factor=${count}
share.coordinator.state.topic.replication.factor=${count}
min.insync.replicas=${inSync}
transaction.state.log.min.isr=${inSync}
share.coordinator.state.topic.min.isr=${inSync}
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=1
unclean.leader.election.enable=false
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=1048576
num.network.threads=2
num.io.threads=4
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
replica.lag.time.max.ms=5000
`;
}

/** Resolves when one of these addresses knows as many brokers as there should be. */
async function serving(brokers: string[], count: number): Promise<void> {
  const kafka = new Kafka({
    brokers,
    connectionTimeout: 2_000,
    requestTimeout: 2_000,
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    if (cluster.brokers.length < count) throw new Error(`${cluster.brokers.length} of ${count} brokers are there`);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

const isRead = (flag: string): boolean => flag.startsWith('-XX:SharedArchiveFile=') || flag.startsWith('-Xlog');

/** The classes of a running broker, as an archive beside the jars: it starts in half the time. Made once a machine. */
async function fasterStart(): Promise<readonly string[]> {
  const java = requireProgram('java');
  const jars = kafkaJars();
  // Jars that were fetched again are others to the virtual machine.
  const from = `${versionOf(java)} ${jars} ${statSync(jars).mtimeMs}`;
  const key = createHash('sha256').update(from).digest('hex').slice(0, 12);
  const archive = join(kafkaCacheFolder(), `classes-${key}.jsa`);
  if (!existsSync(archive)) {
    const making = `${archive}.${process.pid}`;
    const broker = await startBrokers({}, [`-XX:ArchiveClassesAtExit=${making}`]);
    await broker.stop();
    await broker.close();
    // A virtual machine that cannot make one starts as it always did.
    if (!existsSync(making)) return [];
    renameSync(making, archive);
  }
  return [`-XX:SharedArchiveFile=${archive}`, '-Xlog:disable'];
}
