/** The forms that settings have, whichever of the four places they come from: each says what it wants when it gets something else. */
import { z } from 'zod';

/** `N/s:burst`; `perSecond: 0` = no limit. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export const text = (remedy: string) =>
  z
    .string({ error: `must be text: ${remedy}` })
    .trim()
    .min(1, `must not be empty: ${remedy}`);
export const whole = (min: number, max: number, remedy: string) => {
  const error = `must be a whole number from ${min} to ${max}: ${remedy}`;
  return z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^\d{1,15}$/)
          .transform(Number),
      ],
      { error },
    )
    .refine((n) => Number.isInteger(n) && n >= min && n <= max, { error });
};
export const port = whole(0, 65_535, '0 takes a free port');
export const yesNo = z.union([z.boolean(), z.enum(['true', 'false']).transform((t) => t === 'true')], {
  error: 'must be true or false',
});
export const list = z
  .union([z.array(z.string()), z.string().transform((t) => t.split(','))])
  .transform((parts) => parts.map((p) => p.trim()).filter((p) => p !== ''));
export const rate = z.union([z.string(), z.number().transform(String)]).transform((t, context): Rate => {
  if (/^0(\/s(:0)?)?$/.test(t)) return { perSecond: 0, burst: 0 };
  const match = /^(\d{1,7}(?:\.\d{1,3})?)\/s:(\d{1,7})$/.exec(t);
  if (match !== null && Number(match[1]) > 0 && Number(match[2]) >= 1)
    return { perSecond: Number(match[1]), burst: Number(match[2]) };
  context.addIssue('must be N/s:burst, such as 10/s:30, or 0 for no limit');
  return z.NEVER;
});
const durationMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Into ms; 0 = off. */
export const duration = z.union([z.string(), z.number().transform(String)]).transform((t, context): number => {
  if (t === '0') return 0;
  const match = /^(\d{1,6})([smhd])$/.exec(t);
  if (match !== null) return Number(match[1]) * (durationMs[match[2] as string] as number);
  context.addIssue('must be a duration such as 90m, 24h or 7d, or 0 for off');
  return z.NEVER;
});
export const url = (protocols: readonly string[]) =>
  text(`an address that starts with ${protocols.join(' or ')}`).refine(
    (t) => URL.canParse(t) && protocols.includes(`${new URL(t).protocol}//`),
    {
      error: `must be an address that starts with ${protocols.join(' or ')}`,
    },
  );
export const origin = z.string().refine((t) => URL.canParse(t) && new URL(t).origin === t, {
  error: 'each must be an origin such as https://play.example.org, without a path',
});

export const nodeId = z.string().regex(/^[A-Za-z0-9_.-]{1,32}$/, 'must be 1 to 32 characters of A-Z a-z 0-9 _ . -');

export const weight = z
  .union(
    [
      z.number(),
      z
        .string()
        .regex(/^\d{1,3}(\.\d{1,6})?$/)
        .transform(Number),
    ],
    { error: 'must be a number from 0 to 100' },
  )
  .refine((n) => n >= 0 && n <= 100, 'must be a number from 0 to 100; 0 takes no slot');
