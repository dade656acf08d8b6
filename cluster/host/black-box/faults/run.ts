/**
 * The complete matrix of faults: every strike on every profile, one bed a profile, made anew after a trial that went wrong.
 *   npm run faults -- --profile nats --only Redis --hunts 6 --per-hunt 2 --every-ms 200 --json out.json
 * Prints the table; ends with 1 on any violation.
 */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Profile, profiles } from '../profile-servers.ts';
import { bedDefaults, FaultBed } from './bed.ts';
import { lenient, strict } from './latency.ts';
import { faultsOf, table } from './report.ts';
import { compareWithScratch } from './scratch-projection.ts';
import { strikesOf } from './strikes.ts';
import { runTrial, type Trial } from './trial.ts';

const { values } = parseArgs({
  options: {
    profile: { type: 'string', multiple: true },
    only: { type: 'string', default: '' },
    hunts: { type: 'string', default: String(bedDefaults.hunts) },
    'per-hunt': { type: 'string', default: String(bedDefaults.perHunt) },
    'every-ms': { type: 'string', default: String(bedDefaults.everyMs) },
    'calm-acts': { type: 'string', default: '15' },
    /** On a machine that others use, too. */
    lenient: { type: 'boolean', default: false },
    /** What an operator could have seen. */
    watch: { type: 'boolean', default: false },
    /** A folder for the processes' logs of beds on which something went wrong. */
    keep: { type: 'string' },
    json: { type: 'string' },
  },
});
const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};
const options = {
  hunts: Number(values.hunts),
  perHunt: Number(values['per-hunt']),
  everyMs: Number(values['every-ms']),
};
const chosen = profiles.filter((profile) => values.profile === undefined || values.profile.includes(profile));
const asked = values.only.toLowerCase().split(',');
const trials: Trial[] = [];
const compared: string[] = [];
let bed: FaultBed | undefined;
const end = async (): Promise<void> => {
  await bed?.close();
  bed = undefined;
};

try {
  for (const profile of chosen) await tryAll(profile);
} finally {
  await end();
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(trials, null, 1));
process.stdout.write(`${table(trials)}\n`);
const wrong = [...faultsOf(trials), ...compared];
say(wrong.length === 0 ? `${trials.length} faults, nothing lost, doubled or left out` : wrong.join('\n'));
process.exit(wrong.length === 0 && trials.length > 0 ? 0 : 1);

async function tryAll(profile: Profile): Promise<void> {
  for (const strike of strikesOf(profile)) {
    if (!asked.some((part) => strike.name.toLowerCase().includes(part))) continue;
    bed ??= await FaultBed.make(profile, options);
    say(`${profile}: ${strike.name}`);
    const trial = await runTrial(bed, strike, {
      tolerance: values.lenient ? lenient : strict,
      calmActs: Number(values['calm-acts']),
      watch: values.watch,
    });
    trials.push(trial);
    for (const line of trial.operator) say(`  ${line}`);
    for (const violation of trial.violations) say(`  VIOLATION ${violation}`);
    if (trial.violations.length > 0) {
      if (values.keep !== undefined)
        cpSync(join(bed.cluster.dataDir, 'logs'), join(values.keep, `${profile}-${trials.length}`), {
          recursive: true,
        });
      await end();
    }
  }
  if (bed !== undefined && values.only === '') await compare(bed);
  await end();
}

/** After all of them: what is in PostgreSQL is what a projector makes that begins anew. */
async function compare(used: FaultBed): Promise<void> {
  try {
    say(
      `${used.profile}: ${await compareWithScratch(used)} rows are those that a projector makes from the log's beginning`,
    );
  } catch (error) {
    compared.push(`${used.profile}: ${(error as Error).message}`);
  }
}
