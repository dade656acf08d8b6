/** `hunt up`: starts a whole cluster in the foreground and says how to use it. */
import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../runtime/kernel/clock.ts';
import { systemRandom } from '../../runtime/kernel/random.ts';
import { systemTimers } from '../../runtime/kernel/timer.ts';
import { isDiskTrouble } from '../../runtime/log/embedded/disk.ts';
import { planChildren } from './child-plans.ts';
import { readClusterFile } from './cluster-file.ts';
import { type Config, ConfigError, exitUsage } from './config.ts';
import { DataLock } from './data-lock.ts';
import { makeRunFolder } from './run-folder.ts';
import { ensureTokenKey, mintingTokens, readTlsPair } from './secrets.ts';
import { StartError, Supervisor, type UpEvent } from './supervisor.ts';

/** Nothing that hangs may keep `hunt up` from ending within 30 s. */
const stopMaxMs = 28_000;

export interface UpOptions {
  /** One JSON object a line on stdout; without it stdout stays empty. */
  readonly json: boolean;
  readonly warnings?: readonly string[];
}

/** Runs until SIGTERM or SIGINT. Returns the exit code. */
export async function runUp(config: Config, options: UpOptions): Promise<number> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const emit = (event: UpEvent) => {
    if (options.json) process.stdout.write(`${JSON.stringify(event)}\n`);
  };
  for (const warning of options.warnings ?? []) say(`warning: ${warning}`);
  // A reader of our output that went away is no reason to end a running cluster.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

  let lock: DataLock | undefined;
  try {
    makeDataFolder(config);
    lock = await DataLock.acquire(config.dataDir, systemTimers);
    makeRunFolder(config.dataDir);
    ensureTokenKey(config, systemRandom);
    readTlsPair(config);
    const tokens = mintingTokens(config, systemClock, systemRandom);
    const before = readClusterFile(config.dataDir);
    const plans = await planChildren(config, before, systemRandom);
    const ports = {
      clock: systemClock,
      random: systemRandom,
      timers: systemTimers,
      tokens,
      lock,
      emit,
      say,
      showDemo: !options.json,
    };
    return await supervise(new Supervisor(config, plans, (before?.generation ?? 0) + 1, ports), config, say);
  } catch (error) {
    lock?.release();
    if (isDiskTrouble(error)) {
      say(`${config.dataDir} cannot be written (${(error as Error).message}): free space on its disk, and start again`);
      return 1;
    }
    if (!(error instanceof ConfigError)) throw error;
    for (const fault of error.faults) say(`INVALID: ${fault}`);
    return exitUsage;
  }
}

async function supervise(supervisor: Supervisor, config: Config, say: (line: string) => void): Promise<number> {
  let exitCode = 0;
  await new Promise<void>((resolve) => {
    const stop = (reason: string) => {
      systemTimers.after(stopMaxMs, () => process.exit(exitCode));
      supervisor.stop(reason).then(resolve, (error: unknown) => {
        say(`stopping: ${String(error)}`);
        resolve();
      });
    };
    process.on('SIGTERM', () => stop('SIGTERM'));
    process.on('SIGINT', () => stop('SIGINT'));
    say(
      `Starting ${config.nodes} nodes and ${config.gateways === 1 ? 'a gateway' : `${config.gateways} gateways`} in ${config.dataDir} …`,
    );
    supervisor.start().then(
      () => say(welcome(supervisor, config)),
      (error: unknown) => {
        if (error instanceof StartError && error.exitCode === 0) return;
        exitCode = error instanceof StartError ? error.exitCode : 1;
        say(`The cluster did not start: ${error instanceof Error ? error.message : String(error)}`);
        stop('did not start');
      },
    );
  });
  return exitCode;
}

function makeDataFolder(config: Config): void {
  try {
    mkdirSync(join(config.dataDir, 'logs'), { recursive: true, mode: 0o700 });
    accessSync(config.dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new ConfigError([
      `--data-dir ${config.dataDir} cannot be used (${(error as NodeJS.ErrnoException).code}): name a folder that this user may write`,
    ]);
  }
}

function welcome(supervisor: Supervisor, config: Config): string {
  const { urls, tokens, data_dir } = supervisor.file;
  return [
    '',
    `The treasure hunt engine is ready: ${config.nodes} nodes, ${config.gateways} ${config.gateways === 1 ? 'gateway' : 'gateways'}, data in ${data_dir}`,
    '',
    `  Console   ${urls.console}#token=${tokens.operator}`,
    `  HTTP      ${urls.http}   (API: ${urls.http}/openapi.json)`,
    `  Sockets   ${urls.ws}`,
    `  gRPC      ${urls.grpc}`,
    '',
    '  Make a hunt   npm run hunt -- create my-hunt.yaml --open      (prints its join code)',
    `  Play it       ${urls.http}/play/CODE    or    npm run hunt -- play CODE --name Anna`,
    '  Stop          Ctrl-C',
    '',
  ].join('\n');
}
