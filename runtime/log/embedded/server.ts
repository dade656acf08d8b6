/**
 * The log process: the one writer of one folder of segments (see README.md). Owns the start (lock, recovery, listening), the
 * connections and the timers; appends are judged in intake.ts, committed in commit-lane.ts, read in reader.ts.
 *
 * A host starts it with {@link EmbeddedLogServer.start} in a process of its own: one writer, so that a stopped node can
 * stop nobody else's appends.
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { slotCount } from '../../../proto/ids.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Cancel, Timers } from '../../kernel/timer.ts';
import { type Listening, type Sockets, systemSockets } from '../../link/sockets.ts';
import { LogDamagedError } from '../event-log.ts';
import { type Base, readBase } from './base.ts';
import { CommitLane, type Committed } from './commit-lane.ts';
import { Damage } from './damage.ts';
import { type Disk, systemDisk } from './disk.ts';
import { FeedLink } from './feed-link.ts';
import { IndexStore } from './index-store.ts';
import { Intake } from './intake.ts';
import { type Lock, lockFolder } from './lock.ts';
import { readMarks } from './marks.ts';
import { Pages } from './pages.ts';
import { Reader } from './reader.ts';
import { positionOf } from './record.ts';
import { recover } from './recovery.ts';
import { Requests } from './requests.ts';
import { Scrub, type ScrubPace, scrubPaceDefault } from './scrub.ts';
import { Segments, segmentBytesDefault, segmentBytesMin } from './segments.ts';
import { type OpenStore, openLmdb } from './store.ts';
import type { StreamEntry } from './stream-index.ts';
import { TailCache } from './tail-cache.ts';
import { Trim } from './trim.ts';
import { BodyWriter, logFrame, protocolNumber } from './wire.ts';

const indexFlushMs = 4_000;
const indexFlushRecords = 100_000;
const streamsInMemoryMax = 200_000;
const tailCacheBytesMax = 64 * 1024 * 1024;
const lockPatienceMs = 10_000;

/** As pino has it. */
export interface LogLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface EmbeddedLogServerOptions {
  /** Segments, index and pages live here. */
  readonly dir: string;
  readonly socketPath: string;
  /** `power`: an acknowledged append survives power loss. `process`: it survives the end of every process. */
  readonly sync: 'power' | 'process';
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: LogLogger;
  readonly disk?: Disk;
  readonly sockets?: Sockets;
  readonly place?: LogPlace;
  readonly segmentBytes?: number;
  readonly tailCacheBytes?: number;
  readonly streamsInMemory?: number;
  readonly indexFlushMs?: number;
  readonly lockPatienceMs?: number;
  readonly scrub?: ScrubPace;
}

/** What the folder needs beside its {@link Disk}: a port, for simulations. */
export interface LogPlace {
  lock(folder: string, clock: Clock, timers: Timers, patienceMs: number): Promise<Lock>;
  openStore: OpenStore;
  /** A store's folder, with all that is in it. */
  removeStore(folder: string): Promise<void>;
}

const systemPlace: LogPlace = {
  lock: lockFolder,
  openStore: openLmdb,
  removeStore: (folder) => rm(folder, { recursive: true, force: true }),
};

export interface LogServerStats {
  readonly commits: number;
  readonly records: number;
  readonly bytes: number;
  readonly links: number;
  readonly subscriptions: number;
  readonly feedCuts: number;
  readonly streamsInMemory: number;
  readonly unindexed: number;
  readonly waitingBytes: number;
  readonly damages: number;
  /** The first segment that is kept. */
  readonly floor: number;
  /** Read again since the start in search of damage, and how often all of it. */
  readonly scrubbedBytes: number;
  readonly scrubPasses: number;
  /** Why appends are refused at present. */
  readonly trouble: string | undefined;
}

export class EmbeddedLogServer {
  readonly #links = new Set<FeedLink>();
  readonly #damage = new Damage();
  #listening: Listening | undefined;
  #cancelFlush: Cancel | undefined;
  #numbering = 0;
  #records = 0;
  #bytes = 0;
  #feedCuts = 0;
  #closed = false;

  private constructor(
    private readonly options: EmbeddedLogServerOptions,
    private readonly lock: Lock,
    private readonly segments: Segments,
    private readonly index: IndexStore,
    private readonly pages: Pages,
    private readonly cache: TailCache,
  ) {}

  #lane!: CommitLane;
  #intake!: Intake;
  #requests!: Requests;
  #trim!: Trim;
  #scrub!: Scrub;

