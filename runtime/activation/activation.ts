import { type StreamId, systemPlayer, type Version } from '../../proto/ids.ts';
import { Flights } from '../command/flights.ts';
import { Mailbox, type Waiting } from '../command/mailbox.ts';
import { type Answer, OutputGate } from '../command/output-gate.ts';
import { type CommandRequest, ReadRequest, type Request } from '../command/request.ts';
import { runTurn } from '../command/turn.ts';
import type { ActorEvent } from '../decider.ts';
import { type ActorKind, type ActorLimits, UnreadableEventError } from '../define-actor.ts';
import type { AppendOutcome } from '../log/event-log.ts';
import type { ActorState } from './actor-state.ts';
import type { NodeContext, SlotContext } from './context.ts';
import { type Doubt, resolveDoubt } from './doubt.ts';
import { endings, explained } from './ending.ts';
import { fetchEvents } from './fetch-events.ts';
import { type EndReason, type Life, type LifeStep, transition } from './lifecycle.ts';
import { HistoryLostError, load, pause } from './loading.ts';
import { lookBack, type Scan, scanMembers } from './long-reads.ts';
import { PageArrivals } from './page-arrivals.ts';
import { eventIn, findRecord, RecentRecords } from './recent-records.ts';
import { type SavedActor, Saving } from './saving.ts';

/** What a prepared activation may leave to the log alone when it is handed over: read and folded within milliseconds. */
const handoffTailEventsMax = 512;

/**
 * One actor in memory.
 *
 * Owns: its state, its mailbox, what it has in flight, and the gate that its answers wait at. Does not own the slot, which
 * makes it and hears of its end, nor the log, which alone decides what happened (I2). Keeps I1 (nothing leaves before what
 * it observed is durable), I4 (receipts are judged first) and I5 (mailbox and flights are bounded).
 */
export class Activation<H, M, A, E extends ActorEvent> implements SavedActor<H, M, A, E> {
  life: Life = { kind: 'loading' };
  isQueued = false;
  readonly mailbox = new Mailbox<Request<A, E>>();
  readonly gate = new OutputGate();
  readonly flights: Flights;
  readonly scans = new Set<Scan>();
  /** Reads that left the mailbox for longer than a turn. */
  readonly longReads = new Set<ReadRequest<E>>();
  readonly pages: PageArrivals<M, E>;
  readonly saving: Saving<H, M, A, E>;
  durable = 0;
  usedAt: number;
  /** The last wake that found nothing to do: not run again before that time unless something happened. */
  idleWake = { version: -1, until: 0 };
  #state: ActorState<H, M, A, E> | undefined;
  #recent = new RecentRecords();
  #provedAt = Number.NEGATIVE_INFINITY;
  #isProving = false;
  #isLastSave = false;
  #isPrepared = false;
  #isSettlingDoubt = false;
  #faultReason: EndReason = 'fault';
  #fault: unknown;

  constructor(
    readonly node: NodeContext,
    readonly slot: SlotContext,
    readonly kind: ActorKind<H, M, A, E>,
    readonly stream: StreamId,
    readonly limits: ActorLimits,
  ) {
    this.flights = new Flights(node.limits.pipelineAppendsMax, node.limits.pipelineBytesMax);
    this.pages = new PageArrivals<M, E>(this);
    this.saving = new Saving<H, M, A, E>(node, this);
    this.usedAt = node.clock.monotonic();
  }

  get state(): ActorState<H, M, A, E> {
    if (this.#state === undefined) throw new Error(`${this.stream.kind} ${this.stream.id} is not loaded`);
    return this.#state;
  }
  get isOver(): boolean {
    return this.life.kind === 'ended';
  }
  get isIdle(): boolean {
    return (
      this.life.kind === 'active' &&
      this.mailbox.size === 0 &&
      this.flights.size === 0 &&
      this.gate.isEmpty &&
      this.longReads.size === 0 &&
      !this.saving.isRunning
    );
  }
  get isSaveable(): boolean {
    return this.life.kind !== 'loading' && !this.isOver;
  }
  get isQuiet(): boolean {
    return this.flights.size === 0 && this.life.kind !== 'doubting' && this.life.kind !== 'faulted';
  }
  get bytes(): number {
    return this.saving.headerBytes * 4 + 4_096;
  }

  /** Resolves when the activation is active, or over. */
  loaded: Promise<void> = Promise.resolve();

  start(rebuild: boolean): Promise<void> {
    this.loaded = this.#start(rebuild);
    return this.loaded;
  }

  async #start(rebuild: boolean): Promise<void> {
    const { clock, limits, metrics } = this.node;
    const began = clock.monotonic();
    for (let wait = 50; ; wait = Math.min(wait * 2, 1_000)) {
      try {
        const loaded = await load(this.node, this.kind, this.stream, this.limits.pageMembersMax, rebuild);
        if (this.isOver) return loaded.state.members.dispose();
        this.#state = loaded.state;
        this.#recent = loaded.recent;
        this.#provedAt = loaded.provedAt;
        this.durable = loaded.state.version;
        this.saving.savedTo = loaded.savedTo;
        this.saving.headerBytes = loaded.headerBytes;
        if (this.saving.tailEvents > 0) this.saving.soil(clock.monotonic());
        break;
      } catch (error) {
        if (this.isOver) return;
        if (error instanceof UnreadableEventError || error instanceof HistoryLostError)
          return this.end('unreadable', error);
        if (!isLogTrouble(error)) return this.end('load_failed', error);
        if (clock.monotonic() - began > limits.loadingMs) return this.end('log_unavailable', error);
        await pause(this.node, wait);
        if (this.isOver) return;
      }
    }
    metrics.observe('hunt_activation_seconds', (clock.monotonic() - began) / 1_000);
    this.#step({ step: 'loaded' });
    this.armAlarm();
    this.node.ready(this);
  }

