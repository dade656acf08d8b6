import type { Clock } from '../runtime/kernel/clock.ts';

/** Where the projections tell what happens; a pino logger is one. */
export interface Journal {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export const silentJournal: Journal = { info: () => {}, warn: () => {}, error: () => {} };

/** A server that is away is away for all who ask for it, again and again: one warning a kind in this time says so. */
const repeatMs = 10_000;

/** Passes on what is new; of warnings that say the same, one now and then, with how many were kept back. */
export function calmJournal(journal: Journal, clock: Pick<Clock, 'monotonic'>): Journal {
  const said = new Map<string, { at: number; kept: number }>();
  return {
    info: (facts, message) => journal.info(facts, message),
    error: (facts, message) => journal.error(facts, message),
    warn: (facts, message) => {
      const now = clock.monotonic();
      const last = said.get(message);
      if (last !== undefined && now - last.at < repeatMs) {
        last.kept++;
        return;
      }
      said.set(message, { at: now, kept: 0 });
      journal.warn(last === undefined || last.kept === 0 ? facts : { ...facts, repeated: last.kept }, message);
    },
  };
}
