import { huntActor } from '../../actors/hunt/actor.ts';
import { joinCodeActor } from '../../actors/join-code/actor.ts';
import { requestKeyActor } from '../../actors/request-key/actor.ts';

import type { AnyActorKind } from '../../runtime/define-actor.ts';

/** Every kind of actor that a node can bring to life. */
export const actorKinds: readonly AnyActorKind[] = [huntActor, joinCodeActor, requestKeyActor];
