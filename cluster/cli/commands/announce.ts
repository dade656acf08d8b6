import { Output, type OutputFlags } from '../output.ts';
import { Target, type TargetFlags } from '../target.ts';

export async function announce(id: number, text: string, flags: TargetFlags & OutputFlags): Promise<void> {
  const out = new Output(flags);
  const answer = await new Target(flags).api().announce(id, text);
  out.result(answer, () => `Announced to every player of hunt ${id} (version ${answer.version}).`);
}
