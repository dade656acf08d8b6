/** The flags of `ring plan` and `ring apply`, as the body of POST /v1/cluster/plan. */
import { duration } from '../duration.ts';
import { UsageError } from '../exit-code.ts';

export interface ChangeFlags {
  readonly weight?: readonly string[];
  readonly pin?: readonly string[];
  readonly unpin?: readonly string[];
  readonly remove?: readonly string[];
  readonly reason?: string;
  readonly for?: string;
}

export function changeOf(flags: ChangeFlags): object {
  const pairs = (texts: readonly string[] | undefined, flag: string, form: string): [string, string][] =>
    (texts ?? []).map((text) => {
      const [, name, value] = /^([^=]+)=([^=]+)$/.exec(text) ?? [];
      if (name === undefined || value === undefined) throw new UsageError(`${flag} ${text}: give ${form}`);
      return [name, value];
    });
  const weights = pairs(flags.weight, '--weight', 'a node and its weight, such as n1=2').map(([node, weight]) => {
    const value = Number(weight);
    if (!Number.isFinite(value)) throw new UsageError(`--weight ${node}=${weight}: give a number from 0 to 100`);
    return [node, value] as const;
  });
  const unpin = (flags.unpin ?? []).map((text) => {
    if (!/^\d{1,3}$/.test(text)) throw new UsageError(`--unpin ${text}: give a slot from 0 to 255`);
    return Number(text);
  });
  const pins = pairs(flags.pin, '--pin', 'a slot and its node, such as 17=n3');
  if (flags.for !== undefined && pins.length === 0) throw new UsageError('--for is how long pins hold: give --pin too');
  return {
    weights: Object.fromEntries(weights),
    pins: Object.fromEntries(pins),
    unpin,
    remove: flags.remove ?? [],
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
    ...(flags.for === undefined ? {} : { expires_s: Math.ceil(duration(flags.for, '--for') / 1_000) }),
  };
}
