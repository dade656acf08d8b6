import { duration } from '../duration.ts';
import { localDateTime, Output, type OutputFlags } from '../output.ts';
import { RingApi } from '../ring/ring-api.ts';
import { Target, type TargetFlags } from '../target.ts';

type Flags = TargetFlags & OutputFlags;

export async function ringFreeze(flags: Flags & { readonly reason: string; readonly for: string }): Promise<void> {
  const out = new Output(flags);
  const forS = Math.ceil(duration(flags.for, '--for') / 1_000);
  const answer = await new RingApi(new Target(flags).api()).freeze(flags.reason, forS);
  out.result(
    answer,
    () => `Frozen until ${localDateTime(answer.frozen?.until)}: only the slots of dead nodes move. (${flags.reason})`,
  );
}

export async function ringUnfreeze(flags: Flags): Promise<void> {
  const out = new Output(flags);
  const answer = await new RingApi(new Target(flags).api()).unfreeze();
  out.result(answer, () => 'Slots may move again.');
}
