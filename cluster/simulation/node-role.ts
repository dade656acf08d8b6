/** A node in the simulation: put together as cluster/host/node.ts does, from the real parts, on simulated ports. */
import { After } from '../../proto/generated/node/v1/cluster.ts';
import type { Slot } from '../../proto/ids.ts';
import { slotOf } from '../../proto/ids.ts';
import { Intake } from '../../runtime/command/intake.ts';
import type { AnyActorKind } from '../../runtime/define-actor.ts';
import type { RuntimeLimits } from '../../runtime/limits.ts';
import { EmbeddedLog } from '../../runtime/log/embedded/client.ts';
import type { PageStore } from '../../runtime/log/page-store.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { ActorHost } from '../../runtime/slot/actor-host.ts';
import { ClusterMember } from '../cluster-member.ts';
import { formOnce, join, leave } from '../formation.ts';
import { nodeOf, type View } from '../view.ts';
import { ViewLog } from '../view-log.ts';
import { logAddr } from './log-role.ts';
import type { Network } from './network.ts';
import { PageWatch } from './page-watch.ts';
import type { SimProcess } from './sim-process.ts';

const joinMs = 20_000;
const leaveMs = 2_000;
const lineageBytes = 12;

export interface NodeManners {
  readonly kinds: readonly AnyActorKind[];
  readonly limits: Partial<RuntimeLimits>;
  readonly pageCacheBytesMax: number;
  readonly dirtyPageBytesMax: number;
  readonly residentPagesMin: number;
  /** Pages of one save are stored one by one, so long apart, as page stores may: a crash in between leaves a prefix. */
  readonly pageApartMs: number | undefined;
}

export interface NodeParts {
  readonly process: SimProcess;
  readonly network: Network;
  readonly members: readonly string[];
  readonly manners: NodeManners;
  readonly metrics: Metrics;
  /** A fault of ours, met by an actor. */
  readonly fault: (what: string, error: unknown) => void;
  readonly note: (what: string) => void;
  /** The process ends by itself. */
  readonly end: (reason: string) => void;
}

export const nodeAddr = (name: string): string => `/run/${name}.sock`;

export async function runNode(parts: NodeParts): Promise<RunningNode> {
  const { process, network, members } = parts;
  const { clock, timers, random, name } = process;
  const sockets = network.socketsOf(process);
  const log = await EmbeddedLog.connect({ socketPath: logAddr, clock, timers, random, sockets });
  const viewLog = await ViewLog.open({ log, feed: log, clock, random, timers });
  const lineage = random.token(lineageBytes);
  await viewLog.append(formOnce({ cluster: 'sim', profile: 'embedded', members, weight: 1, lineage }), {
    deadlineMs: joinMs,
    reason: 'first start',
  });
  const running = new RunningNode(parts, log, viewLog);
  await running.join('start');
  viewLog.onChange(() => running.intake?.announceView());
  parts.note(`joined as ${name}@${running.incarnation}`);
  return running;
}

/** A node's process: one incarnation after the other, as long as it lives. */
export class RunningNode {
  incarnation = 0;
  host!: ActorHost;
  member: ClusterMember | undefined;
  intake: Intake | undefined;
  isDrained = false;
  readonly #faults = new Map<Slot, number>();

  constructor(
    readonly parts: NodeParts,
    readonly log: EmbeddedLog,
    readonly viewLog: ViewLog,
  ) {}

  /** Whether it serves all that the view gives it; one that was drained has nothing to serve. */
  get isSettled(): boolean {
    return this.isDrained || this.member?.keeper.settled === true;
  }

