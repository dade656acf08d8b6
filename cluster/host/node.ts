import { After } from '../../proto/generated/node/v1/cluster.ts';
import type { Slot } from '../../proto/ids.ts';
import { runtimeMetrics } from '../../runtime/metrics.ts';
import { formOnce } from '../formation.ts';
import { ViewPlacement } from '../placement.ts';
import { nodeOf, type View } from '../view.ts';
import { ViewLog } from '../view-log.ts';
import { isBehind, raiseView } from '../view-rescue.ts';
import { alarmWakeOf } from './alarm-redis.ts';
import { connectBackend } from './backend.ts';
import { bracketed, urlHost } from './child-plans.ts';
import { type Config, ConfigError } from './config.ts';
import { type NodeLoad, nodeLoadPath } from './describe-cluster.ts';
import { logCheck } from './log-check.ts';
import { registerMetrics, slotMetrics, viewMetrics } from './metrics.ts';
import { type IncarnationParts, NodeIncarnation } from './node-incarnation.ts';
import { NodeIngest } from './node-ingest.ts';
import type { Check } from './probe-http.ts';
import { type RoleContext, type RunningRole, runRole } from './role-process.ts';
import { makeRunFolder, nodeSocket } from './run-folder.ts';

const formMs = 20_000;
const lineageBytes = 12;
/** Of a node that was drained in order to be started again: whoever supervises it does so at anything but 0. */
export const exitRestart = 75;

/** `hunt node`: serves the slots that the view gives it. Returns the exit code. */
export const runNode = (config: Config, warnings: readonly string[] = []): Promise<number> =>
  runRole(config, config.nodeId ?? 'node', warnings, startNode);

async function startNode(context: RoleContext): Promise<RunningRole> {
  const { config, name, clock, random, timers, logger, registry } = context;
  if (config.nodeId === undefined) throw new ConfigError(['--id is missing: give this node a name, such as n1']);
  makeRunFolder(config.dataDir);
  const [alarms, backend] = await Promise.all([alarmWakeOf(context), connectBackend(config, logger)]);
  const viewLog = await ViewLog.open({ ...backend, clock, random, timers });
  const { members, linkPort } = config;
  if (members.length > 0) {
    const lineage = random.token(lineageBytes);
    await viewLog.append(formOnce({ cluster: config.cluster, profile: config.profile, members, weight: 1, lineage }), {
      deadlineMs: formMs,
      reason: 'first start',
    });
  }
  const here = urlHost(config.advertise ?? config.host);
  const addr = linkPort === undefined ? nodeSocket(config.dataDir, name) : `${here}:${linkPort}`;
  const http = `http://${here}:${config.httpPort}`;
  const metrics = registerMetrics(registry, { ...runtimeMetrics, ...viewMetrics, ...slotMetrics });
  const catchUp = () =>
    void viewLog.catchUp().catch((error: unknown) => logger.warn({ err: error }, 'a newer view could not be read'));
  let end: (how: { readonly code: number; readonly reason: string }) => void = () => {};
  const ended = new Promise<{ readonly code: number; readonly reason: string }>((resolve) => (end = resolve));
  let isStopping = false;
  const parts: IncarnationParts = {
    context,
    backend,
    viewLog,
    alarms,
    metrics,
    addr,
    listen: linkPort === undefined ? addr : `${bracketed(config.host)}:${linkPort}`,
    http,
    newerView: catchUp,
    fenced: (slot, epoch) => void rescue(slot, epoch),
    over: (incarnation) => void isOver(incarnation).catch((error: unknown) => end({ code: 1, reason: String(error) })),
  };
  let isRescuing = false;
  /**
   * Fenced by a later epoch than the one under which the newest view gives us that slot: the view has lost events. The next
   * incarnation is later than all. That the view has come as far by now, raised by another node perhaps, does not help ours.
   */
  const rescue = async (slot: Slot, epoch: number): Promise<void> => {
    if (isRescuing) return;
    isRescuing = true;
    try {
      await viewLog.catchUp();
      if (isBehind(viewLog.view, name, slot, epoch)) {
        logger.error({ view: viewLog.view.number, epoch }, 'the view is older than the log of the hunts: it is raised');
        await raiseView(viewLog, epoch, name);
        await present.abandon();
        if (!isStopping) present = await NodeIncarnation.join(parts, 'the view was older than the log of the hunts');
      }
    } catch (error) {
      logger.warn({ err: error }, 'the view could not be raised: the next fenced slot tries again');
    }
    isRescuing = false;
  };
  let present = await NodeIncarnation.join(parts, 'start');

  /** Its incarnation serves no longer: removed, it joins again; drained, it does as it was told; replaced, it must not fight. */
  const isOver = async (incarnation: NodeIncarnation): Promise<void> => {
    if (isStopping) return;
    const fate = fateOf(viewLog.view, name, incarnation.number);
    logger.warn(
      { view: viewLog.view.number, incarnation: incarnation.number },
      `this incarnation is over: ${fate.reason}`,
    );
    await incarnation.abandon();
    if (fate.kind === 'end') return end(fate);
    if (fate.kind === 'rejoin') present = await NodeIncarnation.join(parts, 'it was removed and runs still');
  };
  const ingest = await NodeIngest.listen({
    context,
    placement: new ViewPlacement(viewLog),
    newerView: catchUp,
    checks: () => checks(),
  });
  metrics.gauge('hunt_view', viewLog.view.number);
  viewLog.onChange((view) => metrics.gauge('hunt_view', view.number));

  const checks = (): Check[] => [logCheck(config, backend, clock), ...present.checks()];
  return {
    checks,
    ended,
    probes: {
      title: 'Treasure Hunt Engine: node',
      inside: { [nodeLoadPath]: (): NodeLoad => present.load() },
    },
    stop: async () => {
      isStopping = true;
      await ingest.close();
      await present.leave();
      viewLog.close();
      await backend.close();
    },
  };
}

type Fate =
  | { readonly kind: 'rejoin' | 'stay'; readonly reason: string }
  | { readonly kind: 'end'; readonly code: number; readonly reason: string };

function fateOf(view: View, name: string, incarnation: number): Fate {
  const node = nodeOf(view, name);
  // Another process bears the name: its successor serves.
  if (node !== undefined && node.incarnation > incarnation)
    return { kind: 'end', code: 0, reason: `another process joined as ${name}` };
  switch (node?.state) {
    case 'dead':
      return { kind: 'rejoin', reason: 'the others removed it' };
    case 'left':
      if (node.after === After.STAY) return { kind: 'stay', reason: 'it was drained, and stays' };
      if (node.after === After.RESTART)
        return { kind: 'end', code: exitRestart, reason: 'it was drained to be restarted' };
      return { kind: 'end', code: 0, reason: 'it was drained' };
    default:
      return { kind: 'end', code: 1, reason: 'it is no member of the view any more' };
  }
}
