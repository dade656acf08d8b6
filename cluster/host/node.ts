import { streamKey } from '../../proto/ids.ts';
import { Intake } from '../../runtime/command/intake.ts';
import { runtimeMetrics } from '../../runtime/metrics.ts';
import { ActorHost } from '../../runtime/slot/actor-host.ts';
import { formOnce, join, leave } from '../formation.ts';
import { ViewPlacement } from '../placement.ts';
import { SlotKeeper } from '../slot-keeper.ts';
import { nodeOf, slotsOf } from '../view.ts';
import { ViewLog } from '../view-log.ts';
import { actorKinds } from './actor-kinds.ts';
import { alarmWakeOf } from './alarm-redis.ts';
import { connectBackend } from './backend.ts';
import { bracketed, urlHost } from './child-plans.ts';
import { type Config, ConfigError } from './config.ts';
import { type NodeLoad, nodeLoadPath } from './describe-cluster.ts';
import { registerMetrics, slotMetrics, viewMetrics } from './metrics.ts';
import { NodeIngest } from './node-ingest.ts';
import type { Check } from './probe-http.ts';
import { type RoleContext, type RunningRole, runRole } from './role-process.ts';
import { makeRunFolder, nodeSocket } from './run-folder.ts';

const joinMs = 20_000;
const lineageBytes = 12;
const leaveMs = 2_000;

/** `hunt node`: serves the slots that the view gives it. Returns the exit code. */
export const runNode = (config: Config, warnings: readonly string[] = []): Promise<number> =>
  runRole(config, config.nodeId ?? 'node', warnings, startNode);

async function startNode(context: RoleContext): Promise<RunningRole> {
  const { config, name, clock, random, timers, logger, registry } = context;
  if (config.nodeId === undefined) throw new ConfigError(['--id is missing: give this node a name, such as n1']);
  makeRunFolder(config.dataDir);
  const [alarms, backend] = await Promise.all([alarmWakeOf(context), connectBackend(config, logger)]);
  const viewLog = await ViewLog.open({ log: backend.log, feed: backend.feed, clock, random, timers });
  const { members, linkPort } = config;
  if (members.length > 0) {
    const lineage = random.token(lineageBytes);
    await viewLog.append(formOnce({ cluster: config.cluster, profile: config.profile, members, weight: 1, lineage }), {
      deadlineMs: joinMs,
      reason: 'first start',
    });
  }
  const here = urlHost(config.advertise ?? config.host);
  const addr = linkPort === undefined ? nodeSocket(config.dataDir, name) : `${here}:${linkPort}`;
  const http = `http://${here}:${config.httpPort}`;
  const joined = await viewLog.append(join({ id: name, addr, http, weight: config.weight }), {
    deadlineMs: joinMs,
    reason: 'start',
  });
  const incarnation = nodeOf(joined, name)?.incarnation ?? 0;
  logger.info({ view: joined.number, incarnation, slots: slotsOf(joined, name).length }, 'joined');

  const metrics = registerMetrics(registry, { ...runtimeMetrics, ...viewMetrics, ...slotMetrics });
  const host = new ActorHost({
    nodeKey: `${name}@${incarnation}`,
    kinds: actorKinds,
    log: backend.log,
    pages: backend.pages,
    clock,
    timers,
    random,
    metrics,
    ...alarms,
    report: (instance, stream, error) =>
      logger.error({ instance, stream: streamKey(stream), err: error }, 'a fault of ours'),
    onFenced: (slot, epoch) => {
      logger.warn({ slot, epoch }, 'a higher epoch has the slot');
      keeper.lost(slot);
      catchUp();
    },
    onClockJump: async (ms) => {
      logger.warn({ ms }, 'this process was stopped: the view is read again before anything is served');
      await viewLog.catchUp();
    },
  });
  const catchUp = () =>
    void viewLog.catchUp().catch((error: unknown) => logger.warn({ err: error }, 'a newer view could not be read'));
  const keeper = new SlotKeeper(name, incarnation, {
    view: viewLog,
    clock,
    timers,
    server: { take: (slot, epoch) => host.takeSlot(slot, epoch), release: (slot) => host.releaseSlot(slot) },
    taken: (_slot, stallMs) => {
      metrics.observe('hunt_slot_stall_seconds', stallMs / 1000);
      metrics.count('hunt_slot_moves_total', 1, 'start');
    },
    failed: (slot, error) => {
      logger.warn({ slot, err: error }, 'a slot could not be taken');
      catchUp();
    },
  });
  const intake = await Intake.listen({
    addr: linkPort === undefined ? addr : `${bracketed(config.host)}:${linkPort}`,
    nodeKey: `${name}@${incarnation}`,
    host,
    timers,
    view: () => viewLog.view.number,
  });
  const ingest = await NodeIngest.listen({
    context,
    placement: new ViewPlacement(viewLog),
    newerView: catchUp,
    checks: () => checks(),
  });
  metrics.gauge('hunt_view', viewLog.view.number);
  viewLog.onChange((view) => {
    metrics.gauge('hunt_view', view.number);
    intake.announceView();
  });

  const checks = (): Check[] => [
    { name: 'log', ok: backend.state().up },
    {
      name: 'slots',
      ok: keeper.settled,
      detail: `${keeper.serving} of ${slotsOf(viewLog.view, name).length} are served`,
    },
  ];
  return {
    checks,
    ended: new Promise((end) => {
      viewLog.onChange((view) => {
        const present = nodeOf(view, name);
        // Removed while it could not answer: it starts anew. Replaced: its successor serves, and it must not fight for the name.
        if (present !== undefined && present.incarnation > incarnation)
          end({ code: 0, reason: `another process joined as ${name}` });
        else if (present?.state !== 'active') end({ code: 1, reason: 'no longer a member of the view' });
      });
    }),
    probes: {
      title: 'Treasure Hunt Engine: node',
      inside: { [nodeLoadPath]: (): NodeLoad => ({ hunts: host.state().activations }) },
    },
    stop: async () => {
      await ingest.close();
      await keeper.close();
      await host.close();
      await viewLog
        .append(leave(name, incarnation), { deadlineMs: leaveMs, reason: 'stop' })
        .catch((error: unknown) => logger.warn({ err: error }, 'left without saying so'));
      await intake.close();
      viewLog.close();
      await backend.close();
    },
  };
}
