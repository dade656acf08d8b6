import type { ErrorCode } from '../../proto/error-code.ts';
import type { Position, Slot, StreamId } from '../../proto/ids.ts';
import { streamKey } from '../../proto/ids.ts';
import { Activation } from '../activation/activation.ts';
import type { NodeContext, SlotContext } from '../activation/context.ts';
import type { EndReason } from '../activation/lifecycle.ts';
import { Permits } from '../activation/permits.ts';
import type { Waiting } from '../command/mailbox.ts';
import type { Request } from '../command/request.ts';
import type { ActorEvent } from '../decider.ts';
import { type AnyActorKind, defaultActorLimits } from '../define-actor.ts';
import { LogDamagedError, type SlotWriter } from '../log/event-log.ts';
import { Agenda } from './agenda.ts';
import type { AlarmWake } from './alarm-wake.ts';

export type AnyActivation = Activation<unknown, unknown, unknown, ActorEvent>;
export type AnyRequest = Request<unknown, ActorEvent>;

type SlotLife =
  | { readonly kind: 'taking' }
  | { readonly kind: 'owned'; readonly writer: SlotWriter }
  | { readonly kind: 'releasing'; readonly writer: SlotWriter; readonly done: Promise<void> }
  | { readonly kind: 'released' };

export interface SlotLoad {
  readonly slot: Slot;
  readonly activations: number;
  /** Headers and resident rows, as the node's budget counts them. */
  readonly bytes: number;
  /** Events that are in the log and not in pages yet. */
  readonly tailEvents: number;
  /** Commands and reads that came since it was taken. */
  readonly commands: number;
  readonly parked: number;
}

interface TakingRequest {
  readonly kind: AnyActorKind;
  readonly id: number;
  readonly request: AnyRequest;
}

/** After an activation broke off, its alarm is looked up in the log again. */
const relearnMs = 1_000;
/** An alarm that rang is rung again unless the actor says otherwise. */
const rearmMs = 60_000;
const brokenOff: readonly EndReason[] = ['conflict', 'refused', 'ambiguous', 'fault', 'pages_lost', 'log_unavailable'];

/**
 * One slot that this node serves, under one epoch.
 *
 * Owns: the right to append (the writer), the activations, the agenda of alarms, and which actors are parked. Does not own
 * placement: it is told when to take and when to release, and the log tells it when it was fenced (I2).
 */
export class OwnedSlot implements SlotContext {
  provedAt = Number.NEGATIVE_INFINITY;
  readonly agenda: Agenda;
  #life: SlotLife = { kind: 'taking' };
  readonly #activations = new Map<string, Map<number, AnyActivation>>();
  readonly #parked = new Map<string, { readonly code: ErrorCode; readonly message: string }>();
  readonly #failures = new Map<string, number>();
  readonly #toRebuild = new Set<string>();
  #taking: TakingRequest[] = [];
  #commands = 0;
  readonly #learners: Permits;

  constructor(
    readonly node: NodeContext,
    readonly slot: Slot,
    readonly epoch: number,
    readonly kinds: ReadonlyMap<string, AnyActorKind>,
    wake: AlarmWake,
    readonly onFenced: (slot: OwnedSlot, epoch: number) => void,
  ) {
    this.agenda = new Agenda(node, slot, wake, (kind) => this.kinds.get(kind)?.decider.wake !== undefined);
    this.#learners = new Permits(node.limits.alarmLearnersMax);
  }

