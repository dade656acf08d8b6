/**
 * One incarnation of a node: from its joining until it leaves, or finds that it was removed. The process may live on and join
 * again as the next one.
 *
 * Owns: the actors, the links of the gateways, its part in the cluster. Does not own: log, view and metrics, which outlive it.
 */
import { type Slot, slotOf, streamKey } from '../../proto/ids.ts';
import { Intake } from '../../runtime/command/intake.ts';
import { FencedError } from '../../runtime/log/event-log.ts';
import type { MetricName } from '../../runtime/metrics.ts';
import { ActorHost, type ActorHostOptions } from '../../runtime/slot/actor-host.ts';
import { ClusterMember, type MemberServer } from '../cluster-member.ts';
import { join, leave } from '../formation.ts';
import { nodeOf, slotsOf } from '../view.ts';
import type { ViewLog } from '../view-log.ts';
import { actorKinds } from './actor-kinds.ts';
import { AppendRefusals } from './append-refusals.ts';
import type { Backend } from './backend.ts';
import type { NodeLoad } from './describe-cluster.ts';
import { connectTo } from './link-address.ts';
import type { NamedMetrics, slotMetrics } from './metrics.ts';
import type { Check } from './probe-http.ts';
import type { RoleContext } from './role-process.ts';

const joinMs = 20_000;
const leaveMs = 2_000;

export interface IncarnationParts {
  readonly context: RoleContext;
  readonly backend: Backend;
  readonly viewLog: ViewLog;
  readonly alarms: Pick<ActorHostOptions, 'alarmWake'>;
  readonly metrics: NamedMetrics<MetricName | keyof typeof slotMetrics>;
  /** Where gateways reach it, and where it listens for that. */
  readonly addr: string;
  readonly listen: string;
  readonly http: string;
  readonly newerView: () => void;
  /** A slot that the view gives to this node is held under a later epoch. */
  readonly fenced: (slot: Slot, epoch: number) => void;
  /** The view says that this incarnation serves no longer. */
  readonly over: (incarnation: NodeIncarnation) => void;
}

export class NodeIncarnation {
  #member: ClusterMember | undefined;
  #intake: Intake | undefined;
  readonly #faults = new Map<Slot, number>();
  readonly #host: ActorHost;
  readonly #refusals: AppendRefusals;
  readonly #stopListening: () => void;

  private constructor(
    readonly number: number,
    private readonly parts: IncarnationParts,
  ) {
    const { context, backend, viewLog, alarms, metrics } = parts;
    const { name, clock, timers, random, logger } = context;
    this.#refusals = new AppendRefusals(clock, logger);
    this.#host = new ActorHost({
      nodeKey: `${name}@${number}`,
      kinds: actorKinds,
      log: backend.log,
      pages: backend.pages,
      clock,
      timers,
      random,
      metrics,
      ...alarms,
      report: (instance, stream, error) => {
        const slot = slotOf(stream.id);
        this.#faults.set(slot, (this.#faults.get(slot) ?? 0) + 1);
        logger.error({ instance, stream: streamKey(stream), err: error }, 'a fault of ours');
      },
      onRefused: (reason, message) => this.#refusals.note(reason, message),
      onFenced: (slot, epoch) => {
        logger.warn({ slot, epoch }, 'a higher epoch has the slot');
        this.#member?.keeper.lost(slot);
        parts.newerView();
      },
      onStranger: (slot) => this.#member?.asked(slot),
      onClockJump: async (ms) => {
        logger.warn({ ms }, 'this process was stopped: the view is read again before anything is served');
        await viewLog.catchUp();
      },
    });
    this.#stopListening = viewLog.onChange(() => this.#intake?.announceView());
  }

  static async join(parts: IncarnationParts, reason: string): Promise<NodeIncarnation> {
    const { context, viewLog, addr, http } = parts;
    const { name, config, timers, clock, logger } = context;
    const joined = await viewLog.append(join({ id: name, addr, http, weight: config.weight }), {
      deadlineMs: joinMs,
      reason,
      by: name,
    });
    const number = nodeOf(joined, name)?.incarnation ?? 0;
    logger.info({ view: joined.number, incarnation: number, slots: slotsOf(joined, name).length }, 'joined');
    const incarnation = new NodeIncarnation(number, parts);
    const logSilentMs = () => clock.monotonic() - parts.backend.state().lastHeardMs;
    // Whoever serves nothing has nothing to ask its log for, and may be silent without being cut off.
    const shownSilentMs = () => ((incarnation.#member?.keeper.serving ?? 0) === 0 ? 0 : logSilentMs());
    incarnation.#intake = await Intake.listen({
      addr: parts.listen,
      nodeKey: `${name}@${number}`,
      host: incarnation.#host,
      timers,
      view: () => viewLog.view.number,
      logSilentMs: shownSilentMs,
    });
    incarnation.#member = new ClusterMember(name, number, {
      viewLog,
      server: incarnation.#server(),
      clock,
      timers,
      connect: connectTo,
      logSilentMs,
      newerView: parts.newerView,
      moved: (_slot, stallMs, why) => {
        parts.metrics.observe('hunt_slot_stall_seconds', stallMs / 1_000);
        parts.metrics.count('hunt_slot_moves_total', 1, why);
      },
      stoodIn: (slot, isFor) => logger.warn({ slot, isFor }, 'stands in for a dead node that cannot be removed'),
      accused: (id, what) => logger.warn({ node: id }, `a node ${what}`),
      failed: (what, slot, error) => {
        logger.warn({ slot, err: error }, `${what} failed and is tried again`);
        if (error instanceof FencedError) parts.fenced(error.slot, error.epoch);
        else parts.newerView();
      },
      over: () => parts.over(incarnation),
    });
    return incarnation;
  }

  #server(): MemberServer {
    const host = this.#host;
    return {
      take: (slot, epoch) => host.takeSlot(slot, epoch),
      release: (slot, isPrepared) => host.releaseSlot(slot, isPrepared),
      prepare: (slot) => host.prepareSlot(slot),
      health: (slot) => {
        const load = host.slotLoad(slot);
        return { commands: load?.commands ?? 0, parked: load?.parked ?? 0, faults: this.#faults.get(slot) ?? 0 };
      },
    };
  }

  checks(): Check[] {
    const keeper = this.#member?.keeper;
    const owned = slotsOf(this.parts.viewLog.view, this.parts.context.name).length;
    return [
      { name: 'slots', ok: keeper?.settled === true, detail: `${keeper?.serving ?? 0} of ${owned} are served` },
      this.#refusals.check(),
    ];
  }

  load(): NodeLoad {
    const { activations, parked } = this.#host.state();
    const unserved = this.#member?.keeper.unserved() ?? [];
    return { hunts: activations, parked, unserved, slots: this.#host.slotLoads() };
  }

  /** Hands everything back in good order, and says so. */
  async leave(): Promise<void> {
    const { viewLog, context } = this.parts;
    await this.#member?.close();
    await this.#host.close();
    await viewLog
      .append(leave(context.name, this.number), { deadlineMs: leaveMs, reason: 'stop', by: context.name })
      .catch((error: unknown) => context.logger.warn({ err: error }, 'left without saying so'));
    await this.#close();
  }

  /** It is no member any more: whatever it has is others' by now, and nothing of it may be answered. */
  async abandon(): Promise<void> {
    this.#member?.abandon();
    this.#host.abandon();
    await this.#close();
  }

  async #close(): Promise<void> {
    this.#stopListening();
    await this.#intake?.close();
  }
}
