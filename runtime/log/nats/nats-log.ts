/**
 * Log, feed and pages on NATS JetStream, as nodes and gateways see them. Composes the parts over two connections (pages
 * are large, and appends should not wait behind them), and keeps the order in which they come back after a break: first
 * the takes are read, then appends go on. A server that is killed and restarted costs a wait, not an error.
 */
import type { Position, Slot, StreamId, Version } from '../../../proto/ids.ts';
import { type Clock, systemClock } from '../../kernel/clock.ts';
import { type Random, systemRandom } from '../../kernel/random.ts';
import { systemTimers, type Timers } from '../../kernel/timer.ts';
import {
  type AppendPacing,
  type EventLog,
  FencedError,
  type ReadPage,
  type SlotPage,
  type SlotWriter,
  type StreamWriter,
  sharedKinds,
} from '../event-log.ts';
import type { Feed, FeedListener, Subscription } from '../feed.ts';
import type { PageStore, StoredPage } from '../page-store.ts';
import { AppendLane } from './append-lane.ts';
import { Consumers } from './consumers.ts';
import { Landmarks } from './landmarks.ts';
import { Line } from './line.ts';
import { LiveTail } from './live-tail.ts';
import { LogGauge } from './log-gauge.ts';
import { Names } from './names.ts';
import { NatsFeed } from './nats-feed.ts';
import { NatsPageStore } from './nats-page-store.ts';
import { judgeServer, type ServerJudgement } from './server-check.ts';
import { SlotReader } from './slot-reader.ts';
import { SlotRegister } from './slot-register.ts';
import { type Reading, StoredMessages } from './stored-messages.ts';
import { logBytesMaxDefault, NatsServerError, prepareStreams, type StreamOptions } from './stream-config.ts';
import { readBytesDefault, StreamReader } from './stream-reader.ts';
import { Tips } from './tips.ts';
import { Trim } from './trim.ts';

/** How long calls wait for a server that is away. */
const patienceMsDefault = 5_000;
const connectMsDefault = 15_000;
/** Between two tries to read the takes while JetStream does not answer. */
const retryMs = 200;

export interface NatsLogOptions extends StreamOptions {
  /** `nats://` or `tls://`, with `user:password@` or `token@` if need be; several of one cluster. */
  readonly servers: readonly string[];
  /** Several clusters may share the servers. */
  readonly cluster?: string;
  /** How the server's monitoring calls this client. */
  readonly name?: string;
  /** How long the start waits for a server. */
  readonly connectMs?: number;
  readonly patienceMs?: number;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
  /** As {@link StoredMessages}; chosen by the number of replicas. */
  readonly reading?: Reading;
  /** Messages that all slots must have let go of before they are removed. */
  readonly removeMin?: number;
}

/** What all parts of a client have in common. */
interface Common {
  readonly names: Names;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly patienceMs: number;
  readonly reading: Reading;
}

const openLine = (options: NatsLogOptions, label: string, common: Common): Promise<Line> =>
  Line.open({
    ...common,
    servers: options.servers,
    name: `${options.name ?? 'hunt'}-${label}`,
    connectMs: options.connectMs ?? connectMsDefault,
  });

const commonOf = (options: NatsLogOptions): Common => ({
  names: new Names(options.cluster),
  clock: options.clock ?? systemClock,
  timers: options.timers ?? systemTimers,
  random: options.random ?? systemRandom,
  patienceMs: options.patienceMs ?? patienceMsDefault,
  reading: options.reading ?? ((options.replicas ?? 1) > 1 ? 'leader' : 'direct'),
});

/** Whether the server can carry a cluster, and what its settings mean. Rejects only when it cannot be reached. */
export async function checkNatsServer(options: NatsLogOptions): Promise<ServerJudgement> {
  const line = await openLine(options, 'check', commonOf(options));
  try {
    return await judge(line, options);
  } finally {
    await line.close();
  }
}

async function judge({ link, api }: Line, options: NatsLogOptions): Promise<ServerJudgement> {
  const facts = { version: link.serverVersion, payloadBytesMax: link.payloadBytesMax };
  try {
    return judgeServer({ ...facts, account: await api.account() }, options);
  } catch (error) {
    return judgeServer({ ...facts, account: undefined, trouble: (error as Error).message }, options);
  }
}

/**
 * Resolves once the streams are there and the takes are known. Rejects with {@link NatsServerError} when the server or a
 * stream is not as it must be, with LogUnavailableError when there is no server.
 */
export async function connectNatsLog(options: NatsLogOptions): Promise<NatsLog> {
  const common = commonOf(options);
  const lines: Line[] = [];
  try {
    for (const label of ['log', 'pages']) lines.push(await openLine(options, label, common));
    const [line, pageLine] = lines as [Line, Line];
    const { faults } = await judge(line, options);
    if (faults.length > 0) throw new NatsServerError(faults);
    await prepareStreams(line.api, common.names, options);
    const log = new NatsLog(line, pageLine, common, options);
    await log.ready();
    return log;
  } catch (error) {
    for (const line of lines) await line.close();
    throw error;
  }
}

export class NatsLog implements EventLog, Feed, PageStore {
  readonly #takes: SlotRegister;
  readonly #gauge: LogGauge;
  readonly #lane: AppendLane;
  readonly #reader: StreamReader;
  readonly #slotReader: SlotReader;
  readonly #tail: LiveTail;
  readonly #trim: Trim;
  readonly #feed: NatsFeed;
  readonly #pages: NatsPageStore;
  #ready: Promise<void>;
  #resumption = 0;

