import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Slot, slotOf } from '../../../proto/ids.ts';
import { exitCode, UsageError } from '../exit-code.ts';
import type { AuditReport } from '../log-verify/log-audit.ts';
import { allSlots, auditLog } from '../log-verify/log-source.ts';
import { Output, type OutputFlags, type Paint } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import { Target, type TargetFlags } from '../target.ts';

export async function logVerify(flags: TargetFlags & OutputFlags & { hunt?: number; slot?: number }): Promise<void> {
  const out = new Output(flags);
  if (flags.hunt !== undefined && flags.slot !== undefined)
    throw new UsageError('--hunt and --slot exclude one another: a hunt lies in one slot');
  const config = new Target(flags).tool();
  if (config.profile === 'embedded' && !existsSync(join(config.dataDir, 'log')))
    throw new UsageError(`${config.dataDir} holds no embedded log: give --data-dir of the cluster whose log to verify`);
  const slots =
    flags.hunt !== undefined ? [slotOf(flags.hunt)] : flags.slot !== undefined ? [flags.slot as Slot] : allSlots;
  const bar = new ProgressBar('verifying {bar} {percentage}% {note}', out.quiet);
  const progress = (done: number, events: number): void => bar.update(done, `${events} events`);
  const { report, live } = await auditLog(
    config,
    { slots, ...(flags.hunt === undefined ? {} : { hunt: flags.hunt }) },
    progress,
  ).finally(() => bar.stop());
  out.progress(
    live
      ? 'read from the running log and its archive'
      : 'no log process answers: read from the segments and the archive',
  );
  out.result(report, () => describe(report, out.paint));
  process.exitCode = report.ok ? exitCode.done : exitCode.no;
}

function describe(report: AuditReport, paint: Paint): string {
  const { ok, hunts, events, batches, holes, forks, vector_breaks, seq_duplicates, undecodable } = report;
  return [
    `${ok ? paint('green', 'The log is whole') : paint('red', 'The log is NOT whole')}: ${hunts} hunts, ${events} events in ${batches} batches`,
    `  holes ${holes} · forks ${forks} · vector breaks ${vector_breaks} · seq duplicates ${seq_duplicates} · undecodable ${undecodable}`,
    ...report.first_faults.map((fault) => `  ${fault.kind} in ${fault.hunt_id} at ${fault.version}: ${fault.detail}`),
  ].join('\n');
}
