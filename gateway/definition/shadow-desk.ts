/**
 * Runs a hunt's log in the shadow of another definition, on a {@link WorkerDesk}: this thread only reads pages of the log
 * and hands them over, one at a time.
 */
import type { HuntDefinition } from '../../actors/hunt/definition.ts';
import type { ShadowReport } from '../../actors/hunt/shadow-run.ts';
import type { Version } from '../../proto/ids.ts';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import type { EventLog } from '../../runtime/log/event-log.ts';
import { huntNotFound } from '../admin/hunt-directory.ts';
import { logFault, trimmed } from '../admin/operations/read-events.ts';
import { Problem } from '../admin/problem.ts';
import { type Ask, DeskError, WorkerDesk } from './worker-desk.ts';

/** Longer logs are not run: both hunts are held in memory, and a designer waits for the answer. */
export const shadowEventsMax = 500_000;
export const shadowMsMax = 60_000;
const shadowsWaitingMax = 4;
const heapMiBMax = 1_024;
const pageBytesMax = 256 * 1024;
const retryMs = 2_000;

/** What the thread is told: the definition first, then the records in order, then the end. */
export type ShadowMessage =
  | { readonly kind: 'begin'; readonly huntId: number; readonly definition: HuntDefinition }
  | { readonly kind: 'records'; readonly records: readonly Uint8Array[] }
  | { readonly kind: 'end'; readonly at: number };

export class ShadowDesk {
  readonly #desk: WorkerDesk;

  constructor(
    private readonly log: Pick<EventLog, 'read'>,
    private readonly clock: Clock,
    timers: Timers,
    private readonly eventsMax = shadowEventsMax,
  ) {
    this.#desk = new WorkerDesk(new URL('./shadow-worker.js', import.meta.url), timers, {
      jobMsMax: shadowMsMax,
      backlogMax: shadowsWaitingMax,
      heapMiBMax,
    });
  }

  /** Rejects with a {@link Problem}. */
  async run(huntId: number, definition: HuntDefinition): Promise<ShadowReport> {
    try {
      return await this.#desk.run((ask) => this.#replay(huntId, definition, ask));
    } catch (error) {
      throw error instanceof DeskError ? beyond(error) : logFault(error);
    }
  }

  close(): void {
    this.#desk.close();
  }

  async #replay(huntId: number, definition: HuntDefinition, ask: Ask): Promise<ShadowReport> {
    const tell = (message: ShadowMessage) => ask(message);
    await tell({ kind: 'begin', huntId, definition });
    for (let at: Version | undefined = 1 as Version; at !== undefined; ) {
      const page: Awaited<ReturnType<EventLog['read']>> = await this.log.read(
        { kind: 'hunt', id: huntId },
        at,
        pageBytesMax,
      );
      if (page.head === 0) throw huntNotFound(huntId);
      if (page.oldest > 1) throw trimmed(page.oldest);
      if (page.head > this.eventsMax)
        throw new Problem(
          'TOO_LARGE',
          `a shadow run goes over ${this.eventsMax} events at most, and this hunt has ${page.head}: publish without one`,
        );
      // Copies of their own: a view would take its whole page along.
      await tell({ kind: 'records', records: page.records.map(({ bytes }) => Uint8Array.from(bytes)) });
      at = page.next;
    }
    return (await tell({ kind: 'end', at: this.clock.now() })) as ShadowReport;
  }
}

function beyond(error: DeskError): Error {
  switch (error.fault) {
    case 'time':
      return new Problem(
        'TOO_LARGE',
        `the shadow run takes longer than the ${shadowMsMax / 1_000} s that are allowed: publish without one`,
      );
    case 'memory':
      return new Problem(
        'TOO_LARGE',
        `the shadow run takes more memory than the ${heapMiBMax} MiB that are allowed: publish without one`,
      );
    case 'full':
      return new Problem('BUSY', `${shadowsWaitingMax} shadow runs wait already: try again`, { retryMs });
    case 'closed':
      return new Problem('BUSY', 'this gateway is closing: try again', { retryMs });
    case 'broken':
      return /^(UnreadableEvent|RecordDamaged)Error/.test(String(error.cause))
        ? new Problem('HUNT_UNREADABLE', 'this hunt\'s log is damaged or of a newer release: see "hunt log verify"')
        : new Error('the thread of shadow runs broke', { cause: error });
    default:
      return error.fault satisfies never;
  }
}
