import { UnreadableEventError } from '../../../runtime/define-actor.ts';
import { LogDamagedError, LogUnavailableError } from '../../../runtime/log/event-log.ts';
import { huntNotFound } from '../hunt-directory.ts';
import type { EventPage } from '../ports.ts';
import { Problem } from '../problem.ts';
import type { Operations } from './operations.ts';

/** Encoded bytes of one page, about: a page ends before it would be larger. */
export const eventsPageBytesMax = 2 * 1024 * 1024;

export interface EventsAnswer extends EventPage {
  /** The `from` of the next page, or undefined at the head. */
  readonly next: number | undefined;
}

/** A page of the hunt's history, out of the log itself. */
export async function readEvents(
  ops: Operations,
  huntId: number,
  { from, limit }: { from: number; limit: number },
): Promise<EventsAnswer> {
  let page: EventPage;
  try {
    page = await ops.ports.events.read(huntId, from, limit, eventsPageBytesMax);
  } catch (error) {
    throw logFault(error);
  }
  if (page.head === 0) throw huntNotFound(huntId);
  if (from < page.oldest - 1) throw trimmed(page.oldest);
  const last = page.events.at(-1)?.version ?? from;
  return { ...page, next: last < page.head && page.events.length > 0 ? last : undefined };
}

export const trimmed = (oldest: number): Problem =>
  new Problem('TRIMMED', `events before version ${oldest} are archived: read on from ${oldest - 1}`, {
    members: { oldest },
  });

/** What a failed read of the log is to the caller; anything else stays what it is. */
export function logFault(error: unknown): unknown {
  if (error instanceof LogUnavailableError) return new Problem('BUSY', 'the log cannot be reached just now: try again');
  if (error instanceof LogDamagedError)
    return new Problem(
      'HUNT_UNREADABLE',
      'a part of this hunt\'s log is damaged: an operator finds it with "hunt log verify"',
    );
  return error;
}

/** The page's events as the designer's API shows them. */
export function showEvents(ops: Operations, page: EventPage): Record<string, unknown>[] {
  try {
    return page.events.map((event) => ops.ports.events.show(event));
  } catch (error) {
    if (error instanceof UnreadableEventError)
      throw new Problem('HUNT_UNREADABLE', 'this hunt has events of a newer release: upgrade this gateway');
    throw error;
  }
}
