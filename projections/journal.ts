/** Where the projections tell what happens; a pino logger is one. */
export interface Journal {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export const silentJournal: Journal = { info: () => {}, warn: () => {}, error: () => {} };
