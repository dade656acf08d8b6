/**
 * A join that says no name takes the one in the player's token: who joined by code gave it there. Done the same way on
 * socket, HTTP and gRPC, so that a resend over another of them is the same action (its fingerprint tells).
 */
import { type Action, SubmitRequest } from '../../proto/generated/hunt/v1/ingest.ts';

export interface NamedToken {
  readonly role: string;
  readonly name?: string;
}

export function withTokenName(action: Action, { role, name }: NamedToken): Action {
  const join = action.action;
  if (role !== 'player' || name === undefined || join?.$case !== 'join' || join.value.name !== '') return action;
  return { action: { $case: 'join', value: { name } } };
}

/** As {@link withTokenName}, for an encoded request. Bytes that are none go on as they are: the node refuses them. */
export function requestWithTokenName(bytes: Uint8Array, token: NamedToken): Uint8Array {
  if (token.role !== 'player' || token.name === undefined) return bytes;
  try {
    const request = SubmitRequest.decode(bytes);
    if (request.action === undefined) return bytes;
    const action = withTokenName(request.action, token);
    return action === request.action ? bytes : SubmitRequest.encode({ ...request, action }).finish();
  } catch {
    return bytes;
  }
}
