import { createInterface } from 'node:readline/promises';
import { UsageError } from '../exit-code.ts';
import { Output, type OutputFlags, type Paint, table } from '../output.ts';
import type { Plan } from '../ring/answers.ts';
import { type ChangeFlags, changeOf } from '../ring/change-flags.ts';
import { RingApi } from '../ring/ring-api.ts';
import { reportOperation, watchOperation } from '../ring/watch-operation.ts';
import { Target, type TargetFlags } from '../target.ts';

type PlanFlags = TargetFlags & OutputFlags & ChangeFlags;
export interface ApplyFlags extends PlanFlags {
  readonly yes?: boolean;
  readonly movesPerS?: number;
  readonly canaryS?: number;
}

export async function ringPlan(flags: PlanFlags): Promise<void> {
  const out = new Output(flags);
  const plan = await new RingApi(new Target(flags).api()).plan(changeOf(flags));
  out.result(plan, () => describePlan(plan, out.paint));
}

export async function ringApply(flags: ApplyFlags): Promise<void> {
  const out = new Output(flags);
  const api = new RingApi(new Target(flags).api());
  const plan = await api.plan(changeOf(flags));
  if (flags.yes !== true) {
    if (!process.stdin.isTTY) throw new UsageError('nobody is there to ask: give --yes to apply without asking');
    process.stderr.write(`${describePlan(plan, out.paint)}\n`);
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await terminal.question('Apply it? [y/N] ');
    terminal.close();
    if (!/^y(es)?$/i.test(answer.trim())) {
      out.progress('Nothing was changed.');
      process.exitCode = 1;
      return;
    }
  }
  const pace = {
    ...(flags.movesPerS === undefined ? {} : { moves_per_s: flags.movesPerS }),
    ...(flags.canaryS === undefined ? {} : { canary_s: flags.canaryS }),
  };
  const begun = await api.apply(plan.plan_id, pace);
  reportOperation(out, await watchOperation(api, begun, out.quiet), begun.id, 'done');
}

function describePlan(plan: Plan, paint: Paint): string {
  const after = Object.entries(plan.slots_after)
    .map(([node, slots]) => `${node} ${slots}`)
    .join(', ');
  const summary = [
    `${plan.moves.length} slots would move on view ${plan.view}; after it: ${after}`,
    `the fullest node would hold ${plan.imbalance_after.toFixed(2)} times its fair share`,
  ];
  if (plan.moves.length === 0) return summary.join('\n');
  const rows = plan.moves.map((move) => [move.slot, move.from, move.to, move.reason, move.bytes, move.stall_ms]);
  return [...summary, '', table(['>SLOT', 'FROM', 'TO', 'WHY', '>BYTES', '>STALL MS'], rows, paint)].join('\n');
}
