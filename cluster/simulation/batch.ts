/** Many seeds over some worker processes. Owns the workers while it runs, and the sum of what they report. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type FaultName, faultNames } from './options.ts';
import { type Counts, expected, expectedFrom, merge } from './sights.ts';
import type { RunReport } from './world.ts';

/** Kept of what a worker that breaks off said last. */
const lastWordsChars = 2_000;

/** What a run makes is garbage when it ends: a wide nursery lets most of it die there. */
const workerFlags = ['--enable-source-maps', '--max-semi-space-size=64'];

export interface BatchOptions {
  readonly seeds: readonly number[];
  readonly workers: number;
  /** Flags of Node for the workers. */
  readonly execArgv?: readonly string[];
  readonly onReport?: (report: RunReport) => void;
  /** After so many failures nothing more is begun. */
  readonly failuresMax?: number;
}

export interface BatchReport {
  readonly runs: number;
  readonly failed: readonly RunReport[];
  /** How many runs each kind of fault hit. */
  readonly fired: Readonly<Record<FaultName, number>>;
  readonly sights: Readonly<Counts>;
  /** What should have happened and did not; only judged over many seeds. */
  readonly missing: readonly string[];
  readonly simulatedMs: number;
  readonly realMs: number;
  readonly commands: number;
  readonly acked: number;
}

export async function runBatch(options: BatchOptions): Promise<BatchReport> {
  const began = performance.now();
  const waiting = [...options.seeds];
  const failed: RunReport[] = [];
  const fired = Object.fromEntries(faultNames.map((name) => [name, 0])) as Record<FaultName, number>;
  const sights: Counts = {};
  const sum = { runs: 0, simulatedMs: 0, commands: 0, acked: 0 };
  const take = (report: RunReport): void => {
    sum.runs++;
    sum.simulatedMs += report.simulatedMs;
    sum.commands += report.commands;
    sum.acked += report.acked;
    for (const name of Object.keys(report.fired) as FaultName[]) fired[name]++;
    merge(sights, report.sights);
    if (!report.ok) failed.push(report);
    if (failed.length >= (options.failuresMax ?? Number.POSITIVE_INFINITY)) waiting.length = 0;
    options.onReport?.(report);
  };
  const count = Math.min(options.workers, waiting.length);
  await Promise.all(Array.from({ length: count }, () => work(options.execArgv ?? [], () => waiting.shift(), take)));
  return {
    ...sum,
    failed,
    fired,
    sights,
    missing: sum.runs < expectedFrom ? [] : missingIn(fired, sights),
    realMs: performance.now() - began,
  };
}

function missingIn(fired: Readonly<Record<FaultName, number>>, sights: Readonly<Counts>): string[] {
  return [
    ...faultNames.filter((name) => fired[name] === 0).map((name) => `fault "${name}" never fired`),
    ...expected.filter((what) => (sights[what] ?? 0) === 0).map((what) => `"${what}" was never met`),
  ];
}

/** One worker after the other, fed until nothing is left: one that breaks off is a failure of its seed, and is replaced. */
async function work(
  execArgv: readonly string[],
  next: () => number | undefined,
  take: (report: RunReport) => void,
): Promise<void> {
  for (;;) {
    const broken = await workUntilBroken(execArgv, next, take);
    if (broken === undefined) return;
    take(broken);
  }
}

/** Resolves when there are no more seeds, or with the report of the one that it broke off at. */
function workUntilBroken(
  execArgv: readonly string[],
  next: () => number | undefined,
  take: (report: RunReport) => void,
): Promise<RunReport | undefined> {
  const child: ChildProcess = fork(fileURLToPath(new URL('./sim-worker.js', import.meta.url)), {
    execArgv: [...workerFlags, ...execArgv],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    let seed: number | undefined;
    let lastWords = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString('utf8')).slice(-lastWordsChars);
    });
    const feed = (): void => {
      seed = next();
      if (seed === undefined) child.disconnect();
      else child.send(seed);
    };
    child.on('message', (report: RunReport) => {
      take(report);
      feed();
    });
    child.once('error', reject);
    // Not its close: with a channel that was disconnected that never comes.
    child.once('exit', (code, signal) =>
      resolve(
        seed === undefined ? undefined : brokenOff(seed, `the worker ended with ${code ?? signal}: ${lastWords}`),
      ),
    );
    feed();
  });
}

const brokenOff = (seed: number, what: string): RunReport => ({
  seed,
  ok: false,
  isBrokenOff: true,
  faults: [what],
  hash: '',
  tail: [],
  fired: {},
  simulatedMs: 0,
  realMs: 0,
  events: 0,
  commands: 0,
  acked: 0,
  deaths: 0,
  sights: {},
});
