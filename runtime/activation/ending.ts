import type { ErrorCode } from '../../proto/error-code.ts';
import type { EndReason } from './lifecycle.ts';

/** What those that got no answer from an activation are told when it ends. */
export interface Ending {
  /** What another activation of the same owner may try at once: all that wait, only reads (of the answered ones too), or nothing. */
  readonly carry: 'all' | 'reads' | 'none';
  readonly code: ErrorCode;
  readonly message: string;
}

export const endings: Readonly<Record<EndReason, Ending>> = {
  idle: { carry: 'all', code: 'BUSY', message: 'the actor was put to sleep: send it again' },
  memory: { carry: 'all', code: 'BUSY', message: 'the actor was put to sleep: send it again' },
  pages_lost: { carry: 'all', code: 'BUSY', message: 'the actor is rebuilt from its log: send it again' },
  fault: { carry: 'all', code: 'BUSY', message: 'the actor starts again after a fault: send it again' },
  load_failed: { carry: 'all', code: 'BUSY', message: 'the actor could not be loaded: send it again' },
  handoff: { carry: 'none', code: 'NOT_OWNER', message: 'the slot moves to another node: send it there' },
  conflict: { carry: 'none', code: 'NOT_OWNER', message: 'another node wrote this log: ask for the present owner' },
  fenced: { carry: 'none', code: 'NOT_OWNER', message: 'the slot has a newer owner: ask for it' },
  refused: { carry: 'reads', code: 'BUSY', message: 'the log takes no appends at present: send it again' },
  ambiguous: {
    carry: 'none',
    code: 'NOT_OWNER',
    message: 'the outcome of an append is not known: ask for the present owner',
  },
  log_unavailable: { carry: 'none', code: 'BUSY', message: 'the log cannot be reached: send it again' },
  unreadable: {
    carry: 'none',
    code: 'HUNT_UNREADABLE',
    message: 'the log holds an event that this release cannot read: update the node',
  },
};

/** The ending's words, with what the log said where that helps whoever reads them. */
export function explained(reason: EndReason, error: unknown): string {
  const { message } = endings[reason];
  if ((reason !== 'log_unavailable' && reason !== 'refused') || error === undefined) return message;
  return `${message} (${error instanceof Error ? error.message : String(error)})`;
}
