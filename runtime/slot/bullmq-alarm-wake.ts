/**
 * Alarms woken through Redis, by BullMQ: a delayed job an alarm, in one queue a node.
 *
 * Owns: what is armed here, the node's queue and worker, a timer of its own for each alarm. Owns no truth: an alarm is state
 * of its actor (I8), and a job only a call to look. A node feeds its own queue and empties it alone, so that a wake reaches
 * whoever armed it; after a move the new owner has jobs of its own, and those of the old one find nothing armed and do nothing.
 *
 * Redis may be slow, dead, flushed or full: nothing here waits for it, and nobody is told to. The timer rings `graceMs` after
 * the time if the job did not, and the agenda arms everything again once a minute, which sends lost jobs once more (I10).
 */
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { type StreamId, streamKey } from '../../proto/ids.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Timers } from '../kernel/timer.ts';
import { type AlarmWake, EmbeddedAlarmWake } from './alarm-wake.ts';

export interface BullMqAlarmOptions {
  /** A Redis that evicts nothing (`noeviction`): apart from the one that caches. */
  readonly redisUrl: string;
  readonly cluster: string;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly graceMs?: number;
  /** Said when Redis goes, with why, and when it is back. */
  readonly changed?: (up: boolean, reason: string) => void;
}

/** How late the process's own timer is, so that it rings only when the job did not. */
const graceDefaultMs = 5_000;
/** What was sent is sent again at most so often: the agenda asks once a minute. */
const resendMs = 45_000;
/** Jobs of one call; what arrives meanwhile goes with the next. */
const sendJobsMax = 256;
/** Jobs of cleared alarms that wait to be removed; beyond, they are left to find nothing armed. */
const removeJobsMax = 10_000;
const retryMs = 1_000;
const reconnectMinMs = 50;
const reconnectMaxMs = 2_000;
/** Longer than a worker's blocking read (10 s): a connection that says nothing for so long is made anew. */
const silentMs = 30_000;
/** BullMQ writes a stream of what it did; nobody reads it. */
const eventsKept = 16;
const jobName = 'alarm';

interface Armed {
  readonly stream: StreamId;
  readonly at: number;
  /** Monotonic; when its job was last handed to Redis. */
  sentAt: number;
}

/** For `ActorHostOptions.alarmWake`. */
export const bullMqAlarms =
  (options: BullMqAlarmOptions) =>
  (fire: (stream: StreamId) => void): BullMqAlarmWake =>
    new BullMqAlarmWake(options, fire);

export class BullMqAlarmWake implements AlarmWake {
  readonly #armed = new Map<string, Armed>();
  readonly #own: EmbeddedAlarmWake;
  readonly #toSend = new Set<string>();
  readonly #toRemove = new Set<string>();
  readonly #connections: readonly Redis[];
  readonly #queue: Queue;
  readonly #worker: Worker;
  #isSending = false;
  #isClosed = false;
  #isUp: boolean | undefined;

  constructor(
    readonly options: BullMqAlarmOptions,
    readonly fire: (stream: StreamId) => void,
  ) {
    const { clock, timers, cluster, nodeId } = options;
    this.#own = new EmbeddedAlarmWake(clock, timers, (stream) => this.#ring(streamKey(stream)));
    // What is under way when the connection breaks waits for the next one; there is one call under way at most.
    const connect = (): Redis => {
      const redis = new Redis(options.redisUrl, {
        maxRetriesPerRequest: null,
        socketTimeout: silentMs,
        retryStrategy: (times) => Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(times, 10)),
      });
      redis.on('error', (error: Error) => this.#changed(false, error.message));
      return redis;
    };
    const [sending, receiving] = [connect(), connect()];
    this.#connections = [sending, receiving];
    sending.on('ready', () => this.#onReady());
    sending.on('close', () => this.#changed(false, 'the connection broke'));
    const prefix = `hunt:${cluster}`;
    const name = `alarms-${nodeId}`;
    this.#queue = new Queue(name, {
      connection: sending,
      prefix,
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
      streams: { events: { maxLen: eventsKept } },
    });
    this.#worker = new Worker(name, async ({ data }) => this.#onJob(data as { kind: string; id: number }), {
      connection: receiving,
      prefix,
      // After a broken connection it asks again so soon, not in 15 s.
      runRetryDelay: retryMs,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    // Faults of the connection were reported above; what else goes wrong costs `graceMs`.
    this.#queue.on('error', ignore);
    this.#worker.on('error', ignore);
  }

