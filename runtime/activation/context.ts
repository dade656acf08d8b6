import type { Position, StreamId } from '../../proto/ids.ts';
import type { Waiting } from '../command/mailbox.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Random } from '../kernel/random.ts';
import type { Timers } from '../kernel/timer.ts';
import type { RuntimeLimits } from '../limits.ts';
import type { AppendRefusal, EventLog, SlotWriter } from '../log/event-log.ts';
import type { PageStore } from '../log/page-store.ts';
import type { Metrics } from '../metrics.ts';
import type { EndReason } from './lifecycle.ts';
import type { PageCache } from './page-cache.ts';
import type { Permits } from './permits.ts';

/** What the node gives to every activation. */
export interface NodeContext {
  /** "<node id>@<incarnation>". */
  readonly nodeKey: string;
  readonly log: EventLog;
  readonly pages: PageStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly limits: RuntimeLimits;
  readonly cache: PageCache;
  readonly savePermits: Permits;
  readonly longReadPermits: Permits;
  readonly waiting: WaitingBudget;
  /** Runs the activation's next turn once the present batch of input was read. */
  ready(runnable: Runnable): void;
  /** Somebody was refused because too many pages are dirty: they are written now, and not only at the next sweep. */
  relieve(): void;
  /** A fault of ours: to the log of the process, under the instance that the caller was told. */
  report(instance: string, stream: StreamId, error: unknown): void;
  /** The log surely did not take an append, and says why. */
  refused(reason: AppendRefusal['reason'], message: string): void;
}

export interface Runnable {
  isQueued: boolean;
  runTurn(): void;
}

/** What the slot gives to the activations in it. */
export interface SlotContext {
  readonly epoch: number;
  readonly writer: SlotWriter;
  /** Monotonic time of the latest proof that nobody else writes this slot. */
  provedAt: number;
  appended(position: Position): void;
  /** The actor wants to be woken at that time; undefined: not at all. */
  alarm(stream: StreamId, at: number | undefined): void;
  /** A higher epoch has the slot. */
  fenced(epoch: number): void;
  /** The activation is over; `left` are the requests that it did not get to and that another activation may serve. */
  ended(stream: StreamId, reason: EndReason, left: readonly Waiting[], error?: unknown): void;
}

/** How much waits on this node (I5). */
export class WaitingBudget {
  requests = 0;
  bytes = 0;

  constructor(
    readonly requestsMax: number,
    readonly bytesMax: number,
  ) {}

  get isSpent(): boolean {
    return this.requests >= this.requestsMax || this.bytes >= this.bytesMax;
  }
  add(bytes: number): void {
    this.requests++;
    this.bytes += bytes;
  }
  remove(bytes: number): void {
    this.requests--;
    this.bytes -= bytes;
  }
}
