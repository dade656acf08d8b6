/** What an error of PostgreSQL means to whoever wrote: the columns of SQLSTATE that matter, in the projections' words. */
export type SqlFault =
  /** Nobody knows what became of it, or it came at a bad time: roll back, read the checkpoint, do the same again. */
  | 'unknown'
  /** A table or column is not there: the schema is to be made again. */
  | 'schema'
  /** The server refuses these values and would again. */
  | 'data'
  /** Rights, syntax, limits: an operator must act. */
  | 'refused';

/** Connection faults, crashed workers of Citus, shutdowns, failovers, deadlocks, time limits, a server that became a standby. */
const unknownStates = /^(08|53|XX000$|57P0[1234]$|57014$|40|55P03$|25006$|25P03$|57P05$|55006$|58)/;

export function faultOf(error: unknown): SqlFault {
  const { code } = (error ?? {}) as { code?: unknown };
  // A socket's error has a name such as ECONNRESET, a time limit none at all.
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return 'unknown';
  if (unknownStates.test(code)) return 'unknown';
  if (/^(42P01|42703|3F000)$/.test(code)) return 'schema';
  if (/^(22|23)/.test(code)) return 'data';
  return 'refused';
}

/** One sentence for logs and for the row of a parked hunt. On Citus the names of constraints end in the shard's number. */
export function sentenceOf(error: unknown): string {
  const { code, constraint } = (error ?? {}) as { code?: unknown; constraint?: unknown };
  const message = error instanceof Error && error.message !== '' ? error.message : String(code ?? error);
  const named = typeof constraint === 'string' ? message.replaceAll(constraint, withoutShard(constraint)) : message;
  return typeof code === 'string' ? `${named} (${code})` : named;
}

export const withoutShard = (name: string): string => name.replace(/_\d{6,}$/, '');
