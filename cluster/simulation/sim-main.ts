/**
 * `npm run sim`: `-- --seed N` plays one seed and prints its history, `-- --seeds N [--from N]` many and what they met.
 * Without either, a seed is drawn and printed. `-- --bugs --seeds N` plants every bug and says in how many seeds it was found;
 * `-- --bug NAME --seeds N` tells of one.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runBatch } from './batch.ts';
import { shutDoor } from './door.ts';
import { drawOptions, type FaultName, faultNames } from './options.ts';
import { huntForBug, planting } from './planted/bug-hunt.ts';
import { plantedBugs } from './planted/planted-bugs.ts';
import { revision } from './revision.ts';
import { type RunReport, World } from './world.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    quiet: { type: 'boolean', default: false },
    'failures-max': { type: 'string', default: '10' },
    bug: { type: 'string' },
    bugs: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function one(seed: number): Promise<void> {
  const options = drawOptions(seed);
  say(`seed ${seed}: ${JSON.stringify(options)}`);
  const report = await new World(options, shutDoor(), values.quiet ? undefined : say).run();
  say(summary(report));
  for (const fault of report.faults) say(`  ${fault}`);
  process.exitCode = report.ok ? 0 : 1;
}

async function many(count: number, from: number): Promise<void> {
  const seeds = Array.from({ length: count }, (_, i) => from + i);
  const source = await revision();
  let done = 0;
  const report = await runBatch({
    seeds,
    workers: Number(values.workers),
    ...(values.bug === undefined ? {} : { execArgv: planting(values.bug) }),
    failuresMax: Number(values['failures-max']),
    onReport: (run) => {
      done++;
      if (!run.ok) tell(run);
      else if (done % 100 === 0 && !values.quiet) say(`${done} of ${count}`);
    },
  });
  const { runs, failed, simulatedMs, realMs, commands, acked, fired, sights, missing } = report;
  say(
    `${runs} seeds from ${from}: ${failed.length} failed; ${commands} commands, ${acked} acknowledged; ${(simulatedMs / realMs).toFixed(1)} simulated seconds a second (${(simulatedMs / 1_000).toFixed(0)} s in ${(realMs / 1_000).toFixed(1)} s, ${values.workers} workers)`,
  );
  say(`faults, by runs: ${faultNames.map((name: FaultName) => `${name} ${fired[name]}`).join(', ')}`);
  say(
    `met: ${Object.entries(sights)
      .sort()
      .map(([what, number]) => `${what} ${number}`)
      .join(', ')}`,
  );
  for (const what of missing) say(`MISSING: ${what}`);
  say(
    `seeds ${from} to ${from + count - 1}, ${source}: ${failed.length + missing.length === 0 ? 'clean' : 'NOT clean'}`,
  );
  process.exitCode = failed.length > 0 || missing.length > 0 ? 1 : 0;
}

/** Every planted bug against the same seeds: a table for the README. */
async function table(count: number, from: number): Promise<void> {
  const seeds = Array.from({ length: count }, (_, i) => from + i);
  say(`Seeds ${from} to ${from + count - 1}, ${await revision()}.\n`);
  say(`| planted bug | found in seeds of ${count} | first seen as |`);
  say('|---|---|---|');
  for (const bug of plantedBugs) {
    const { found, words } = await huntForBug(bug, { seeds, workers: Number(values.workers) });
    if (found === 0) process.exitCode = 1;
    say(`| ${bug.name} | ${found} | ${words} |`);
  }
}

function tell(run: RunReport): void {
  for (const line of run.tail.slice(-20)) say(`    ${line}`);
  say(summary(run));
  for (const fault of run.faults.slice(0, 8)) say(`  ${fault.slice(0, 700)}`);
  say(`  again: npm run sim -- --seed ${run.seed}; with every test: put it into cluster/simulation/failed-seeds.ts`);
}

const summary = ({ seed, ok, hash, simulatedMs, realMs, events, commands, acked, deaths }: RunReport): string =>
  `seed ${seed} ${ok ? 'ok' : 'FAILED'} ${hash}: ${(simulatedMs / 1_000).toFixed(1)} s in ${realMs.toFixed(0)} ms, ${events} events, ${commands} commands, ${acked} acknowledged, ${deaths} deaths`;

if (values.bugs) await table(Number(values.seeds ?? 100), Number(values.from));
else if (values.seeds !== undefined) await many(Number(values.seeds), Number(values.from));
else await one(values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed));
