/**
 * The cluster's view, followed and changed through the log.
 *
 * Owns: this process's copy of the view, always a fold of a prefix of the cluster's stream.
 * Does not own: what the view means to anybody; listeners are told after every newer one.
 * Keeps: one history (I2): an event is appended only onto the view that it was decided on, and on a conflict the
 * decision is taken again on the newer one. When the log is away, the last view stands (I10).
 */
import { ClusterEvent } from '../proto/generated/node/v1/cluster.ts';
import { Record } from '../proto/generated/node/v1/record.ts';
import type { Version } from '../proto/ids.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Random } from '../runtime/kernel/random.ts';
import type { Timers } from '../runtime/kernel/timer.ts';
import type { EventLog, LogRecord } from '../runtime/log/event-log.ts';
import type { Feed, Subscription } from '../runtime/log/feed.ts';
import { evolveView } from './evolve-view.ts';
import { loadView, saveView, type ViewPages } from './saved-view.ts';
import { clusterStream, emptyView, type View } from './view.ts';

/** Whose count the cluster's vectors raise: the stream has many writers, and the log alone puts them in order. */
const sequencer = 'cluster@0';
/** Between two tries to read or append while the log does not answer. */
const retryMs = 100;
const saveEveryMs = 2_000;
const fingerprintsKept = 256;

export interface ViewLogPorts {
  readonly log: EventLog;
  readonly feed: Feed;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  /** Where a copy of the view is kept; absent: nowhere, and the view is folded from the first event. */
  readonly pages?: ViewPages;
}

export type ClusterOutcome = NonNullable<ClusterEvent['outcome']>;

/**
 * What to append onto this view; undefined: nothing, it already says what it should. `now` is the time that the event will
 * bear. May throw a refusal, which ends the append.
 */
export type ViewDecision = (view: View, now: number) => ClusterOutcome | undefined;

export interface AppendOptions {
  /** From the call, whatever it waits for. */
  readonly deadlineMs: number;
  readonly reason?: string | (() => string);
  readonly by?: string;
}

/** Thrown when the cluster's stream could not be changed in time. */
export class ViewUnavailableError extends Error {
  override readonly name = 'ViewUnavailableError';
}

export class ViewLog {
  readonly #ports: ViewLogPorts;
  readonly #listeners = new Set<(view: View) => void>();
  #view: View = emptyView;
  #subscription: Subscription | undefined;
  #catchingUp: Promise<void> | undefined;
  /** The highest version known to be in the log; more than the view's number while there is something to catch up on. */
  #headSeen = 0;
  #closed = false;
  /** Of the latest events, by version. */
  readonly #fingerprints = new Map<number, number>();
  /** The event that made the view. */
  #made: ClusterEvent | undefined;
  #isUnsaved = false;
  /** While set, a copy was saved lately. */
  #cancelSave: (() => void) | undefined;
  /** What this process appends, one after the other: it need not conflict with itself. */
  #appending: Promise<unknown> = Promise.resolve();

  private constructor(ports: ViewLogPorts) {
    this.#ports = ports;
  }