  get isOwned(): boolean {
    return this.#life.kind === 'owned';
  }
  get isGone(): boolean {
    return this.#life.kind === 'released';
  }
  get writer(): SlotWriter {
    if (this.#life.kind !== 'owned' && this.#life.kind !== 'releasing')
      throw new Error(`slot ${this.slot} is ${this.#life.kind}`);
    return this.#life.writer;
  }
  get parked(): ReadonlyMap<string, { readonly code: ErrorCode; readonly message: string }> {
    return this.#parked;
  }

  *activations(): Iterable<AnyActivation> {
    for (const byId of this.#activations.values()) yield* byId.values();
  }

  /** Takes the slot in the log; commands that come meanwhile wait. Rejects as `log.take` does. */
  async take(): Promise<void> {
    const cancel = this.node.timers.after(this.node.limits.takingWaitMs, () =>
      this.#failTaking('BUSY', 'the slot is being taken: send it again'),
    );
    try {
      const askedAt = this.node.clock.monotonic();
      const writer = await this.node.log.take(this.slot, this.epoch);
      if (this.#life.kind !== 'taking') return;
      this.provedAt = askedAt;
      this.#life = { kind: 'owned', writer };
    } catch (error) {
      this.#life = { kind: 'released' };
      this.#failTaking('NOT_OWNER', 'the slot could not be taken: ask for the present owner');
      throw error;
    } finally {
      cancel();
    }
    const waited = this.#taking;
    this.#taking = [];
    for (const { kind, id, request } of waited) this.submit(kind, id, request);
    void this.agenda.restore(
      (stream) => this.#learn(stream),
      () => this.#life.kind !== 'owned',
    );
  }

  submit(kind: AnyActorKind, id: number, request: AnyRequest): void {
    if (this.#life.kind === 'owned') {
      this.#deliver(kind, id, request);
      return;
    }
    if (this.#life.kind !== 'taking') {
      request.fail('NOT_OWNER', 'the slot has another owner: ask for it');
      return;
    }
    if (this.#taking.length >= this.node.limits.takingRequestsMax) {
      request.fail('BUSY', 'the slot is being taken and too many wait for it: send it again');
      return;
    }
    this.#taking.push({ kind, id, request });
  }

  /** The alarm of that actor may be due. */
  ring(stream: StreamId): void {
    if (this.#life.kind !== 'owned') return;
    const kind = this.kinds.get(stream.kind);
    if (kind === undefined || this.#parked.has(streamKey(stream))) return;
    this.agenda.set(stream, this.node.clock.now() + rearmMs);
    const activation = this.#find(stream) ?? this.#start(kind, stream);
    // One that is loading says when its alarm is as soon as it knows; of one that is here the turn runs what is due.
    if (activation.life.kind === 'active') activation.armLaterAlarm();
    this.node.ready(activation);
  }

  /** Writes what is only in the log while play goes on, so that giving the slot up later takes no time. */
  async flush(): Promise<void> {
    if (this.#life.kind !== 'owned') return;
    const behind = [...this.activations()].filter((one) => one.life.kind === 'active' && one.saving.tailEvents > 0);
    await Promise.all(behind.map((activation) => activation.save()));
    await this.agenda.save();
  }

  /** What of it is in memory, and what went wrong with it. */
  load(): SlotLoad {
    let activations = 0;
    let bytes = 0;
    let tailEvents = 0;
    for (const activation of this.activations()) {
      activations++;
      bytes += activation.bytes;
      if (activation.life.kind === 'active') {
        bytes += activation.state.members.residentBytes;
        tailEvents += activation.saving.tailEvents;
      }
    }
    return { slot: this.slot, activations, bytes, tailEvents, commands: this.#commands, parked: this.#parked.size };
  }

  /**
   * Gives the slot up in good order: what is in flight finishes, pages and agenda are written; if it {@link flush}ed just
   * now (`isPrepared`), the little that came since then stays in the log alone.
   */
  release(isPrepared = false): Promise<void> {
    if (this.#life.kind === 'releasing') return this.#life.done;
    if (this.#life.kind === 'released') return Promise.resolve();
    this.#failTaking('NOT_OWNER', 'the slot moves to another node: send it there');
    if (this.#life.kind === 'taking') {
      this.#life = { kind: 'released' };
      return Promise.resolve();
    }
    const { writer } = this.#life;
    let finished: () => void = () => {};
    this.#life = { kind: 'releasing', writer, done: new Promise((resolve) => (finished = resolve)) };
    return this.#release(isPrepared).finally(finished);
  }

  async #release(isPrepared: boolean): Promise<void> {
    const { drainMs } = this.node.limits;
    await Promise.all([...this.activations()].map((activation) => activation.drain(drainMs, isPrepared)));
    if (!isPrepared) await this.agenda.save();
    this.#close();
  }

  /** At once, without a word to the log: the process ends, or the slot was lost. */
  abandon(reason: 'fenced' | 'handoff'): void {
    if (this.#life.kind === 'released') return;
    this.#failTaking('NOT_OWNER', 'the slot has a newer owner: ask for it');
    for (const activation of [...this.activations()]) activation.end(reason);
    this.#close();
  }

  fenced(epoch: number): void {
    if (this.#life.kind === 'released') return;
    this.abandon('fenced');
    this.onFenced(this, epoch);
  }

  appended(position: Position): void {
    this.agenda.appended(position);
  }

  alarm(stream: StreamId, at: number | undefined): void {
    if (this.#life.kind !== 'released') this.agenda.set(stream, at);
  }

  ended(stream: StreamId, reason: EndReason, left: readonly Waiting[], error?: unknown): void {
    this.#activations.get(stream.kind)?.delete(stream.id);
    const key = streamKey(stream);
    if (reason === 'pages_lost') this.#toRebuild.add(key);
    if (reason === 'unreadable') this.#park(stream, 'HUNT_UNREADABLE', error);
    if (reason === 'load_failed') {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      if (failures >= this.node.limits.failuresMax) this.#park(stream, 'HUNT_UNREADABLE', error);
    }
    const kind = this.kinds.get(stream.kind);
    if (kind === undefined || this.#life.kind === 'released') return;
    if (kind.decider.wake !== undefined && brokenOff.includes(reason))
      this.agenda.set(stream, this.node.clock.now() + relearnMs);
    for (const request of left as readonly AnyRequest[]) this.submit(kind, stream.id, request);
  }

  #deliver(kind: AnyActorKind, id: number, request: AnyRequest): void {
    this.#commands++;
    const activation = this.#activations.get(kind.kind)?.get(id);
    if (activation !== undefined) {
      activation.enqueue(request);
      return;
    }
    const stream = { kind: kind.kind, id };
    const parked = this.#parked.size === 0 ? undefined : this.#parked.get(streamKey(stream));
    if (parked !== undefined) {
      request.fail(parked.code, parked.message);
      return;
    }
    this.#start(kind, stream).enqueue(request);
  }

  #find(stream: StreamId): AnyActivation | undefined {
    return this.#activations.get(stream.kind)?.get(stream.id);
  }

  #start(kind: AnyActorKind, stream: StreamId): AnyActivation {
    const activation: AnyActivation = new Activation(this.node, this, kind, stream, {
      ...defaultActorLimits,
      ...kind.limits,
    });
    let byId = this.#activations.get(kind.kind);
    if (byId === undefined) {
      byId = new Map();
      this.#activations.set(kind.kind, byId);
    }
    byId.set(stream.id, activation);
    const key = streamKey(stream);
    const rebuild = this.#toRebuild.delete(key);
    void activation.start(rebuild).then(() => {
      if (activation.life.kind === 'active') this.#failures.delete(key);
    });
    return activation;
  }

  /** Brings the actor to life so that it says when its alarm is. */
  async #learn(stream: StreamId): Promise<void> {
    const kind = this.kinds.get(stream.kind);
    if (kind === undefined || this.#find(stream) !== undefined || this.#parked.has(streamKey(stream))) return;
    await this.#learners.take();
    try {
      if (this.#life.kind === 'owned' && this.#find(stream) === undefined) await this.#start(kind, stream).loaded;
    } finally {
      this.#learners.give();
    }
  }

  #park(stream: StreamId, code: ErrorCode, error: unknown): void {
    const instance = this.node.random.token(6);
    this.node.report(instance, stream, error);
    const cause =
      error instanceof LogDamagedError
        ? `the log of this ${stream.kind} is damaged, so it is parked, reported as ${instance}: restore the log or its archive, then restart`
        : `this ${stream.kind} cannot be read by this release and is parked, reported as ${instance}: update or repair, then restart`;
    this.#parked.set(streamKey(stream), { code, message: cause });
  }

  #failTaking(code: ErrorCode, message: string): void {
    const taking = this.#taking;
    this.#taking = [];
    for (const { request } of taking) request.fail(code, message);
  }

  #close(): void {
    this.#life = { kind: 'released' };
    this.agenda.close();
  }
}
