import { eventLine, Names } from '../event-line.ts';
import { Output, type OutputFlags } from '../output.ts';
import { Target, type TargetFlags } from '../target.ts';

export async function history(
  id: number,
  flags: TargetFlags & OutputFlags & { from?: number; to?: number },
): Promise<void> {
  const out = new Output(flags);
  const names = new Names();
  for await (const event of new Target(flags).api().history(id, flags.from, flags.to)) {
    names.learn(event);
    out.result(event, () => `${eventLine(event, names.of, out.paint)}${privates(event.private)}`);
    // A slow reader must not make us hold the whole history.
    if (process.stdout.writableNeedDrain) await new Promise((resolve) => process.stdout.once('drain', resolve));
  }
}

const privates = (fields: Record<string, unknown> | undefined): string => {
  const shown = Object.entries(fields ?? {}).filter(([, value]) => typeof value !== 'object');
  return shown.length === 0 ? '' : `  [${shown.map(([key, value]) => `${key} ${value}`).join(', ')}]`;
};