  /** Alarms that are armed here, and of them those whose job is yet to be sent. */
  state(): { readonly up: boolean; readonly armed: number; readonly unsent: number } {
    return { up: this.#isUp === true, armed: this.#armed.size, unsent: this.#toSend.size };
  }

  arm(stream: StreamId, at: number): void {
    if (this.#isClosed) return;
    const key = streamKey(stream);
    const before = this.#armed.get(key);
    if (before?.at === at) {
      if (this.options.clock.monotonic() - before.sentAt >= resendMs) this.#send(key);
      return;
    }
    if (before !== undefined) this.#remove(before);
    this.#armed.set(key, { stream, at, sentAt: Number.NEGATIVE_INFINITY });
    this.#own.arm(stream, at + (this.options.graceMs ?? graceDefaultMs));
    this.#send(key);
  }

  disarm(stream: StreamId): void {
    const key = streamKey(stream);
    const before = this.#armed.get(key);
    if (before === undefined) return;
    this.#armed.delete(key);
    this.#toSend.delete(key);
    this.#own.disarm(stream);
    this.#remove(before);
  }

  /** Jobs that are left all the same find nothing armed when this node starts again. */
  close(): void {
    this.#isClosed = true;
    this.#own.close();
    this.#armed.clear();
    this.#toSend.clear();
    void this.#end();
  }

  /** An alarm's time has come, by its job or by our own timer; whichever is second finds it gone. */
  #ring(key: string): void {
    const armed = this.#armed.get(key);
    if (armed === undefined) return;
    this.#armed.delete(key);
    this.#toSend.delete(key);
    this.#own.disarm(armed.stream);
    this.fire(armed.stream);
  }

  #onJob({ kind, id }: { readonly kind: string; readonly id: number }): void {
    const stream = { kind, id };
    const armed = this.#armed.get(streamKey(stream));
    if (armed === undefined) return;
    // A job of an earlier time, or a clock that was set back: the timer takes over, on the minute.
    if (armed.at > this.options.clock.now()) this.#own.arm(stream, armed.at);
    else this.#ring(streamKey(stream));
  }

  #send(key: string): void {
    this.#toSend.add(key);
    this.#sendSoon();
  }

  #remove(armed: Armed): void {
    if (this.#isClosed || armed.sentAt === Number.NEGATIVE_INFINITY || this.#toRemove.size >= removeJobsMax) return;
    this.#toRemove.add(jobIdOf(armed));
    this.#sendSoon();
  }

  #sendSoon(): void {
    if (this.#isSending || this.#isUp !== true || this.#isClosed) return;
    this.#isSending = true;
    this.options.timers.soon(() => void this.#sendAll());
  }

  /** One call at a time, until nothing is left. */
  async #sendAll(): Promise<void> {
    let broke = false;
    while (!broke && !this.#isClosed && this.#isUp === true && this.#toSend.size + this.#toRemove.size > 0) {
      try {
        await this.#sendSome();
      } catch (error) {
        broke = true;
        if (!this.#isClosed) this.#changed(false, (error as Error).message);
      }
    }
    this.#isSending = false;
    if (broke && !this.#isClosed) this.options.timers.after(retryMs, () => this.#onReady());
  }

  async #sendSome(): Promise<void> {
    const { clock } = this.options;
    const batch: Armed[] = [];
    for (const key of this.#toSend) {
      if (batch.length === sendJobsMax) break;
      this.#toSend.delete(key);
      const armed = this.#armed.get(key);
      if (armed === undefined) continue;
      armed.sentAt = clock.monotonic();
      batch.push(armed);
    }
    const removed = [...this.#toRemove].slice(0, sendJobsMax);
    for (const jobId of removed) this.#toRemove.delete(jobId);
    try {
      if (batch.length > 0)
        await this.#queue.addBulk(
          batch.map((armed) => ({
            name: jobName,
            data: armed.stream,
            opts: { jobId: jobIdOf(armed), delay: Math.max(0, Math.ceil(armed.at - clock.now())) },
          })),
        );
      await Promise.all(removed.map((jobId) => this.#queue.remove(jobId)));
    } catch (error) {
      for (const armed of batch) {
        armed.sentAt = Number.NEGATIVE_INFINITY;
        if (this.#armed.get(streamKey(armed.stream)) === armed) this.#toSend.add(streamKey(armed.stream));
      }
      throw error;
    }
  }

  /** A Redis that comes back may have forgotten everything. */
  #onReady(): void {
    if (this.#isClosed) return;
    this.#changed(true, 'connected');
    for (const key of this.#armed.keys()) this.#toSend.add(key);
    this.#sendSoon();
  }

  #changed(up: boolean, reason: string): void {
    if (this.#isUp === up || this.#isClosed) return;
    this.#isUp = up;
    this.options.changed?.(up, reason);
  }

  async #end(): Promise<void> {
    // A node that leaves in good order has disarmed everything; whether that still reaches Redis is worth one try.
    try {
      while (this.#isUp === true && this.#toRemove.size > 0) await this.#sendSome();
    } catch {
      // They are left.
    }
    // By force: a worker that never had a connection would wait for one.
    await Promise.allSettled([this.#worker.close(true), this.#queue.close()]);
    for (const redis of this.#connections) redis.disconnect();
  }
}

const ignore = (): void => {};

/** Of one alarm at one time: armed again, it is the same job. BullMQ takes no ':' and no digits alone. */
const jobIdOf = ({ stream, at }: Armed): string => `${stream.kind}-${stream.id}-${at}`;
