/**
 * Chaos on real processes: `npm run chaos -- --profile nats --seed 7 --seconds 60 --nodes 3 --gateways 2 --rounds 5 --only 'kill node'`.
 * Without --profile all three, without --seed a drawn one; round i plays seed + i. Ends with 1 on any violation.
 */
import { parseArgs } from 'node:util';
import { systemRandom } from '../../../../runtime/kernel/random.ts';
import { missing, type ServerKind } from '../../servers/require-server.ts';
import { type Profile, profiles } from '../profile-servers.ts';
import { type ChaosReport, runChaos } from './chaos-run.ts';
import { drawOptions, wishesDefault } from './options.ts';
import { type FaultName, faultsOf } from './plan.ts';
import { againWith, summary, tell } from './report.ts';

const needed: Readonly<Record<Profile, readonly ServerKind[]>> = {
  embedded: ['postgres'],
  nats: ['postgres', 'redis', 'nats'],
  kafka: ['postgres', 'redis', 'nats', 'kafka'],
};
const exitInterrupted = 130;

const { values } = parseArgs({
  options: {
    profile: { type: 'string', multiple: true },
    seed: { type: 'string' },
    seconds: { type: 'string', default: String(wishesDefault.seconds) },
    nodes: { type: 'string', default: String(wishesDefault.nodes) },
    gateways: { type: 'string', default: String(wishesDefault.gateways) },
    rounds: { type: 'string', default: '1' },
    /** A kind of fault; may be given several times. */
    only: { type: 'string', multiple: true },
    except: { type: 'string', multiple: true },
    quiet: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const seed = values.seed === undefined ? Math.floor(systemRandom.next() * 2 ** 31) : Number(values.seed);
const wishes = {
  seconds: Number(values.seconds),
  nodes: Number(values.nodes),
  gateways: Number(values.gateways),
  only: values.only as FaultName[] | undefined,
  except: (values.except ?? []) as FaultName[],
};
const chosen: readonly Profile[] = profiles.filter(
  (profile) => values.profile === undefined || values.profile.includes(profile),
);
const unknown = [
  ...[...(values.only ?? []), ...(values.except ?? [])].filter(
    (name) => !profiles.some((profile) => (faultsOf(profile) as string[]).includes(name)),
  ),
  ...(values.profile ?? []).filter((name) => !(profiles as readonly string[]).includes(name)),
];
if (unknown.length > 0) {
  say(`there is no ${unknown.join(', ')}; faults: ${[...new Set(profiles.flatMap(faultsOf))].join(', ')}`);
  process.exit(2);
}

// Whatever was started is ended by those who watch for the exit.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(exitInterrupted));

let isWell = true;
for (const profile of chosen) {
  const absent = needed[profile].map(missing).filter((what) => what !== undefined);
  if (absent.length > 0) {
    say(`${profile}: cannot be run here: ${absent.join(', ')}`);
    isWell = false;
    continue;
  }
  const reports: ChaosReport[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const options = drawOptions(profile, seed + round, wishes);
    const { plan, ...rest } = options;
    say(`${profile}, seed ${options.seed}: ${JSON.stringify(rest)}, ${plan.length} faults`);
    say(`  again: ${againWith(options)}`);
    const report = await runChaos(options, values.quiet ? () => undefined : say);
    for (const line of tell(report)) say(line);
    reports.push(report);
  }
  for (const line of summary(profile, reports)) say(line);
  isWell &&= reports.every(({ violations }) => violations.length === 0);
}
process.exit(isWell ? 0 : 1);