  constructor(
    private readonly line: Line,
    private readonly pageLine: Line,
    private readonly common: Common,
    options: NatsLogOptions,
  ) {
    const { names, timers, reading } = common;
    const { link, requests, api } = line;
    const parts = { ...common, link, requests, api, inbox: line.inbox, tips: new Tips(), landmarks: new Landmarks() };
    const messages = new StoredMessages(requests, names.log, reading);
    const registered = new StoredMessages(requests, names.slots, reading);
    const takes = new SlotRegister('take', names, link, requests, registered);
    const trims = new SlotRegister('trim', names, link, requests, registered);
    const consumers = new Consumers(link, api, timers, names.log);
    this.#takes = takes;
    this.#gauge = new LogGauge(link, api, names.log, options.logBytesMax ?? logBytesMaxDefault);
    this.#lane = new AppendLane({ ...parts, messages, takes, gauge: this.#gauge });
    this.#reader = new StreamReader({ ...parts, messages, trims });
    this.#tail = new LiveTail(names, link, api);
    this.#slotReader = new SlotReader({ ...parts, trims, tail: this.#tail, consumers });
    this.#trim = new Trim({
      ...parts,
      messages,
      trims,
      consumers,
      ...(options.removeMin === undefined ? {} : { removeMin: options.removeMin }),
    });
    this.#feed = new NatsFeed({ ...parts, messages, reader: this.#reader });
    const pageMessages = new StoredMessages(pageLine.requests, names.pages, reading);
    this.#pages = new NatsPageStore({
      ...common,
      link: pageLine.link,
      requests: pageLine.requests,
      api: pageLine.api,
      messages: pageMessages,
    });
    this.#ready = Promise.all([this.#resume(), this.#gauge.ask()]).then(() => undefined);
    link.listen({
      up: () => {
        this.#ready = this.#resume();
      },
    });
  }

  /** Appends go on when the takes that were missed are known; what was asked before another break does not tell. */
  async #resume(): Promise<void> {
    const { link } = this.line;
    const own = ++this.#resumption;
    while (link.isUp && own === this.#resumption) {
      try {
        await this.#takes.refresh();
        if (link.isUp && own === this.#resumption) this.#lane.open();
        return;
      } catch {
        await new Promise<void>((resolve) => this.common.timers.after(retryMs, resolve));
      }
    }
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  get pacing(): AppendPacing {
    return this.#lane;
  }

  /** Whether the server answers at present. */
  get isUp(): boolean {
    return this.line.link.isUp;
  }

  /** Monotonic time at which anything was last heard from the server. */
  get lastHeardMs(): number {
    return this.line.link.lastHeardMs;
  }

  async take(slot: Slot, epoch: number): Promise<SlotWriter> {
    const present = await this.#takes.raise(slot, epoch);
    if (present > epoch) throw new FencedError(slot, present);
    return {
      slot,
      epoch,
      append: (stream, expected, count, bytes) => this.#lane.append(stream, expected, count, epoch, bytes),
    };
  }

  shared(stream: StreamId): StreamWriter {
    if (!sharedKinds.includes(stream.kind))
      throw new RangeError(`streams of kind "${stream.kind}" have an owner: take the slot`);
    return { stream, append: (expected, count, bytes) => this.#lane.append(stream, expected, count, 0, bytes) };
  }

  read(stream: StreamId, from: Version, bytesMax = readBytesDefault): Promise<ReadPage> {
    return this.#reader.read(stream, from, bytesMax);
  }

  readSlot(slot: Slot, from: Position, bytesMax = readBytesDefault): Promise<SlotPage> {
    return this.#slotReader.read(slot, from, bytesMax);
  }

  head(stream: StreamId): Promise<Version> {
    return this.#reader.head(stream);
  }

  ends(): Promise<readonly Position[]> {
    return this.#tail.ends();
  }

  trim(slot: Slot, before: Position): Promise<Position> {
    return this.#trim.trim(slot, before);
  }

  /** Frees the space of what all slots have let go of; begun by every trim, awaited by who needs to know. */
  async removeTrimmed(): Promise<void> {
    await this.#trim.remove();
    await this.#gauge.ask();
  }

  subscribe(stream: StreamId, listener: FeedListener): Promise<Subscription> {
    return this.#feed.subscribe(stream, listener);
  }

  load(stream: StreamId, pages: readonly number[]): Promise<readonly (StoredPage | undefined)[]> {
    return this.#pages.load(stream, pages);
  }

  save(stream: StreamId, pages: readonly StoredPage[]): Promise<void> {
    return this.#pages.save(stream, pages);
  }

  drop(stream: StreamId, pages: readonly number[]): Promise<void> {
    return this.#pages.drop(stream, pages);
  }

  /** Appends that are still unanswered become ambiguous; flush before closing. */
  async close(): Promise<void> {
    this.#lane.close();
    this.#feed.close();
    await this.line.close();
    await this.pageLine.close();
  }
}

/** For {@link import('../contract-fixture.ts').LogFixture.opener}: other processes open the log by module and arguments. */
export const open = (args: unknown): Promise<NatsLog> => connectNatsLog(args as NatsLogOptions);
