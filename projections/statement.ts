/**
 * SQL as values: every statement is a pure function of its input, so that a test can look at all of them. What they have
 * in common (I7): one hunt or one slot, `slot_key` in the key and in every WHERE, times passed and never taken from the
 * server's clock, rows written as multi-row VALUES that a version guards.
 */
export interface Statement {
  /** Prepared once a connection under this name; without one the server plans it anew each time. */
  readonly name?: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Rows of one statement. Counts are powers of two, so that each table has eight named statements and no more. */
export const statementRowsMax = 128;

export interface Guarded {
  readonly generation: number;
  readonly version: number;
}

export interface UpsertPlan<R extends Guarded> {
  readonly table: string;
  /** The primary key, `slot_key` first; not set by an update. */
  readonly key: readonly string[];
  /** The other columns; each may name what an update sets it to instead of the new value. */
  readonly columns: readonly (string | { readonly name: string; readonly set: string })[];
  /** In the order of `key`, then `columns`. */
  readonly values: (row: R) => readonly unknown[];
  readonly keyOf: (row: R) => string;
}

/**
 * Writes rows, each unless the table holds it in a later state: a higher version, or one of a later generation (a rebuild
 * starts the next). So a statement may be repeated, and one that comes late changes nothing (I2).
 */
export function upserts<R extends Guarded>(plan: UpsertPlan<R>, rows: readonly R[]): Statement[] {
  const latest = latestOf(plan, rows);
  const statements: Statement[] = [];
  for (let at = 0; at < latest.length; ) {
    let count = statementRowsMax;
    while (count > latest.length - at) count /= 2;
    statements.push({
      name: `${plan.table}_${count}`,
      text: upsertText(plan, count),
      values: latest.slice(at, at + count).flatMap((row) => plan.values(row)),
    });
    at += count;
  }
  return statements;
}

/** PostgreSQL refuses to touch a row twice in one statement. */
function latestOf<R extends Guarded>({ keyOf }: UpsertPlan<R>, rows: readonly R[]): R[] {
  const latest = new Map<string, R>();
  for (const row of rows) {
    const key = keyOf(row);
    const other = latest.get(key);
    if (
      other === undefined ||
      other.generation < row.generation ||
      (other.generation === row.generation && other.version < row.version)
    )
      latest.set(key, row);
  }
  return [...latest.values()];
}

const texts = new Map<string, string>();

function upsertText<R extends Guarded>({ table, key, columns }: UpsertPlan<R>, count: number): string {
  const id = `${table}_${count}`;
  let text = texts.get(id);
  if (text === undefined) {
    const names = [...key, ...columns.map((column) => (typeof column === 'string' ? column : column.name))];
    const tuple = (row: number) => `(${names.map((_, i) => `$${row * names.length + i + 1}`).join(', ')})`;
    const sets = columns.map((column) =>
      typeof column === 'string' ? `${column} = excluded.${column}` : `${column.name} = ${column.set}`,
    );
    text = [
      `INSERT INTO ${table} (${names.join(', ')})`,
      `VALUES ${Array.from({ length: count }, (_, row) => tuple(row)).join(', ')}`,
      `ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${sets.join(', ')}`,
      `WHERE ${table}.generation < excluded.generation`,
      `OR (${table}.generation = excluded.generation AND ${table}.version < excluded.version)`,
    ].join(' ');
    texts.set(id, text);
  }
  return text;
}

/** What PostgreSQL's text cannot hold. The contract lets no control character in; the log could hold anything. */
export const clean = (text: string): string => (text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text);

const lastYearEndMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
/** A time for a `timestamptz` column; none and 0 are NULL. */
export function timeOf(ms: number | undefined): string | null {
  if (ms === undefined || ms === 0) return null;
  return ms > lastYearEndMs ? 'infinity' : new Date(ms).toISOString();
}
