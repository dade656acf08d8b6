/** The table of faults: one line a trial, for people. */
import { ratio, type Trial } from './trial.ts';

const columns = [
  'profile',
  'fault',
  'proof',
  'away s',
  'goes on after ms',
  'ack p50 before/during ms (ratio)',
  'longest wait ms',
  'clients saw',
  'bell late ms',
  'lost',
  'doubled',
  'holes',
] as const;

export function table(trials: readonly Trial[]): string {
  const rows = trials.map(cells);
  const lines = [columns, columns.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`);
  return lines.join('\n');
}

function cells(trial: Trial): string[] {
  const { calm, during, verdict } = trial;
  return [
    trial.profile,
    trial.strike,
    trial.proof,
    (trial.awayMs / 1_000).toFixed(1),
    trial.goesOnMs.toFixed(0),
    `${calm.p50.toFixed(1)} / ${during.p50.toFixed(1)} (${ratio(trial).toFixed(2)})`,
    during.max.toFixed(0),
    trial.saw === '' ? (trial.play === 'unnoticed' ? 'nothing' : 'a wait') : trial.saw,
    trial.bellsLateMs.toFixed(0),
    String(verdict.lost),
    String(verdict.doubled),
    String(verdict.holes),
  ];
}

export const faultsOf = (trials: readonly Trial[]): string[] =>
  trials.flatMap(({ profile, strike, violations }) => violations.map((one) => `${profile}, ${strike}: ${one}`));
