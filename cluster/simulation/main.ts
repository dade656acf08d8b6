/** `npm run sim`: one seed with its history, or many. */
import { shutDoor } from './door.ts';
import { drawOptions } from './options.ts';
import { World } from './world.ts';

const args = process.argv.slice(2);
const flag = (name: string): string | undefined => {
  const at = args.indexOf(`--${name}`);
  return at === -1 ? undefined : args[at + 1];
};
const first = Number(flag('seed') ?? 1);
const seeds = Number(flag('seeds') ?? 1);
const door = shutDoor();
let simulated = 0;
let real = 0;
for (let seed = first; seed < first + seeds; seed++) {
  const trace = args.includes('--trace') ? (line: string) => process.stdout.write(`${line}\n`) : undefined;
  const report = await new World(drawOptions(seed), door, trace).run();
  simulated += report.simulatedMs;
  real += report.realMs;
  const { ok, hash, faults, events, commands, acked, deaths } = report;
  process.stdout.write(
    `seed ${seed} ${ok ? 'ok' : 'FAILED'} ${hash} ${(report.simulatedMs / 1000).toFixed(1)} s in ${report.realMs.toFixed(0)} ms, ${events} events, ${commands} commands, ${acked} acked, ${deaths} deaths\n`,
  );
  if (!ok) {
    if (args.includes('--tail')) for (const line of report.tail) process.stdout.write(`${line}\n`);
    for (const fault of faults) process.stdout.write(`  ${fault}\n`);
    process.exitCode = 1;
  }
}
process.stdout.write(`${(simulated / real).toFixed(1)} simulated seconds a second\n`);
