import type { Action } from '../../proto/generated/hunt/v1/ingest.ts';
import type { HuntDefinition } from './definition.ts';

/** What can be asked of a hunt: the players' eleven actions, the designers' verbs, and the alarm's wake. */
export type PlayerAction = NonNullable<Action['action']>;
export type PlayerActionName = PlayerAction['$case'];
export type Of<Name extends PlayerActionName> = Extract<PlayerAction, { $case: Name }>['value'];

export interface Subject {
  /** Exactly one of the two is not empty. */
  readonly player: string;
  readonly team: string;
}
export interface Steer {
  readonly reason: string;
  /** Idempotency-Key; empty: none. */
  readonly key: string;
}
export type Verb =
  | {
      readonly $case: 'create';
      readonly definition: HuntDefinition;
      readonly owner: string;
      readonly joinCode: string;
      readonly lineage: string;
    }
  | (Steer & { readonly $case: 'open' | 'pause' | 'resume' | 'close' })
  | (Steer & { readonly $case: 'extend'; readonly closes: number | undefined; readonly minutes: number | undefined })
  | (Steer & Subject & { readonly $case: 'adjust'; readonly points: number })
  | (Steer & { readonly $case: 'void'; readonly version: number })
  | (Steer & Subject & { readonly $case: 'disqualify' })
  | (Steer & { readonly $case: 'announce'; readonly text: string })
  | (Steer & { readonly $case: 'publish'; readonly definition: HuntDefinition });
export type VerbName = Verb['$case'];
export type VerbOf<Name extends VerbName> = Extract<Verb, { $case: Name }>;
export type Wake = { readonly $case: 'wake' };
export type HuntAction = PlayerAction | Verb | Wake;
