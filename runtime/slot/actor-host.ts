import { type Slot, type StreamId, slotOf, streamKey } from '../../proto/ids.ts';
import { type NodeContext, type Runnable, WaitingBudget } from '../activation/context.ts';
import { pause } from '../activation/loading.ts';
import { PageCache } from '../activation/page-cache.ts';
import { Permits } from '../activation/permits.ts';
import {
  type CallAnswer,
  isRefusal,
  NamedRequest,
  PlayerRequest,
  ReadRequest,
  type ReplySink,
} from '../command/request.ts';
import type { ActorEvent, Refusal } from '../decider.ts';
import type { AnyActorKind } from '../define-actor.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Random } from '../kernel/random.ts';
import type { Cancel, Timers } from '../kernel/timer.ts';
import { defaultRuntimeLimits, type RuntimeLimits } from '../limits.ts';
import { type AppendRefusal, type EventLog, FencedError, LogUnavailableError } from '../log/event-log.ts';
import type { PageStore } from '../log/page-store.ts';
import { type Metrics, noMetrics } from '../metrics.ts';
import { type AlarmWake, EmbeddedAlarmWake } from './alarm-wake.ts';
import { ClockWatch } from './clock-watch.ts';
import { type AnyActivation, type AnyRequest, OwnedSlot, type SlotLoad } from './slot.ts';
import { relieve, sweep } from './sweep.ts';

/** Between two tries to read the view again after this process was stopped. */
const rereadMsMin = 50;
const rereadMsMax = 1_000;
/** However many are refused, all activations are looked through for dirty pages only so often. */
const relieveEveryMs = 50;

export interface ActorHostOptions {
  /** "<node id>@<incarnation>": its key in version vectors. */
  readonly nodeKey: string;
  readonly kinds: readonly AnyActorKind[];
  readonly log: EventLog;
  readonly pages: PageStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly limits?: Partial<RuntimeLimits>;
  readonly pageCacheBytesMax?: number;
  readonly dirtyPageBytesMax?: number;
  readonly residentPagesMin?: number;
  readonly metrics?: Metrics;
  /** A fault of ours, under the instance that the caller was told. */
  readonly report?: (instance: string, stream: StreamId, error: unknown) => void;
  /** The log surely did not take an append; the commands in it are answered BUSY. */
  readonly onRefused?: (reason: AppendRefusal['reason'], message: string) => void;
  /** The log says that a higher epoch has the slot; it was given up already. */
  readonly onFenced?: (slot: Slot, epoch: number) => void;
  /** Something came for a slot that is not served here; it is answered NOT_OWNER. */
  readonly onStranger?: (slot: Slot) => void;
  /** The process was stopped for so long: nothing is served until the promise resolves (the view was read again). */
  readonly onClockJump?: (ms: number) => Promise<void>;
  /** Absent: the process's own timer. */
  readonly alarmWake?: (fire: (stream: StreamId) => void) => AlarmWake;
}

/**
 * All actors of one node.
 *
 * Owns: the slots that it was told to take, the budgets of the node (waiting requests, pages, saves), and the list of
 * activations that have a turn coming. Whatever is asked of it is answered exactly once, and nothing asked of it throws.
 */
export class ActorHost {
  readonly kinds: ReadonlyMap<string, AnyActorKind>;
  readonly node: NodeContext;
  readonly #slots = new Map<Slot, OwnedSlot>();
  readonly #submitKind: AnyActorKind | undefined;
  readonly #wake: AlarmWake;
  readonly #watch: ClockWatch;
  readonly #cancelSweep: Cancel;
  #ready: Runnable[] = [];
  readonly #onTurns: (() => void)[] = [];
  #isRunComing = false;
  #isSuspended = false;
  #isStopped = false;
  #relievedAt = Number.NEGATIVE_INFINITY;

