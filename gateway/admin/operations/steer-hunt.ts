import type { z } from 'zod';
import type { Steer, Steered } from '../../../actors/hunt/interface.ts';
import type { Claims } from '../../token/claims.ts';
import type { Answer, Undertaking } from '../idempotency.ts';
import { Problem, problemOf } from '../problem.ts';
import type { adjustBody, announceBody, disqualifyBody, extendBody, reasonBody, voidBody } from '../schemas.ts';
import type { Operations } from './operations.ts';

/** A designer's verb with its body, both checked. */
export type Steering =
  | { readonly verb: 'open' | 'pause' | 'resume' | 'close'; readonly body: z.output<typeof reasonBody> }
  | { readonly verb: 'extend'; readonly body: z.output<typeof extendBody> }
  | { readonly verb: 'adjust'; readonly body: z.output<typeof adjustBody> }
  | { readonly verb: 'void'; readonly body: z.output<typeof voidBody> }
  | { readonly verb: 'disqualify'; readonly body: z.output<typeof disqualifyBody> }
  | { readonly verb: 'announce'; readonly body: z.output<typeof announceBody> };
export type Verb = Steering['verb'];

/** Carried out by the hunt. `key` goes with it, so that a second try has no second effect. */
export async function steerHunt(
  ops: Operations,
  caller: Claims,
  huntId: number,
  { verb, body }: Steering,
  { key }: Undertaking,
): Promise<Answer> {
  const { closes, ...rest } = body as Record<string, unknown> & { closes?: string };
  const command: Steer & Record<string, unknown> = { ...rest, by: caller.sub };
  if (key !== undefined) command.key = key;
  if (closes !== undefined) command.closes = closingTime(closes);
  const outcome = await ops.ports.route.call({ kind: 'hunt', id: huntId }, verb, command);
  if (!outcome.ok) throw problemOf(outcome);
  return { status: 200, body: answerOf(verb, huntId, outcome.version, outcome.body as Steered) };
}

function closingTime(closes: string): number {
  const at = Date.parse(closes);
  if (!Number.isSafeInteger(at) || at < 0)
    throw new Problem('INVALID', 'closes must be a time after 1970', {
      errors: [{ path: '/closes', message: 'must be a time after 1970' }],
    });
  return at;
}

function answerOf(verb: Verb, huntId: number, version: number, steered: Steered): object {
  const base = { hunt_id: huntId, version };
  switch (verb) {
    case 'announce':
      return base;
    case 'extend':
      return {
        ...base,
        status: steered.status,
        ...(steered.closes_at === undefined ? {} : { closes_at: steered.closes_at }),
      };
    case 'adjust':
    case 'void':
    case 'disqualify':
      return { ...base, status: steered.status, ...(steered.total === undefined ? {} : { total: steered.total }) };
    case 'open':
    case 'pause':
    case 'resume':
    case 'close':
      return { ...base, status: steered.status };
  }
}