  async join(reason: string): Promise<void> {
    const { process, network, manners, metrics } = this.parts;
    const { clock, timers, random, name } = process;
    const { viewLog, log } = this;
    const addr = nodeAddr(name);
    const joined = await viewLog.append(join({ id: name, addr, http: '', weight: 1 }), {
      deadlineMs: joinMs,
      reason,
      by: name,
    });
    const number = nodeOf(joined, name)?.incarnation ?? 0;
    this.incarnation = number;
    const catchUp = (): void => void viewLog.catchUp().catch(() => undefined);
    const sockets = network.socketsOf(process);
    const logSilentMs = (): number => clock.monotonic() - log.lastHeardMs;
    const watch = new PageWatch((what) => this.parts.fault(name, new Error(what)));
    const host = new ActorHost({
      nodeKey: `${name}@${number}`,
      kinds: manners.kinds,
      log: watch.log(log),
      pages: watch.pages(manners.pageApartMs === undefined ? log : apart(log, process, manners.pageApartMs)),
      clock,
      timers,
      random,
      limits: manners.limits,
      pageCacheBytesMax: manners.pageCacheBytesMax,
      dirtyPageBytesMax: manners.dirtyPageBytesMax,
      residentPagesMin: manners.residentPagesMin,
      metrics,
      report: (instance, stream, error) => {
        const slot = slotOf(stream.id);
        this.#faults.set(slot, (this.#faults.get(slot) ?? 0) + 1);
        this.parts.fault(`${name}: ${stream.kind} ${stream.id} (${instance})`, error);
      },
      onFenced: (slot) => {
        this.member?.keeper.lost(slot);
        catchUp();
      },
      onStranger: (slot) => this.member?.asked(slot),
      onClockJump: () => viewLog.catchUp(),
    });
    this.host = host;
    this.intake = await Intake.listen({
      addr,
      nodeKey: `${name}@${number}`,
      host,
      timers,
      view: () => viewLog.view.number,
      logSilentMs,
      sockets,
    });
    const member: ClusterMember = new ClusterMember(name, number, {
      viewLog,
      server: {
        take: (slot, epoch) => host.takeSlot(slot, epoch),
        release: (slot) => host.releaseSlot(slot),
        prepare: (slot) => host.prepareSlot(slot),
        health: (slot) => {
          const load = host.slotLoad(slot);
          return { commands: load?.commands ?? 0, parked: load?.parked ?? 0, faults: this.#faults.get(slot) ?? 0 };
        },
      },
      clock,
      timers,
      connect: (to) => sockets.connect(to),
      logSilentMs,
      newerView: catchUp,
      stoodIn: (slot, isFor) => this.parts.note(`stands in for ${isFor} in slot ${slot}`),
      failed: () => catchUp(),
      over: () => void this.#isOver().catch((error: unknown) => this.parts.end(String(error))),
    });
    this.member = member;
  }

  /** Hands everything back in good order, and says so. */
  async leave(): Promise<void> {
    const { name } = this.parts.process;
    await this.member?.close();
    await this.host.close();
    await this.viewLog
      .append(leave(name, this.incarnation), { deadlineMs: leaveMs, reason: 'stop', by: name })
      .catch(() => undefined);
    await this.intake?.close();
    this.viewLog.close();
    await this.log.close();
  }

  /** This incarnation serves no longer: removed, it joins again; drained, it does as it was told; replaced, it must not fight. */
  async #isOver(): Promise<void> {
    const { name } = this.parts.process;
    const fate = fateOf(this.viewLog.view, name, this.incarnation);
    this.parts.note(`${name}@${this.incarnation} is over: ${fate}`);
    this.member?.abandon();
    this.host.abandon();
    await this.intake?.close();
    if (fate === 'removed') await this.join('it was removed and runs still');
    else if (fate === 'drained, and stays') this.isDrained = true;
    else this.parts.end(fate);
  }
}

const apart = (store: PageStore, { timers }: SimProcess, ms: number): PageStore => ({
  load: (stream, pages) => store.load(stream, pages),
  save: async (stream, pages) => {
    for (const page of pages) {
      await store.save(stream, [page]);
      await new Promise<void>((resolve) => timers.after(ms, resolve));
    }
  },
  drop: (stream, pages) => store.drop(stream, pages),
});

type Fate = 'removed' | 'drained, and stays' | 'drained' | 'another process has the name' | 'no member any more';

function fateOf(view: View, name: string, incarnation: number): Fate {
  const node = nodeOf(view, name);
  if (node !== undefined && node.incarnation > incarnation) return 'another process has the name';
  if (node?.state === 'dead') return 'removed';
  if (node?.state === 'left') return node.after === After.STAY ? 'drained, and stays' : 'drained';
  return 'no member any more';
}