  /** Resolves when the view is as new as the log was at some moment after the call. Rejects when the log cannot be reached. */
  static async open(ports: ViewLogPorts): Promise<ViewLog> {
    const viewLog = new ViewLog(ports);
    if (ports.pages !== undefined) viewLog.#view = await loadView(ports.pages, (version) => viewLog.#eventAt(version));
    viewLog.#subscription = await ports.feed.subscribe(clusterStream, {
      record: (record) => viewLog.#onRecord(record),
      head: (version) => viewLog.#onHead(version),
    });
    await viewLog.catchUp();
    return viewLog;
  }

  get view(): View {
    return this.#view;
  }

  /** Called after every newer view. Returns how to stop listening. */
  onChange(listener: (view: View) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads what the log holds beyond the present view. */
  async catchUp(): Promise<void> {
    for (let from: number | undefined = this.#view.number + 1; from !== undefined; ) {
      const page = await this.#ports.log.read(clusterStream, from as Version);
      for (const record of page.records) this.#apply(record);
      from = page.next;
    }
  }

  /**
   * Appends what `decide` wants, deciding again on every newer view until it was appended or nothing is left to do.
   * Returns the view that contains it. Waits for a log that is away until `deadlineMs` have passed.
   */
  append(decide: ViewDecision, options: AppendOptions): Promise<View> {
    const until = this.#ports.clock.monotonic() + options.deadlineMs;
    const appended = this.#appending.then(() => this.#append(decide, options, until));
    this.#appending = appended.catch(() => undefined);
    return appended;
  }

  async #append(decide: ViewDecision, options: AppendOptions, until: number): Promise<View> {
    const { clock, log, random, timers } = this.#ports;
    for (let trouble = 'the view kept changing'; ; ) {
      const view = this.#view;
      const now = clock.now();
      const outcome = decide(view, now);
      if (outcome === undefined) return view;
      const fingerprint = Math.floor(random.next() * 2 ** 32);
      const version = view.number + 1;
      const event: ClusterEvent = {
        actorId: clusterStream.id,
        version,
        playerId: '@system',
        seq: 0,
        occurredAt: now,
        vector: [{ node: sequencer, count: version }],
        fingerprint,
        reason: typeof options.reason === 'function' ? options.reason() : (options.reason ?? ''),
        by: options.by ?? '',
        outcome,
      };
      const bytes = Record.encode({
        events: [Buffer.from(ClusterEvent.encode(event).finish())],
        epoch: 0,
        owner: sequencer,
      }).finish();
      const appended = await log.shared(clusterStream).append(view.number as Version, 1, bytes);
      if (appended.kind === 'appended') {
        this.#applyEvent(event);
        this.#save();
        return this.#view;
      }
      // Often the feed has brought what came before us already.
      if (appended.kind === 'conflict' && this.#view.number >= version && !this.#isMade(version, fingerprint)) continue;
      try {
        // After a lost answer the log may hold this very event: then it is done.
        const mine = await this.#catchUpLookingFor(version, fingerprint);
        if (mine) return this.#view;
      } catch (error) {
        trouble = error instanceof Error ? error.message : String(error);
      }
      if ('message' in appended) trouble = appended.message;
      if (clock.monotonic() > until)
        throw new ViewUnavailableError(
          `the cluster's view could not be changed within ${options.deadlineMs} ms: ${trouble}`,
        );
      if (appended.kind !== 'conflict') await new Promise<void>((resolve) => timers.after(retryMs, resolve));
    }
  }

  close(): void {
    this.#closed = true;
    this.#cancelSave?.();
    const { pages } = this.#ports;
    if (pages !== undefined && this.#isUnsaved && this.#made !== undefined)
      void saveView(pages, this.#view, this.#made);
    this.#subscription?.close();
    this.#listeners.clear();
  }

  /** At once after a pause, then at most once in {@link saveEveryMs}: a drain changes the view dozens of times a second. */
  #save(): void {
    const { pages, timers } = this.#ports;
    if (pages === undefined) return;
    this.#isUnsaved = true;
    if (this.#cancelSave !== undefined) return;
    const save = (): void => {
      if (!this.#isUnsaved || this.#made === undefined) {
        this.#cancelSave = undefined;
        return;
      }
      this.#isUnsaved = false;
      void saveView(pages, this.#view, this.#made);
      this.#cancelSave = timers.after(saveEveryMs, save);
    };
    save();
  }

  async #eventAt(version: Version): Promise<ClusterEvent | 'unknown' | undefined> {
    try {
      const { records, oldest } = await this.#ports.log.read(clusterStream, version, 1);
      if (oldest > version) return 'unknown';
      return records.flatMap(decodeEvents).find((event) => event.version === version);
    } catch {
      // It may be in an archive that is away. If the log itself is, the start fails at its next question.
      return 'unknown';
    }
  }

  #isMade(version: number, fingerprint: number): boolean {
    const known = this.#fingerprints.get(version);
    return known === undefined || known === fingerprint;
  }

  async #catchUpLookingFor(version: number, fingerprint: number): Promise<boolean> {
    const page = await this.#ports.log.read(clusterStream, version as Version);
    const mine = page.records.some((record) =>
      decodeEvents(record).some((event) => event.version === version && event.fingerprint === fingerprint),
    );
    for (const record of page.records) this.#apply(record);
    if (page.next !== undefined) await this.catchUp();
    return mine;
  }

  #onRecord(record: LogRecord): void {
    this.#headSeen = Math.max(this.#headSeen, record.version + record.count - 1);
    if (record.version > this.#view.number + 1) this.#follow();
    else this.#apply(record);
  }

  #onHead(version: number): void {
    this.#headSeen = Math.max(this.#headSeen, version);
    if (version > this.#view.number) this.#follow();
  }

  /** Fills a gap in the background, trying again while the log is away. */
  #follow(): void {
    this.#catchingUp ??= this.catchUp()
      .catch(() => undefined)
      .finally(() => {
        this.#catchingUp = undefined;
        if (!this.#closed && this.#headSeen > this.#view.number)
          this.#ports.timers.after(retryMs, () => this.#follow());
      });
  }

  #apply(record: LogRecord): void {
    if (record.version + record.count - 1 <= this.#view.number) return;
    for (const event of decodeEvents(record)) this.#applyEvent(event);
  }

  #applyEvent(event: ClusterEvent): void {
    if (this.#closed || event.version <= this.#view.number) return;
    this.#view = evolveView(this.#view, event);
    this.#made = event;
    this.#fingerprints.set(event.version, event.fingerprint);
    this.#fingerprints.delete(event.version - fingerprintsKept);
    for (const listener of this.#listeners) listener(this.#view);
  }
}

const decodeEvents = (record: LogRecord): ClusterEvent[] =>
  Record.decode(record.bytes).events.map((bytes) => ClusterEvent.decode(bytes));
