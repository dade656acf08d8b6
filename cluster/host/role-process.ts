/**
 * The frame around every long-running role: logger, metrics, probes, readiness, the way to end.
 *
 * Owns: the process's signals and exit code. Keeps: a fault that nobody caught is logged and ends the process with a
 * code that makes the supervisor start it again; a supervised process ends with its supervisor.
 */
import { type Logger, pino } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { systemClock } from '../../runtime/kernel/clock.ts';
import { systemRandom } from '../../runtime/kernel/random.ts';
import { systemTimers } from '../../runtime/kernel/timer.ts';
import type { ChildReport } from './child.ts';
import { type Config, ConfigError, exitUsage } from './config.ts';
import { describeConfig } from './describe-config.ts';
import { type Check, serveProbes } from './probe-http.ts';
import { processLogger } from './process-log.ts';

const loopLagPrecisionMs = 250;

export interface RoleContext {
  readonly config: Config;
  readonly name: string;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock: typeof systemClock;
  readonly random: typeof systemRandom;
  readonly timers: typeof systemTimers;
}

export interface RunningRole {
  readonly checks: () => readonly Check[];
  /** Absent: the role serves /healthz and the rest on its own HTTP server. */
  readonly probes?: { readonly title: string; readonly inside?: Readonly<Record<string, () => unknown>> };
  /** Resolves when the role must end by itself; `code` is what the process exits with. */
  readonly ended?: Promise<{ readonly code: number; readonly reason: string }>;
  /** Finishes what is under way, then ends. Called once. */
  stop(): Promise<void>;
}

export type StartRole = (context: RoleContext) => Promise<RunningRole>;

const readyPollMs = 50;
const unreadyPollMs = 250;
const stopMaxMs = 20_000;
const exitFault = 1;

/** Runs until SIGTERM (or SIGINT, when no supervisor passes one on). Returns the exit code. */
export async function runRole(
  config: Config,
  name: string,
  warnings: readonly string[],
  start: StartRole,
): Promise<number> {
  const form = { level: config.logLevel, base: { name }, timestamp: pino.stdTimeFunctions.isoTime };
  const logger = processLogger(form, process.stdout.fd);
  // A disk that is full takes nothing of what libraries say either.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const supervised = process.send !== undefined;
  for (const warning of warnings) logger.warn(warning);
  logger.info({ pid: process.pid, config: describeConfig(config) }, 'starting');
  if (supervised) {
    if (!process.connected) return exitFault;
    process.on('disconnect', () => process.exit(exitFault));
  }
  for (const fault of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(fault, (error: unknown) => {
      logger.fatal({ err: error }, fault);
      process.exit(exitFault);
    });
  }
  const ended = new Promise<string>((resolve) => {
    process.on('SIGTERM', () => resolve('SIGTERM'));
    // Ctrl-C reaches the whole foreground group: a supervised process waits for its supervisor's word.
    process.on('SIGINT', () => supervised || resolve('SIGINT'));
  });

  const registry = new Registry();
  // The monitor of the event loop's lag wakes the process at this pace, a dozen processes on a machine, all day.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: loopLagPrecisionMs });
  const context = { config, name, logger, registry, clock: systemClock, random: systemRandom, timers: systemTimers };
  let running: RunningRole;
  try {
    const starting = start(context);
    const first = await Promise.race([starting, ended]);
    // Told to end while it was starting: nothing is under way yet.
    if (typeof first === 'string') return 0;
    running = first;
    const { probes } = running;
    if (probes !== undefined) {
      await serveProbes({
        host: config.host,
        port: config.httpPort,
        title: probes.title,
        registry,
        checks: running.checks,
        isOperator: operatorCheck(config),
        ...(probes.inside === undefined ? {} : { inside: probes.inside }),
      });
    }
  } catch (error) {
    if (error instanceof ConfigError) {
      for (const fault of error.faults) process.stderr.write(`INVALID: ${fault}\n`);
      return exitUsage;
    }
    logger.fatal({ err: error }, 'could not start');
    return exitFault;
  }
  const cancelReports = reportReadiness(running.checks, logger);

  const signalled = ended.then((signal) => ({ code: 0, reason: signal }));
  const { code, reason } = await Promise.race(running.ended === undefined ? [signalled] : [signalled, running.ended]);
  logger.info({ reason }, 'stopping');
  cancelReports();
  systemTimers.after(stopMaxMs, () => {
    logger.error('could not stop in time');
    process.exit(exitFault);
  });
  await running.stop();
  logger.info('stopped');
  return code;
}

/** Tells the supervisor, and the log, whenever the answer of /readyz changes. */
function reportReadiness(checks: () => readonly Check[], logger: Logger): () => void {
  let ready: boolean | undefined;
  const look = () => {
    const failing = checks().filter((check) => !check.ok);
    const now = failing.length === 0;
    if (now === ready) return;
    ready = now;
    if (now) logger.info('ready');
    else logger.warn({ failing }, 'not ready');
    if (process.connected) process.send?.({ ready } satisfies ChildReport);
  };
  look();
  // Looked at closely while somebody waits for it, and then from time to time: a dozen idle processes share a machine.
  let cancel = systemTimers.every(readyPollMs, () => {
    look();
    if (ready !== true) return;
    cancel();
    cancel = systemTimers.every(unreadyPollMs, look);
  });
  return () => cancel();
}

/** Only who asks from another machine needs it: what verifies tokens is loaded then. */
function operatorCheck(config: Config): (token: string) => Promise<boolean> {
  let loading: Promise<{ verifyToken(token: string): Promise<{ role: string } | undefined> }> | undefined;
  const load = async () => {
    const [{ Tokens }, { readTokenKeys }] = await Promise.all([
      import('../../gateway/token/tokens.ts'),
      import('./secrets.ts'),
    ]);
    return new Tokens(systemClock, systemRandom, readTokenKeys(config));
  };
  return async (token) => {
    loading ??= load();
    return (await (await loading).verifyToken(token))?.role === 'operator';
  };
}
