import { join, leave } from '../formation.ts';
import { SlotKeeper } from '../slot-keeper.ts';
import { nodeOf, slotsOf } from '../view.ts';
import { ViewLog } from '../view-log.ts';
import { connectBackend } from './backend.ts';
import { type Config, ConfigError } from './config.ts';
import { type NodeLoad, nodeLoadPath } from './describe-cluster.ts';
import { registerMetrics, slotMetrics, viewMetrics } from './metrics.ts';
import type { RoleContext, RunningRole } from './role-process.ts';
import { runRole } from './role-process.ts';
import { makeRunFolder, nodeSocket } from './run-folder.ts';

const joinMs = 20_000;
const leaveMs = 2_000;

/** `hunt node`: serves the slots that the view gives it. Returns the exit code. */
export const runNode = (config: Config, warnings: readonly string[] = []): Promise<number> =>
  runRole(config, config.nodeId ?? 'node', warnings, startNode);

async function startNode({ config, name, clock, random, timers, logger, registry }: RoleContext): Promise<RunningRole> {
  makeRunFolder(config.dataDir);
  const backend = await connectBackend(config);
  const viewLog = await ViewLog.open({ log: backend.log, feed: backend.feed, clock, random, timers });
  const addr = nodeSocket(config.dataDir, name);
  const metrics = registerMetrics(registry, { ...viewMetrics, ...slotMetrics });
  const view = await viewLog.append(
    join({ id: name, addr, http: `http://${config.host}:${config.httpPort}`, weight: config.weight }),
    { deadlineMs: joinMs, reason: 'start' },
  );
  const incarnation = nodeOf(view, name)?.incarnation ?? 0;
  const keeper = new SlotKeeper(name, incarnation, {
    view: viewLog,
    clock,
    timers,
    server: { take: async (slot, epoch) => void (await backend.log.take(slot, epoch)), release: async () => undefined },
    failed: (slot, error) => logger.warn({ slot, err: error }, 'a slot could not be taken'),
  });
  return {
    checks: () => [
      { name: 'log', ok: backend.state().up },
      { name: 'slots', ok: keeper.settled, detail: `${keeper.serving} of ${slotsOf(viewLog.view, name).length}` },
    ],
    probes: { title: 'Treasure Hunt Engine: node', inside: { [nodeLoadPath]: (): NodeLoad => ({ hunts: 0 }) } },
    stop: async () => {
      await keeper.close();
      await viewLog
        .append(leave(name, incarnation), { deadlineMs: leaveMs, reason: 'stop' })
        .catch((error: unknown) => logger.warn({ err: error }, 'left without saying so'));
      viewLog.close();
      await backend.close();
    },
  };
}
