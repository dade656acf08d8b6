import type { HuntDefinition } from '../../../actors/hunt/definition.ts';
import type { Steered } from '../../../actors/hunt/interface.ts';
import type { Claims } from '../../token/claims.ts';
import type { Answer } from '../idempotency.ts';
import { problemOf } from '../problem.ts';
import { checkDefinition, type DefinitionSource } from './create-hunt.ts';
import type { Operations } from './operations.ts';

/** The next version of a hunt's definition. Publishing the same once more makes one more version and changes nothing else. */
export async function publishDefinition(
  ops: Operations,
  caller: Claims,
  huntId: number,
  source: DefinitionSource,
): Promise<Answer> {
  const { definition, warnings } = await checkDefinition(ops, source);
  const outcome = await ops.ports.route.call({ kind: 'hunt', id: huntId }, 'publish', { definition, by: caller.sub });
  if (!outcome.ok) throw problemOf(outcome);
  return {
    status: 200,
    body: {
      hunt_id: huntId,
      version: outcome.version,
      definition_version: (outcome.body as Steered).definition_version,
      ...(warnings.length > 0 ? { warnings } : {}),
    },
  };
}

/** What would be different had the hunt been played under this definition. Publishes nothing. */
export async function shadowPublish(ops: Operations, huntId: number, source: DefinitionSource): Promise<Answer> {
  const { definition, warnings } = await checkDefinition(ops, source);
  const report = await ops.ports.shadowRun(huntId, definition as HuntDefinition);
  return { status: 200, body: { hunt_id: huntId, ...report, ...(warnings.length > 0 ? { warnings } : {}) } };
}
