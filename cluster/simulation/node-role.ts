/** A node in the simulation: put together as cluster/host/node.ts does, from the real parts, on simulated ports. */
import { Intake } from '../../runtime/command/intake.ts';
import type { AnyActorKind } from '../../runtime/define-actor.ts';
import type { RuntimeLimits } from '../../runtime/limits.ts';
import { EmbeddedLog } from '../../runtime/log/embedded/client.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { ActorHost } from '../../runtime/slot/actor-host.ts';
import { formOnce, join } from '../formation.ts';
import { SlotKeeper } from '../slot-keeper.ts';
import { nodeOf } from '../view.ts';
import { ViewLog } from '../view-log.ts';
import { logAddr } from './log-role.ts';
import type { Network } from './network.ts';
import type { SimProcess } from './sim-process.ts';

const joinMs = 20_000;
const lineageBytes = 12;

export interface NodeManners {
  readonly kinds: readonly AnyActorKind[];
  readonly limits: Partial<RuntimeLimits>;
  readonly pageCacheBytesMax: number;
}

export interface NodeParts {
  readonly process: SimProcess;
  readonly network: Network;
  readonly members: readonly string[];
  readonly manners: NodeManners;
  readonly metrics: Metrics;
  /** A fault of ours, met by an actor. */
  readonly fault: (what: string, error: unknown) => void;
  /** The process ends by itself. */
  readonly end: (reason: string) => void;
}

export interface RunningNode {
  readonly host: ActorHost;
  readonly keeper: SlotKeeper;
  readonly viewLog: ViewLog;
  readonly log: EmbeddedLog;
  readonly incarnation: number;
}

export const nodeAddr = (name: string): string => `/run/${name}.sock`;

export async function runNode(parts: NodeParts): Promise<RunningNode> {
  const { process, network, members, manners, metrics } = parts;
  const { clock, timers, random, name } = process;
  const sockets = network.socketsOf(process);
  const log = await EmbeddedLog.connect({ socketPath: logAddr, clock, timers, random, sockets });
  const viewLog = await ViewLog.open({ log, feed: log, clock, random, timers });
  const lineage = random.token(lineageBytes);
  await viewLog.append(formOnce({ cluster: 'sim', profile: 'embedded', members, weight: 1, lineage }), {
    deadlineMs: joinMs,
    reason: 'first start',
  });
  const addr = nodeAddr(name);
  const joined = await viewLog.append(join({ id: name, addr, http: '', weight: 1 }), {
    deadlineMs: joinMs,
    reason: 'start',
  });
  const incarnation = nodeOf(joined, name)?.incarnation ?? 0;
  const catchUp = (): void => void viewLog.catchUp().catch(() => undefined);
  const host = new ActorHost({
    nodeKey: `${name}@${incarnation}`,
    kinds: manners.kinds,
    log,
    pages: log,
    clock,
    timers,
    random,
    limits: manners.limits,
    pageCacheBytesMax: manners.pageCacheBytesMax,
    metrics,
    report: (instance, stream, error) => parts.fault(`${name}: ${stream.kind} ${stream.id} (${instance})`, error),
    onFenced: (slot) => {
      keeper.lost(slot);
      catchUp();
    },
    onClockJump: () => viewLog.catchUp(),
  });
  const keeper = new SlotKeeper(name, incarnation, {
    view: viewLog,
    clock,
    timers,
    server: { take: (slot, epoch) => host.takeSlot(slot, epoch), release: (slot) => host.releaseSlot(slot) },
    failed: () => catchUp(),
  });
  const intake = await Intake.listen({
    addr,
    nodeKey: `${name}@${incarnation}`,
    host,
    timers,
    view: () => viewLog.view.number,
    sockets,
  });
  viewLog.onChange((view) => {
    intake.announceView();
    const present = nodeOf(view, name);
    if (present !== undefined && present.incarnation > incarnation) parts.end(`another process joined as ${name}`);
    else if (present?.state !== 'active') parts.end('no longer a member of the view');
  });
  return { host, keeper, viewLog, log, incarnation };
}