  constructor(readonly options: ActorHostOptions) {
    const { nodeKey, log, pages, clock, timers, random } = options;
    const limits = { ...defaultRuntimeLimits, ...options.limits };
    this.kinds = new Map(options.kinds.map((kind) => [kind.kind, kind]));
    this.#submitKind = options.kinds.find((kind) => kind.submit !== undefined);
    this.node = {
      nodeKey,
      log,
      pages,
      clock,
      timers,
      random,
      limits,
      metrics: options.metrics ?? noMetrics,
      cache: new PageCache(options.pageCacheBytesMax, options.dirtyPageBytesMax, options.residentPagesMin),
      savePermits: new Permits(limits.savesInFlightMax),
      longReadPermits: new Permits(limits.longReadsMax, limits.longReadsWaitingMax),
      waiting: new WaitingBudget(limits.waitingRequestsMax, limits.waitingBytesMax),
      ready: (runnable) => this.#addReady(runnable),
      relieve: () => this.#relieve(),
      report: (instance, stream, error) => options.report?.(instance, stream, error),
      refused: (reason, message) => options.onRefused?.(reason, message),
    };
    if (log.pacing !== undefined) log.pacing.onFree = () => void this.runTurns();
    const fire = (stream: StreamId): void => this.#slots.get(slotOf(stream.id))?.ring(stream);
    this.#wake = options.alarmWake?.(fire) ?? new EmbeddedAlarmWake(clock, timers, fire);
    this.#watch = new ClockWatch(clock, timers, limits.clockJumpMs, (ms) => void this.#jumped(ms));
    this.#cancelSweep = timers.every(limits.sweepMs, () => sweep(this.node, [...this.#slots.values()]));
  }