  /** Locks the folder, recovers what a crash left, and listens. Rejects when another process holds the folder or the socket. */
  static async start(options: EmbeddedLogServerOptions): Promise<EmbeddedLogServer> {
    const { dir, clock, timers, logger } = options;
    const disk = options.disk ?? systemDisk;
    const place = options.place ?? systemPlace;
    const segmentBytes = options.segmentBytes ?? segmentBytesDefault;
    if (segmentBytes < segmentBytesMin)
      throw new RangeError(`segment size ${segmentBytes}: at least ${segmentBytesMin} bytes`);
    await disk.makeFolder(join(dir, 'segments'));
    const lock = await place.lock(dir, clock, timers, options.lockPatienceMs ?? lockPatienceMs);
    try {
      const lossy = lock.rebooted && options.sync === 'process';
      // After a power loss the unsynced end of the log may be gone, and pages must never be ahead of the log (I8: they are disposable).
      if (lossy) await place.removeStore(join(dir, 'pages'));
      const segments = new Segments(disk, join(dir, 'segments'), clock, timers, options.sync === 'power', segmentBytes);
      const streamsMax = options.streamsInMemory ?? streamsInMemoryMax;
      const index = new IndexStore(place.openStore(join(dir, 'index')), timers, streamsMax);
      const pages = new Pages(place.openStore(join(dir, 'pages')));
      const cache = new TailCache(options.tailCacheBytes ?? tailCacheBytesMax);
      const server = new EmbeddedLogServer(options, lock, segments, index, pages, cache);
      await server.#recover(lossy);
      lock.recovered();
      await server.#listen();
      logger.info({ dir, sync: options.sync, end: server.#lane.end }, 'the log serves');
      return server;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  async #recover(lossy: boolean): Promise<void> {
    const { clock, timers, logger, disk = systemDisk } = this.options;
    this.index.loadDamage(this.#damage);
    const base = await this.#readBase(disk);
    const found = await recover(disk, this.segments, this.index, this.#damage, base, lossy);
    if (found.tornBytes > 0)
      logger.warn({ bytes: found.tornBytes }, 'cut the torn tail of a commit that was never acknowledged');
    if (this.#damage.any)
      logger.error(
        { damage: this.#damage.toJSON() },
        'the log is damaged: what is affected is refused, the rest is served',
      );
    this.#lane = new CommitLane(
      this.segments,
      found,
      clock,
      timers,
      (commit) => this.#committed(commit),
      (message) => logger.error({}, message),
    );
    const marks = (await readMarks(disk, this.segments.folder)) ?? lostMarks(base);
    this.#trim = new Trim(
      disk,
      this.segments,
      this.index,
      { marks, base },
      () => this.#lane.end,
      timers,
      (message) => logger.error({}, message),
    );
    const below = (slot: number): number => this.#trim.below(slot);
    const onDamage = (): void => this.#foundDamage();
    const reader = new Reader(this.segments, this.index, this.cache, this.#damage, onDamage, below);
    this.#scrub = new Scrub({
      segments: this.segments,
      index: this.index,
      damage: this.#damage,
      timers,
      pace: this.options.scrub ?? scrubPaceDefault,
      floor: () => this.#trim.floor,
      below,
      isBusy: () => !this.#lane.quiet,
      onDamage,
      onTrouble: (message) => logger.error({}, message),
    });
    this.#intake = new Intake(this.#lane, this.index, reader, this.#damage);
    this.#requests = new Requests(this.#lane, this.index, reader, this.#damage, this.pages, this.#trim);
    this.#trim.sweep();
    this.#cancelFlush = timers.every(this.options.indexFlushMs ?? indexFlushMs, () => void this.#flushIndex());
  }

  /** A base that cannot be trusted is reported; with an index the log serves all the same, and removes nothing more. */
  async #readBase(disk: Disk): Promise<Base | undefined> {
    try {
      return await readBase(disk, this.segments.folder);
    } catch (error) {
      if (!(error instanceof LogDamagedError)) throw error;
      this.options.logger.error({}, error.message);
      return undefined;
    }
  }

  #foundDamage(): void {
    const { logger } = this.options;
    logger.error({ damage: this.#damage.toJSON() }, 'found damage');
    this.index
      .saveDamage(this.#damage)
      .catch((error: Error) => logger.error({ error: error.message }, 'the damage cannot be written down'));
  }

  async #listen(): Promise<void> {
    const { socketPath, sockets = systemSockets } = this.options;
    try {
      this.#listening = await sockets.listen(socketPath, (socket) => this.#accept(socket));
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EADDRINUSE') throw error;
      throw new Error(`somebody else listens on ${socketPath}: choose another socket or stop it`);
    }
  }

  #accept(socket: Duplex): void {
    const link = new FeedLink(
      `link ${++this.#numbering}`,
      socket,
      (from, type, payload) => this.#frame(from, type, payload),
      (from, error) => {
        this.#feedCuts += from.cuts;
        from.end();
        this.#links.delete(from);
        if (error !== undefined)
          this.options.logger.warn(
            { link: from.name, error: error.message },
            'ended a link that sent what no client sends',
          );
      },
    );
    this.#links.add(link);
    link.send(new BodyWriter().u32(protocolNumber).u32(this.#lane.bodyBytesMax).frame(logFrame.welcome));
  }

  #frame(link: FeedLink, type: number, payload: Buffer): void {
    if (type === logFrame.append) this.#intake.frame(link, payload);
    else if (type === logFrame.request) this.#requests.frame(link, payload);
    else if (type === logFrame.ping) link.send(new BodyWriter().frame(logFrame.pong));
    else throw new RangeError(`a frame of type ${type}`);
  }

  /** Durable now: visible to readers, sent to subscribers; the lane answers the appends when this returns. */
  #committed(commit: Committed): void {
    for (const link of this.#links) link.socket.cork();
    const { bytes, records, position } = commit;
    const { streams, slots, boundary } = this.index;
    if (bytes.length > 0) this.cache.add(position, bytes);
    const targets: FeedLink[] = [];
    for (const record of records) {
      const entry = record.entry;
      if (record.source === undefined || entry === undefined) continue;
      this.#records++;
      streams.add(entry, record.version, record.count, record.position, record.length, boundary);
      slots.add(record.slot, record.position, record.length, boundary);
      if (entry.subscribers === undefined) continue;
      const start = record.position - position;
      for (const target of entry.subscribers as Set<FeedLink>)
        if (target.offer(entry, start, start + record.length)) targets.push(target);
    }
    this.#bytes += bytes.length;
    for (const target of targets) target.deliver(bytes, () => entriesOf(records));
    // The lane answers the appends in this very turn: one write a link for records and answers.
    queueMicrotask(() => {
      for (const link of this.#links) link.socket.uncork();
    });
    if (streams.unindexed >= indexFlushRecords) void this.#flushIndex();
  }

  async #flushIndex(): Promise<void> {
    const { streams } = this.index;
    if (streams.unindexed === 0 || this.#lane.writing) {
      if (streams.unindexed > 0) this.#flushSoon();
      return;
    }
    await this.#checkpoint().catch((error: Error) =>
      this.options.logger.error({ error: error.message }, 'the index cannot be written: it is tried again'),
    );
  }

  /** A checkpoint is taken between two commits, so that its slot chain is that of its position. */
  #flushSoon(): void {
    this.#lane.afterCommit(() => void this.#flushIndex());
  }

  async #checkpoint(): Promise<void> {
    const { epochs, slotLast, end } = this.#lane;
    const flushed = await this.index.flush(
      { position: end, epochs: Float64Array.from(epochs), slotLast: Float64Array.from(slotLast) },
      () => this.#lane.sync(),
    );
    if (flushed) this.#trim.sweep();
  }

  stats(): LogServerStats {
    let subscriptions = 0;
    let feedCuts = this.#feedCuts;
    for (const link of this.#links) {
      subscriptions += link.subscriptions.size;
      feedCuts += link.cuts;
    }
    return {
      commits: this.#lane.commits,
      records: this.#records,
      bytes: this.#bytes,
      links: this.#links.size,
      subscriptions,
      feedCuts,
      streamsInMemory: this.index.streams.size,
      unindexed: this.index.streams.unindexed,
      waitingBytes: this.#lane.waitingBytes,
      damages: this.#damage.count,
      floor: this.#trim.floor,
      scrubbedBytes: this.#scrub.bytes,
      scrubPasses: this.#scrub.passes,
      trouble: this.#lane.trouble ?? this.#lane.shortage,
    };
  }

  /** Finishes what waits, writes the index to its end, and lets the folder go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelFlush?.();
    const stopped = this.#listening?.close();
    await this.#lane.drain();
    for (const link of this.#links) link.socket.end();
    await this.#scrub.close();
    await this.#trim.close();
    await this.index.settled();
    await this.#checkpoint().catch((error: Error) =>
      this.options.logger.error({ error: error.message }, 'the index is behind: the next start reads more'),
    );
    await this.#lane.close();
    for (const link of this.#links) link.end();
    await stopped;
    await this.segments.close();
    await this.index.close();
    await this.pages.close();
    await this.lock.release();
  }
}

function* entriesOf(records: Committed['records']): Iterable<StreamEntry> {
  for (const record of records) if (record.source !== undefined && record.entry !== undefined) yield record.entry;
}

/** What the base says is gone, is gone for every slot. */
const lostMarks = (base: Base | undefined): Float64Array =>
  new Float64Array(slotCount).fill(base === undefined ? 0 : positionOf(base.floor, 0));
