/**
 * The life of one activation: loading → active → ended, with the detours that one takes when an append's outcome is
 * unknown, when a decision threw, or when it is to hand over in good order.
 */
export type Life =
  /** Header and tail are being read; commands wait. */
  | { readonly kind: 'loading' }
  /** Takes turns. */
  | { readonly kind: 'active' }
  /** An append's outcome is unknown: no turns and no answers until the log was read. */
  | { readonly kind: 'doubting'; readonly draining: boolean }
  /** Takes no new commands; finishes those that it has, writes its pages, ends. */
  | { readonly kind: 'draining' }
  /** Its state cannot be trusted: takes no turns, lets what is in flight finish, ends. */
  | { readonly kind: 'faulted' }
  | { readonly kind: 'ended'; readonly reason: EndReason };

export type EndReason =
  | 'idle'
  | 'memory'
  | 'handoff'
  | 'conflict'
  | 'fenced'
  | 'refused'
  | 'ambiguous'
  | 'fault'
  | 'load_failed'
  | 'pages_lost'
  | 'unreadable'
  | 'log_unavailable';

export type LifeStep =
  | { readonly step: 'loaded' }
  | { readonly step: 'doubt' }
  | { readonly step: 'certain' }
  | { readonly step: 'drain' }
  | { readonly step: 'fault' }
  | { readonly step: 'end'; readonly reason: EndReason };

export class ImpossibleStepError extends Error {
  override readonly name = 'ImpossibleStepError';
}

export function transition(life: Life, step: LifeStep): Life {
  if (step.step === 'end' && life.kind !== 'ended') return { kind: 'ended', reason: step.reason };
  switch (life.kind) {
    case 'loading':
      if (step.step === 'loaded') return { kind: 'active' };
      break;
    case 'active':
      if (step.step === 'doubt') return { kind: 'doubting', draining: false };
      if (step.step === 'drain') return { kind: 'draining' };
      if (step.step === 'fault') return { kind: 'faulted' };
      break;
    case 'doubting':
      if (step.step === 'certain') return { kind: life.draining ? 'draining' : 'active' };
      if (step.step === 'drain') return { kind: 'doubting', draining: true };
      break;
    case 'draining':
      if (step.step === 'doubt') return { kind: 'doubting', draining: true };
      if (step.step === 'fault') return { kind: 'faulted' };
      if (step.step === 'drain') return life;
      break;
    case 'faulted':
      // What was in flight turned out unknown as well: the log is not asked, the end answers.
      if (step.step === 'fault' || step.step === 'drain') return life;
      break;
    case 'ended':
      break;
    default:
      return life satisfies never;
  }
  throw new ImpossibleStepError(`an activation that is ${life.kind} cannot ${step.step}`);
}
