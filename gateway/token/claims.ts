import { z } from 'zod';
import { idPattern } from '../../proto/ids.ts';

/** What a verified token says. `exp` is in ms since 1970, as all machine times are. */
export interface Claims {
  readonly sub: string;
  readonly role: Role;
  /** Players only: the hunts that the token is for; `*` = any (bots). */
  readonly hunt?: HuntClaim;
  readonly name?: string;
  readonly exp: number;
}
export type Role = 'player' | 'designer' | 'operator';
export type HuntClaim = number | readonly number[] | '*';

/** Hunts that one player token may name. */
export const claimedHuntsMax = 100;

const huntId = z.int().positive();

/** The payload as it travels. Unknown claims are ignored. */
export const payloadSchema = z
  .object({
    iss: z.literal('hunt'),
    aud: z.union([z.literal('hunt'), z.array(z.string()).refine((all) => all.includes('hunt'))]),
    sub: z.string().regex(idPattern),
    role: z.enum(['player', 'designer', 'operator']),
    exp: z.number().positive(),
    hunt: z.union([huntId, z.array(huntId).min(1).max(claimedHuntsMax), z.literal('*')]).optional(),
    name: z.string().max(200).optional(),
  })
  .refine((payload) => payload.role !== 'player' || payload.hunt !== undefined);

/** The claims of a payload whose signature was verified, or undefined if it is not one of ours. */
export function claimsOf(payload: unknown): Claims | undefined {
  const parsed = payloadSchema.safeParse(payload);
  if (!parsed.success) return undefined;
  const { sub, role, exp, hunt, name } = parsed.data;
  return {
    sub,
    role,
    exp: exp * 1000,
    ...(role === 'player' && hunt !== undefined ? { hunt } : {}),
    ...(name === undefined ? {} : { name }),
  };
}

/** Whether the hunt claim covers that hunt. Designers and operators have none: ownership is judged elsewhere. */
export function claimsHunt(claims: Claims, huntId: number): boolean {
  if (claims.role !== 'player') return true;
  const { hunt } = claims;
  return hunt === '*' || hunt === huntId || (Array.isArray(hunt) && hunt.includes(huntId));
}
