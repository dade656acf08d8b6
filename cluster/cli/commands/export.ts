import type { OutputFlags } from '../output.ts';
import { Target, type TargetFlags } from '../target.ts';

export async function exportCsv(id: number, flags: TargetFlags & OutputFlags): Promise<void> {
  const csv = await new Target(flags).api().exportCsv(id);
  process.stdout.write(csv.endsWith('\n') ? csv : `${csv}\n`);
}