  /** Takes the request in, or refuses it with a named error; never throws. */
  enqueue(request: Request<A, E>): void {
    const { waiting, cache } = this.node;
    this.usedAt = this.node.clock.monotonic();
    if (this.life.kind === 'ended' || this.life.kind === 'draining') {
      request.fail(endings.handoff.code, endings.handoff.message);
      return;
    }
    if (this.mailbox.size >= this.limits.mailboxCommandsMax) {
      request.fail('BUSY', `${this.limits.mailboxCommandsMax} commands wait for this actor: send it again`);
      return;
    }
    if (cache.tooDirty && request.kind !== 'read') {
      this.node.relieve();
      request.fail('BUSY', 'too much waits to be written to the page store: send it again');
      return;
    }
    waiting.add(request.bytes);
    this.mailbox.push(request);
    if (this.life.kind !== 'loading' && !this.state.members.allResident) this.#prefetch(request);
    this.node.ready(this);
  }

  runTurn(): void {
    if (this.life.kind !== 'active' && this.life.kind !== 'draining') return;
    if (this.flights.isFull || this.saving.isQuieting) return;
    runTurn(this);
    if (this.life.kind === 'draining') this.#settleDrain();
  }

  /** Asks for the pages of rows that are not in memory, on behalf of the request. False: all are there. */
  want(request: Request<A, E>, memberIds: readonly string[]): boolean {
    return this.pages.want(request, memberIds);
  }

  /** As {@link want}, on behalf of the alarm. True: all are there. */
  wantForWake(memberIds: readonly string[]): boolean {
    const waiting = { lane: systemPlayer, blocked: 0 };
    return !this.pages.want(waiting, memberIds);
  }

  /** One turn's events. The outcome comes later, and nothing leaves before. */
  append(version: number, count: number, bytes: Uint8Array): void {
    const { metrics, clock } = this.node;
    const flight = {
      version,
      count,
      bytes,
      sentAt: clock.monotonic(),
      outcome: undefined as AppendOutcome | undefined,
    };
    this.flights.add(flight);
    this.saving.soil(flight.sentAt);
    metrics.observe('hunt_batch_events', count);
    void this.slot.writer
      .append(this.stream, (version - 1) as Version, count, bytes)
      .catch((error: unknown): AppendOutcome => ({ kind: 'ambiguous', message: String(error) }))
      .then((outcome) => {
        flight.outcome = outcome;
        metrics.observe('hunt_append_seconds', (clock.monotonic() - flight.sentAt) / 1_000);
        metrics.count('hunt_appends_total', 1, outcome.kind);
        this.#settle();
      })
      .catch((error: unknown) => {
        this.node.report(this.node.random.token(6), this.stream, error);
        this.end('fault', error);
      });
  }

