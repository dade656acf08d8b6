import { UsageError } from './exit-code.ts';

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30s`, `15m`, `12h`, `7d` in ms. */
export function duration(text: string, flag: string): number {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(amount) * (unitMs[unit ?? ''] ?? 0);
  if (!(ms > 0)) throw new UsageError(`${flag} ${text}: give a duration such as 30s, 15m, 12h or 7d`);
  return ms;
}
