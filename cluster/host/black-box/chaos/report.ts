/** What a run found, in words for people. Pure. */
import type { ChaosReport } from './chaos-run.ts';
import type { ChaosOptions } from './options.ts';
import type { FaultName } from './plan.ts';

const violationsShown = 12;
const charsShown = 700;

export const againWith = ({ profile, seed, safetyMs, nodes, gateways }: ChaosOptions): string =>
  `npm run chaos -- --profile ${profile} --seed ${seed} --seconds ${safetyMs / 1_000} --nodes ${nodes} --gateways ${gateways}`;

export function tell({ options, violations, kept, ...counts }: ChaosReport): string[] {
  const { commands, acks, duplicates, reconnects, events, longestWaitMs } = counts;
  return [
    `${options.profile}, seed ${options.seed}: ${violations.length === 0 ? 'ok' : 'FAILED'}; ${commands} commands, ${acks} acks (${duplicates} of duplicates), ${events} events, ${reconnects} reconnects, the longest wait ${(longestWaitMs / 1_000).toFixed(1)} s`,
    ...violations.slice(0, violationsShown).map((violation) => `  VIOLATION ${violation.slice(0, charsShown)}`),
    ...(violations.length > violationsShown ? [`  and ${violations.length - violationsShown} more`] : []),
    ...(kept === undefined
      ? []
      : [`  history.log and the data folder are in ${kept}`, `  again: ${againWith(options)}`]),
  ];
}

export function summary(profile: string, reports: readonly ChaosReport[]): string[] {
  const sum = (of: (report: ChaosReport) => number): number => reports.reduce((total, one) => total + of(one), 0);
  const fired = new Map<FaultName, number>();
  const cannot = new Map<FaultName, string>();
  for (const report of reports) {
    for (const [name, times] of report.fired) fired.set(name, (fired.get(name) ?? 0) + times);
    for (const [name, why] of report.cannot) cannot.set(name, why);
  }
  const failed = reports.filter(({ violations }) => violations.length > 0);
  return [
    `--- ${profile}: ${reports.length} ${reports.length === 1 ? 'run' : 'runs'}`,
    `faults that happened: ${
      [...fired]
        .sort()
        .map(([name, times]) => `${name} ${times}`)
        .join(', ') || 'none'
    }`,
    ...[...cannot].map(([name, why]) => `${name}: cannot be done here: ${why}`),
    `${sum(({ commands }) => commands)} commands, ${sum(({ acks }) => acks)} acks, ${sum(({ duplicates }) => duplicates)} of duplicates, ${sum(({ reconnects }) => reconnects)} reconnects, the longest wait ${(Math.max(...reports.map(({ longestWaitMs }) => longestWaitMs)) / 1_000).toFixed(1)} s`,
    failed.length === 0
      ? 'verdict: nothing lost, doubled or left out; everybody was answered'
      : `verdict: ${failed.length} FAILED: seeds ${failed.map(({ options }) => options.seed).join(', ')}`,
  ];
}