  /** The answers of a turn; they leave when the last event they observed is durable and, if that was long ago, still the last. */
  answer(answers: readonly Answer[], version: number): void {
    if (answers.length === 0) return;
    this.gate.hold(version, answers);
    if (this.flights.size > 0) return;
    const proved = Math.max(this.#provedAt, this.slot.provedAt);
    if (this.node.clock.monotonic() - proved <= this.node.limits.heardMs) this.gate.release(this.durable);
    else if (!this.#isProving) void this.#prove();
  }

  /** The event, from what is in memory; undefined: only the log has it. */
  heldEvent(version: number): E | undefined {
    const record = findRecord(this.flights.all, version) ?? this.#recent.find(version);
    return record === undefined ? undefined : eventIn(record, version, this.kind.events);
  }

  /** Reads earlier events from the log on behalf of the request, which waits until then. */
  fetch(request: CommandRequest<A, E>, versions: readonly number[]): void {
    request.blocked++;
    request.found ??= new Map();
    void fetchEvents(this.node, this.kind, this.stream, versions, request.found).then(() => {
      request.blocked--;
      this.node.ready(this);
    });
  }

  lookBack(request: ReadRequest<E>, version: number): void {
    void lookBack(this, request, version);
  }
  scan(request: ReadRequest<E>): void {
    void scanMembers(this, request);
  }

  /** A decision or a fold threw. What was decided before stands; nothing else is decided on this state. */
  fault(error: unknown, instance: string): void {
    this.node.report(instance, this.stream, error);
    this.#fail('fault', error);
  }

  pagesLost(): void {
    this.#fail('pages_lost', undefined);
  }

  armAlarm(): void {
    if (this.kind.decider.wake !== undefined) this.slot.alarm(this.stream, this.kind.decider.alarm(this.state.header));
  }

  /** As {@link armAlarm}, unless it is due: then the next turn runs it, and must not be woken for it again meanwhile. */
  armLaterAlarm(): void {
    const due = this.kind.decider.alarm(this.state.header);
    if (due === undefined || due > this.node.clock.now()) this.slot.alarm(this.stream, due);
  }

  /** Writes pages behind; at most once at a time. */
  async save(): Promise<boolean> {
    const isSaved = await this.saving.run();
    if (this.life.kind === 'draining') this.#settleDrain();
    return isSaved;
  }

  /** Puts the actor to sleep unless something came up meanwhile. */
  async sleep(reason: 'idle' | 'memory', force: boolean): Promise<void> {
    if (!this.isIdle) return;
    const isSaved = this.saving.tailEvents === 0 || (await this.save());
    if (this.isIdle && (isSaved || force) && this.flights.size === 0) this.end(reason);
  }

  /**
   * Hands over in good order: resolves when the activation is over. With `isPrepared` its pages were written just now, and the
   * few events since then are left to the log, as in a crash: whoever takes over reads them, instead of waiting for us.
   */
  drain(deadlineMs: number, isPrepared = false): Promise<void> {
    if (this.isOver) return Promise.resolve();
    this.#isPrepared = isPrepared;
    return new Promise((resolve) => {
      const cancel = this.node.timers.after(deadlineMs, () => this.end('handoff'));
      this.#drained.push(() => {
        cancel();
        resolve();
      });
      if (this.life.kind === 'loading') return this.end('handoff');
      this.#step({ step: 'drain' });
      this.node.ready(this);
      this.#settleDrain();
    });
  }
  readonly #drained: (() => void)[] = [];

  end(reason: EndReason, error?: unknown): void {
    if (this.isOver) return;
    this.#step({ step: 'end', reason });
    this.#state?.members.dispose();
    const { carry, code } = endings[reason];
    const words = explained(reason, error);
    this.pages.giveUp();
    const isDoubtful = this.flights.size > 0 && !this.flights.areSurelyUndone;
    const left = this.mailbox.empty();
    for (const request of left) this.node.waiting.remove(request.bytes);
    // Reads go on while a log is full: what they observed is gone, and they have changed nothing.
    const carried: Waiting[] = [];
    const spares = (answer: Answer): boolean => answer instanceof ReadRequest && carried.push(answer) > 0;
    this.gate.fail(code, words, isDoubtful, carry === 'reads' ? spares : undefined);
    const isCarried = (request: Request<A, E>): boolean =>
      request.blocked === 0 && (carry === 'all' || (carry === 'reads' && request.kind === 'read'));
    carried.push(...left.filter(isCarried));
    for (const read of this.longReads) read.fail(code, words);
    this.longReads.clear();
    for (const request of left) if (!isCarried(request)) request.fail(code, words);
    this.node.metrics.count('hunt_passivations_total', 1, reason);
    this.saving.giveUp();
    for (const resolve of this.#drained.splice(0)) resolve();
    this.slot.ended(this.stream, reason, carried, error);
  }

  #step(step: LifeStep): void {
    this.life = transition(this.life, step);
  }

  #fail(reason: EndReason, error: unknown): void {
    if (this.isOver || this.life.kind === 'faulted') return;
    if (this.life.kind === 'loading' || this.life.kind === 'doubting') {
      this.end(reason, error);
      return;
    }
    this.#faultReason = reason;
    this.#fault = error;
    this.#step({ step: 'fault' });
    if (this.flights.size === 0) this.node.timers.soon(() => this.#settle());
  }

