import { mkdirSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Registry } from 'prom-client';
import { Gauge } from 'prom-client';
import type { Timers } from '../../runtime/kernel/timer.ts';
import { EmbeddedLogServer, type LogServerStats } from '../../runtime/log/embedded/server.ts';
import { type Config, ConfigError } from './config.ts';
import { type RoleContext, type RunningRole, runRole } from './role-process.ts';
import { logSocket, makeRunFolder } from './run-folder.ts';

const goodbyeMsMax = 8_000;
const goodbyePollMs = 20;

/** `hunt log`: the one writer of the embedded log. Returns the exit code. */
export const runLog = (config: Config, warnings: readonly string[] = []): Promise<number> =>
  runRole(config, config.nodeId ?? 'log', warnings, startLog);

async function startLog({ config, clock, timers, logger, registry }: RoleContext): Promise<RunningRole> {
  if (config.profile !== 'embedded') throw new ConfigError([`profile ${config.profile} has no log process of its own`]);
  const dir = join(config.dataDir, 'log');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  makeRunFolder(config.dataDir);
  const server = await EmbeddedLogServer.start({
    dir,
    socketPath: logSocket(config.dataDir),
    sync: config.logSync,
    ...(config.logSegmentBytes === undefined ? {} : { segmentBytes: config.logSegmentBytes }),
    clock,
    timers,
    logger,
  });
  showStats(registry, () => server.stats());
  showRoom(registry, dir);
  return {
    checks: () => {
      const { trouble } = server.stats();
      return [{ name: 'log', ok: trouble === undefined, ...(trouble === undefined ? {} : { detail: trouble }) }];
    },
    probes: { title: 'Treasure Hunt Engine: event log' },
    stop: async () => {
      await othersGone(timers, () => server.stats().links);
      await server.close();
    },
  };
}

/** A signal to a whole process group reaches nodes and log at once: the log serves until the others have said goodbye. */
async function othersGone(timers: Timers, links: () => number): Promise<void> {
  for (let waited = 0; links() > 0 && waited < goodbyeMsMax; waited += goodbyePollMs) {
    await new Promise<void>((resolve) => timers.after(goodbyePollMs, resolve));
  }
}

/** Read when somebody asks, not kept up to date all the time. */
function showStats(registry: Registry, stats: () => LogServerStats): void {
  const rows: [string, string, (stats: LogServerStats) => number][] = [
    ['hunt_log_commits', 'Commits since the start', (s) => s.commits],
    ['hunt_log_records', 'Records appended since the start', (s) => s.records],
    ['hunt_log_bytes', 'Bytes appended since the start', (s) => s.bytes],
    ['hunt_log_links', 'Processes connected', (s) => s.links],
    ['hunt_log_subscriptions', 'Streams that are followed live', (s) => s.subscriptions],
    ['hunt_log_feed_cuts', 'Times that a slow subscriber was sent to read for itself', (s) => s.feedCuts],
    ['hunt_log_streams_in_memory', 'Streams whose index is in memory', (s) => s.streamsInMemory],
    ['hunt_log_unindexed_records', 'Records that a restart would have to read again', (s) => s.unindexed],
    ['hunt_log_waiting_bytes', 'Bytes that wait for the next commit', (s) => s.waitingBytes],
    ['hunt_log_damages', 'Damaged places found', (s) => s.damages],
    ['hunt_log_floor_segment', 'The first segment that is kept; those before left for the archive', (s) => s.floor],
    [
      'hunt_log_full',
      'Whether appends are refused: the disk is full or failing',
      (s) => (s.trouble === undefined ? 0 : 1),
    ],
    ['hunt_log_scrubbed_bytes', 'Bytes read again since the start in search of damage', (s) => s.scrubbedBytes],
    ['hunt_log_scrub_passes', 'Times since the start that all of the log was read again', (s) => s.scrubPasses],
  ];
  for (const [name, help, value] of rows) {
    const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(value(stats())) });
  }
}

/** Of the disk that the log is on, as often as somebody asks. */
function showRoom(registry: Registry, folder: string): void {
  const gauge: Gauge = new Gauge({
    name: 'hunt_log_free_bytes',
    help: 'Bytes that the log and whoever else is on its disk may take still',
    registers: [registry],
    collect: async () => {
      const { bavail, bsize } = await statfs(folder);
      gauge.set(bavail * bsize);
    },
  });
}