  /** Resolves when the slot is served here. Rejects with FencedError if a higher epoch has it, or as the log does. */
  async takeSlot(slot: Slot, epoch: number): Promise<void> {
    const present = this.#slots.get(slot);
    if (present !== undefined && !present.isGone) {
      if (present.epoch === epoch && present.isOwned) return;
      if (present.epoch > epoch) throw new FencedError(slot, present.epoch);
      await present.release();
    }
    const owned = new OwnedSlot(this.node, slot, epoch, this.kinds, this.#wake, (lost, higher) => {
      if (this.#slots.get(slot) === lost) this.#slots.delete(slot);
      this.options.onFenced?.(slot, higher);
    });
    this.#slots.set(slot, owned);
    try {
      await owned.take();
    } catch (error) {
      if (this.#slots.get(slot) === owned) this.#slots.delete(slot);
      throw error;
    }
  }

  /** Writes what of that slot is only in the log, while it is served: giving it up then takes no time. */
  async prepareSlot(slot: Slot): Promise<void> {
    await this.#slots.get(slot)?.flush();
  }

  /** Undefined: it is not served here. */
  slotLoad(slot: Slot): SlotLoad | undefined {
    const owned = this.#slots.get(slot);
    return owned?.isOwned === true ? owned.load() : undefined;
  }

  slotLoads(): SlotLoad[] {
    return [...this.#slots.values()].filter((owned) => owned.isOwned).map((owned) => owned.load());
  }

  /**
   * Gives the slot up in good order; resolves when nothing of it is left. New commands get NOT_OWNER from now on. `isPrepared`:
   * after {@link prepareSlot}, to be quick about it.
   */
  async releaseSlot(slot: Slot, isPrepared = false): Promise<void> {
    const owned = this.#slots.get(slot);
    if (owned === undefined) return;
    await owned.release(isPrepared);
    if (this.#slots.get(slot) === owned) this.#slots.delete(slot);
  }

  owns(slot: Slot): boolean {
    return this.#slots.get(slot)?.isOwned === true;
  }

  ownedSlots(): { readonly slot: Slot; readonly epoch: number }[] {
    return [...this.#slots.values()].filter((owned) => owned.isOwned).map(({ slot, epoch }) => ({ slot, epoch }));
  }

  /** What is in memory, and what is parked: for `/v1/state` and the like. */
  state(): {
    activations: number;
    pageBytes: number;
    dirtyBytes: number;
    waiting: number;
    alarms: number;
    parked: { stream: string; code: string; message: string }[];
  } {
    const slots = [...this.#slots.values()];
    const parked = slots.flatMap((slot) =>
      [...slot.parked].map(([stream, { code, message }]) => ({ stream, code, message })),
    );
    const { cache, waiting } = this.node;
    let activations = 0;
    for (const slot of slots) for (const _ of slot.activations()) activations++;
    const alarms = slots.reduce((sum, slot) => sum + slot.agenda.size, 0);
    return {
      activations,
      pageBytes: cache.bytes,
      dirtyBytes: cache.dirtyBytes,
      waiting: waiting.requests,
      alarms,
      parked,
    };
  }

  /** The activation of a stream, if it is in memory. */
  find(stream: StreamId): AnyActivation | undefined {
    for (const activation of this.#slots.get(slotOf(stream.id))?.activations() ?? [])
      if (streamKey(activation.stream) === streamKey(stream)) return activation;
    return undefined;
  }

  /** One encoded SubmitRequest, read before the call returns. `reply` is called once with the encoded SubmitReply. */
  submit(request: Uint8Array, reply: (bytes: Uint8Array) => void): void {
    this.submitTo(request, { reply: (_number, bytes) => reply(bytes) }, 0);
  }

  /** As {@link submit}, for a sink that knows its requests by number. */
  submitTo(bytes: Uint8Array, sink: ReplySink, number: number): void {
    const kind = this.#submitKind;
    const codec = kind?.submit;
    if (kind === undefined || codec === undefined) throw new Error('no actor kind of this host has players');
    let decoded: ReturnType<typeof codec.decode>;
    try {
      decoded = codec.decode(bytes);
    } catch {
      sink.reply(
        number,
        codec.encodeNack(0, '', 0, {
          code: 'INVALID',
          message: 'these bytes are no SubmitRequest: send hunt.v1.SubmitRequest',
        }),
      );
      return;
    }
    const { actorId, player, seq, fingerprint, action } = decoded;
    if (isRefusal(action)) {
      this.node.metrics.count('hunt_nacks_total', 1, action.code);
      sink.reply(number, codec.encodeNack(actorId, player, seq, action));
      return;
    }
    const request = new PlayerRequest<unknown, ActorEvent>(
      codec,
      actorId,
      player,
      seq,
      fingerprint,
      action,
      bytes.byteLength,
      sink,
      number,
      this.node.metrics,
    );
    if (!Number.isSafeInteger(actorId) || actorId < 1) {
      request.fail('INVALID', 'hunt_id: a positive integer below 2^53');
      return;
    }
    if (!Number.isSafeInteger(seq) || seq < 1) {
      request.fail('INVALID', 'seq: a positive integer below 2^53; a player counts its own commands from 1');
      return;
    }
    this.#deliver(kind, actorId, request);
  }

  /** A command or query by name; `body` is UTF-8 JSON. */
  call(kindName: string, id: number, method: string, body: Uint8Array, answer: (answer: CallAnswer) => void): void {
    const { metrics } = this.node;
    const refuse = (refusal: Refusal): void => {
      metrics.count('hunt_nacks_total', 1, refusal.code);
      answer({ ok: false, ...refusal });
    };
    const kind = this.kinds.get(kindName);
    if (kind === undefined) {
      refuse({ code: 'INVALID', message: `kind ${JSON.stringify(kindName)}: there is no such actor kind` });
      return;
    }
    if (!Number.isSafeInteger(id) || id < 0) {
      refuse({ code: 'INVALID', message: 'id: an integer from 0, below 2^53' });
      return;
    }
    let value: unknown;
    try {
      value =
        body.byteLength === 0
          ? {}
          : JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
    } catch {
      refuse({ code: 'INVALID', message: `body of ${method}: JSON is expected` });
      return;
    }
    if (Object.hasOwn(kind.queries, method)) {
      const query = kind.queries[method];
      if (query !== undefined) {
        this.#deliver(kind, id, new ReadRequest<ActorEvent>(method, query, value, body.byteLength, answer, metrics));
        return;
      }
    }
    const command = Object.hasOwn(kind.commands, method) ? kind.commands[method] : undefined;
    if (command === undefined) {
      refuse({
        code: 'INVALID',
        message: `method ${JSON.stringify(method)}: ${kindName} has no such command or query`,
      });
      return;
    }
    let parsed: ReturnType<typeof command>;
    try {
      parsed = command(value);
    } catch (error) {
      const instance = this.node.random.token(6);
      this.node.report(instance, { kind: kindName, id }, error);
      refuse({ code: 'INTERNAL', message: `a fault of ours, reported as ${instance}` });
      return;
    }
    if ('refusal' in parsed) {
      refuse(parsed.refusal);
      return;
    }
    const creates = kind.creates.includes(method);
    this.#deliver(
      kind,
      id,
      new NamedRequest<unknown, ActorEvent>(method, parsed, parsed.action, creates, body.byteLength, answer, metrics),
    );
  }

  /** As {@link call}, in process: values in and out. Never rejects. */
  ask(
    stream: StreamId,
    method: string,
    body: unknown,
  ): Promise<
    { readonly ok: true; readonly version: number; readonly body: unknown } | ({ readonly ok: false } & Refusal)
  > {
    return new Promise((resolve) => {
      this.call(stream.kind, stream.id, method, Buffer.from(JSON.stringify(body) ?? '{}'), (answer) => {
        resolve(
          answer.ok
            ? {
                ok: true,
                version: answer.version,
                body: JSON.parse(Buffer.from(answer.body).toString('utf8')) as unknown,
              }
            : answer,
        );
      });
    });
  }

  /** Called after every run of turns. */
  onTurns(listener: () => void): void {
    this.#onTurns.push(listener);
  }

  /**
   * Runs the turns that are due; they run by themselves once the present input was read and the log can take what they
   * bring about. False: it cannot at present, and they run when it can.
   */
  runTurns(): boolean {
    const { pacing } = this.node.log;
    if (pacing?.isBusy === true) return false;
    this.#runReady();
    pacing?.flush();
    for (const listener of this.#onTurns) listener();
    return true;
  }

  #runReady(): void {
    this.#watch.look();
    const ready = this.#ready;
    this.#ready = [];
    for (const runnable of ready) runnable.isQueued = false;
    if (this.#isSuspended) {
      // What waits stays in its mailbox; the resumption runs it.
      this.#ready = ready;
      for (const runnable of ready) runnable.isQueued = true;
      return;
    }
    for (const runnable of ready) {
      try {
        runnable.runTurn();
      } catch (error) {
        this.#broke(runnable, error);
      }
    }
  }

  /** Releases all slots in good order and stops. */
  async close(): Promise<void> {
    await Promise.all([...this.#slots.values()].map((slot) => slot.release()));
    this.#stop();
  }

  /** Stops at once, as a crash would; what waits is answered NOT_OWNER. */
  abandon(): void {
    for (const slot of this.#slots.values()) slot.abandon('handoff');
    this.#stop();
  }

  #stop(): void {
    this.#isStopped = true;
    if (this.node.log.pacing !== undefined) this.node.log.pacing.onFree = undefined;
    this.#slots.clear();
    this.#cancelSweep();
    this.#watch.close();
    this.#wake.close();
  }

  #deliver(kind: AnyActorKind, id: number, request: AnyRequest): void {
    const slot = this.#slots.get(slotOf(id));
    if (slot === undefined) {
      this.options.onStranger?.(slotOf(id));
      request.fail('NOT_OWNER', 'this node does not serve that slot: ask for its owner');
      return;
    }
    if (this.node.waiting.isSpent) {
      request.fail('BUSY', 'too much waits on this node: send it again');
      return;
    }
    slot.submit(kind, id, request);
  }

  #addReady(runnable: Runnable): void {
    if (runnable.isQueued) return;
    runnable.isQueued = true;
    this.#ready.push(runnable);
    if (this.#isRunComing) return;
    this.#isRunComing = true;
    this.node.timers.soon(() => {
      this.#isRunComing = false;
      this.runTurns();
    });
  }

  #relieve(): void {
    const now = this.node.clock.monotonic();
    if (now - this.#relievedAt < relieveEveryMs) return;
    this.#relievedAt = now;
    relieve(this.#slots.values());
  }

  #broke(runnable: Runnable, error: unknown): void {
    const activation = runnable as AnyActivation;
    this.node.report(this.node.random.token(6), activation.stream, error);
    activation.end('fault', error);
  }

  async #jumped(ms: number): Promise<void> {
    const reread = this.options.onClockJump;
    if (reread === undefined || this.#isSuspended) return;
    this.#isSuspended = true;
    for (let wait = rereadMsMin; !this.#isStopped; wait = Math.min(wait * 2, rereadMsMax)) {
      try {
        await reread(ms);
        break;
      } catch (error) {
        // Without the log nothing is served anyway; what else goes wrong somebody must see.
        if (!(error instanceof LogUnavailableError))
          this.node.report(this.node.random.token(6), { kind: 'cluster', id: 0 }, error);
        await pause(this.node, wait);
      }
    }
    this.#isSuspended = false;
    if (!this.#isStopped) this.runTurns();
  }
}