  #prefetch(request: Request<A, E>): void {
    const { members, lastAt } = this.state;
    if (request.kind === 'read') return;
    if (request.seq > 0 && this.want(request, [request.player])) return;
    if (members.allResident) return;
    request.at = Math.max(this.node.clock.now(), lastAt);
    try {
      this.want(
        request,
        this.kind.decider.needs(request, this.state, (version) => this.heldEvent(version)),
      );
    } catch {
      // The turn asks again, and answers for what goes wrong there.
    }
  }

  /** Acts on the outcomes that are known, oldest append first. */
  #settle(): void {
    if (this.isOver) return;
    if (this.life.kind === 'doubting') {
      if (this.flights.allAnswered) void this.#settleDoubt();
      return;
    }
    for (let flight = this.flights.first; flight?.outcome !== undefined; flight = this.flights.first) {
      const { outcome } = flight;
      if (outcome.kind === 'appended') {
        this.slot.appended(outcome.position);
        this.slot.provedAt = Math.max(this.slot.provedAt, flight.sentAt);
        this.#landed();
      } else if (outcome.kind === 'ambiguous') {
        if (this.life.kind === 'faulted') {
          this.end('ambiguous');
          return;
        }
        this.#step({ step: 'doubt' });
        if (this.flights.allAnswered) void this.#settleDoubt();
        return;
      } else {
        this.#lost(outcome, flight.version + flight.count - 1);
        return;
      }
      if (this.isOver) return;
    }
    if (this.life.kind === 'faulted') {
      if (this.flights.size === 0) this.end(this.#faultReason, this.#fault);
      return;
    }
    this.saving.settle();
    if (this.mailbox.size > 0 && !this.flights.isFull) this.node.ready(this);
    this.#settleDrain();
  }

  #landed(): void {
    const flight = this.flights.land();
    if (flight === undefined) return;
    this.#recent.add(flight);
    this.durable = flight.version + flight.count - 1;
    this.node.metrics.count('hunt_events_total', flight.count);
    this.gate.release(this.durable);
    if (this.saving.tailEvents > this.node.limits.tailEventsMax && this.saving.isDue) void this.save();
  }

  #lost(outcome: Exclude<AppendOutcome, { kind: 'appended' | 'ambiguous' }>, version: number): void {
    if (outcome.kind === 'conflict') {
      this.end('conflict');
      return;
    }
    if (outcome.kind === 'fenced') {
      this.end('fenced');
      // The slot ends its other activations: first they hear what the same answer of the log says of their appends.
      this.node.timers.soon(() => this.slot.fenced(outcome.epoch));
      return;
    }
    this.node.refused(outcome.reason, outcome.message);
    if (outcome.reason === 'too_large')
      this.gate.failAt(version, 'TOO_LARGE', `the log refuses a record of this size: ${outcome.message}`);
    this.end('refused', outcome.message);
  }

  async #settleDoubt(): Promise<void> {
    if (this.#isSettlingDoubt) return;
    this.#isSettlingDoubt = true;
    const doubt: Doubt = await resolveDoubt(this.node, this.stream, this.flights.all, () => this.isOver);
    this.#isSettlingDoubt = false;
    if (this.isOver) return;
    for (let i = 0; i < doubt.committed; i++) this.#landed();
    if (doubt.rest === 'none') {
      this.#provedAt = Math.max(this.#provedAt, doubt.askedAt);
      this.#step({ step: 'certain' });
      this.#settle();
      this.node.ready(this);
      return;
    }
    const { first } = this.flights;
    if (first !== undefined && doubt.rest === 'conflict') first.outcome = { kind: 'conflict', head: doubt.head };
    this.end(doubt.rest);
  }

  /** Asks the log whether this is still the last word, before what appended nothing may be answered. */
  async #prove(): Promise<void> {
    this.#isProving = true;
    const { clock, limits, log } = this.node;
    const began = clock.monotonic();
    for (;;) {
      const askedAt = clock.monotonic();
      const { durable } = this;
      try {
        const head = await log.head(this.stream);
        if (this.isOver) return;
        if (head < durable || head > this.state.version) return this.end('conflict');
        this.#provedAt = Math.max(this.#provedAt, askedAt);
        this.#isProving = false;
        return this.gate.release(this.durable);
      } catch (error) {
        if (this.isOver) return;
        if (clock.monotonic() - began > limits.doubtMs) return this.end('log_unavailable', error);
        await pause(this.node, 100);
        if (this.isOver) return;
      }
    }
  }

  #settleDrain(): void {
    if (
      this.life.kind !== 'draining' ||
      this.mailbox.size > 0 ||
      this.flights.size > 0 ||
      this.longReads.size > 0 ||
      !this.gate.isEmpty
    )
      return;
    if (this.saving.tailEvents <= (this.#isPrepared ? handoffTailEventsMax : 0)) {
      this.end('handoff');
      return;
    }
    if (!this.saving.isRunning && !this.#isLastSave) {
      this.#isLastSave = true;
      void this.save().then(() => this.end('handoff'));
    }
  }
}

/** Trouble of the log passes; anything else is a fault of the state or of the code. */
const isLogTrouble = (error: unknown): boolean => error instanceof Error && error.name === 'LogUnavailableError';
