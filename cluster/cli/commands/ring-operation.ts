import { duration } from '../duration.ts';
import { Output, type OutputFlags } from '../output.ts';
import { RingApi } from '../ring/ring-api.ts';
import { describeOperation, reportOperation, watchOperation } from '../ring/watch-operation.ts';
import { Target, type TargetFlags } from '../target.ts';

type Flags = TargetFlags & OutputFlags;
export interface DrainFlags extends Flags {
  readonly stay?: boolean;
  readonly restart?: boolean;
  readonly deadline?: string;
  /** `--no-wait` */
  readonly wait?: boolean;
}

export async function ringRollback(id: string, flags: Flags): Promise<void> {
  const out = new Output(flags);
  const api = new RingApi(new Target(flags).api());
  const begun = await api.rollBack(id);
  reportOperation(out, await watchOperation(api, begun, out.quiet), begun.id, 'rolled_back');
}

export async function ringDrain(node: string, flags: DrainFlags): Promise<void> {
  const out = new Output(flags);
  const api = new RingApi(new Target(flags).api());
  const begun = await api.drain(node, {
    ...(flags.stay === true ? { stay: true } : {}),
    ...(flags.restart === true ? { restart: true } : {}),
    ...(flags.deadline === undefined ? {} : { deadline_s: Math.ceil(duration(flags.deadline, '--deadline') / 1_000) }),
  });
  if (flags.wait === false) out.result(begun, () => describeOperation(begun));
  else reportOperation(out, await watchOperation(api, begun, out.quiet), begun.id, 'done');
}
