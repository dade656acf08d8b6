import type { Steered } from '../../../actors/hunt/interface.ts';
import type { StreamId } from '../../../proto/ids.ts';
import { joinCodeNumber, slotOf } from '../../../proto/ids.ts';
import type { CallOutcome } from '../../act/route.ts';
import type { Claims } from '../../token/claims.ts';
import type { Answer, Undertaking } from '../idempotency.ts';
import { Problem, problemOf } from '../problem.ts';
import { derivedJoinCode, type Operations } from './operations.ts';

/** Codes that are tried before giving up: with a billion codes and a million hunts, one in a thousand is taken. */
export const joinCodeTriesMax = 8;
/** Hunt ids that are tried: two gateways can draw the same one only in the same millisecond. */
const huntIdTriesMax = 3;

export interface DefinitionSource {
  readonly text: string;
  readonly format: 'json' | 'yaml';
}

export async function checkDefinition(
  ops: Operations,
  source: DefinitionSource,
): Promise<{ definition: object; warnings: readonly string[] }> {
  const parsed = await ops.ports.parseDefinition(source);
  if (parsed.ok) return parsed;
  const first = parsed.errors[0];
  const more = parsed.errors.length > 1 ? ` (and ${parsed.errors.length - 1} more, see errors)` : '';
  throw new Problem(
    'INVALID',
    `the definition has faults: ${first === undefined ? 'see errors' : `${first.path || '/'}: ${first.message}`}${more}`,
    { errors: parsed.errors },
  );
}

export async function dryRun(ops: Operations, source: DefinitionSource): Promise<Answer> {
  return { status: 200, body: { valid: true, warnings: (await checkDefinition(ops, source)).warnings } };
}

/** Claims a join code, then creates the hunt. Every step may be done again with the same minted ids and has no second effect. */
export async function createHunt(
  ops: Operations,
  caller: Claims,
  source: DefinitionSource,
  { minted }: Undertaking,
): Promise<Answer> {
  const { definition, warnings } = await checkDefinition(ops, source);
  for (let tries = 1; ; tries++) {
    const huntId = tries === 1 ? minted.hunt_id : ops.mintHuntId();
    const joinCode = await claimCode(ops, huntId, minted.seed);
    const body = { definition, owner: caller.sub, join_code: joinCode, lineage: ops.ports.random.token(9) };
    const created = await callAgain(ops, { kind: 'hunt', id: huntId }, 'create', body);
    const answer = (version: number, status: string): Answer => ({
      status: 201,
      body: {
        hunt_id: huntId,
        join_code: joinCode,
        slot: slotOf(huntId),
        status,
        version,
        ...(warnings.length > 0 ? { warnings } : {}),
      },
      location: `/v1/hunts/${huntId}`,
    });
    if (created.ok) return answer(created.version, (created.body as Steered).status);
    if (created.code !== 'ALREADY_DONE') throw problemOf(created);
    // Either an earlier try of this very request made it, or another gateway drew the same id.
    const access = await ops.directory.access(huntId);
    if (access.owner === caller.sub && access.join_code === joinCode) return answer(access.version, access.status);
    if (tries === huntIdTriesMax) throw new Problem('BUSY', 'no free hunt id was found: try again');
  }
}

async function claimCode(ops: Operations, huntId: number, seed: string): Promise<string> {
  for (let n = 0; n < joinCodeTriesMax; n++) {
    const code = derivedJoinCode(seed, n);
    const stream = { kind: 'code', id: joinCodeNumber(code) };
    const claimed = await callAgain(ops, stream, 'claim', { hunt_id: huntId });
    if (claimed.ok) return code;
    if (claimed.code !== 'ALREADY_DONE') throw problemOf(claimed);
    // Ours from an earlier try of the same request?
    const holder = await ops.ports.route.call(stream, 'get', {});
    if (holder.ok && (holder.body as { hunt_id?: unknown }).hunt_id === huntId) return code;
  }
  throw new Problem('BUSY', 'no free join code was found: try again');
}

/** Once more after an unknown outcome: only for commands that have no second effect. */
async function callAgain(ops: Operations, stream: StreamId, method: string, body: unknown): Promise<CallOutcome> {
  const first = await ops.ports.route.call(stream, method, body);
  return first.ok || first.code !== 'UNAVAILABLE' ? first : await ops.ports.route.call(stream, method, body);
}
