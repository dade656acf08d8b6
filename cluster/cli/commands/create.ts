import { readFileSync } from 'node:fs';
import { UsageError } from '../exit-code.ts';
import { Output, type OutputFlags } from '../output.ts';
import { Target, type TargetFlags } from '../target.ts';

export async function create(
  file: string,
  flags: TargetFlags & OutputFlags & { open?: boolean; dryRun?: boolean },
): Promise<void> {
  const out = new Output(flags);
  if (flags.open && flags.dryRun)
    throw new UsageError('--open and --dry-run exclude one another: a dry run creates nothing that could be opened');
  const target = new Target(flags);
  const definition = readDefinition(file);
  const api = target.api('designer');
  if (flags.dryRun) {
    const answer = await api.createHunt(definition, { dryRun: true });
    out.result(answer, () =>
      ['The definition is valid.', ...answer.warnings.map((warning) => `  warning: ${warning}`)].join('\n'),
    );
    return;
  }
  let hunt = await api.createHunt(definition);
  // Only a draft waits for a hand; a definition with an opening time opens by itself.
  if (flags.open && (hunt.status === 'draft' || hunt.status === 'scheduled'))
    hunt = { ...hunt, ...(await api.steer(hunt.hunt_id, 'open')) };
  out.result(hunt, () =>
    [
      `Created hunt ${out.paint('bold', String(hunt.hunt_id))} (${hunt.status}, slot ${hunt.slot})`,
      `  join code  ${out.paint('green', hunt.join_code)}`,
      `  play       hunt play ${hunt.join_code} --name NAME    or ${target.http}/play/${hunt.join_code}`,
      `  watch      hunt watch ${hunt.hunt_id}`,
      ...(hunt.status === 'draft' ? [`  It is a draft: open it by hand (hunt create --open does it at once).`] : []),
    ].join('\n'),
  );
}

/** JSON is a part of YAML, but its errors are told in its own words: JSON goes as JSON. */
function readDefinition(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new UsageError(
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code}): name a file with a definition, or - for stdin`,
    );
  }
  if (!file.endsWith('.json')) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`);
  }
}
