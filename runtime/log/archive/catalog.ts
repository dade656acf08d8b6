/**
 * Catalogs: in which objects of a long stretch of a slot each stream is, so that a stream of which nothing was heard for
 * years is found in a few reads. Made of what {@link catalogFanIn} neighbours of one level say, derived from them, and worth
 * nothing without them: a damaged one is left aside.
 *
 *   "HUNTCAT1", then sealed (sealed.ts): u32 slot, u32 level, f64 from, f64 to; then the stream table, whose places are the
 *   positions [from, to) of objects of records
 */
import { catalogLevelMax, coverOf, type ObjectName } from './object-name.ts';
import { indexLength, ObjectDamagedError, openSealed, seal, trailerBytes } from './sealed.ts';
import { type Row, StreamTable } from './stream-table.ts';

const catalogMark = 'HUNTCAT1';
const metaBytes = 24;
export const catalogFanIn = 32;
/** About 20 MB: a catalog beyond would cost whoever looks into it more than it saves. */
const catalogRowsMax = 400_000;

/** The newest objects of the slot that a catalog should be made of now; undefined if there are not enough. */
export function catalogDue<N extends ObjectName>(names: readonly N[]): readonly N[] | undefined {
  const newest = coverOf(names).slice(-catalogFanIn);
  const level = newest[0]?.level ?? 0;
  if (newest.length < catalogFanIn || level >= catalogLevelMax) return undefined;
  const isRow = newest.every((one, i) => one.level === level && (i === 0 || one.from <= (newest[i - 1] as N).to));
  return isRow ? newest : undefined;
}

/** Of neighbours of one level, in the order of positions. Undefined if it would be too large to be of use. */
export async function encodeCatalog(
  parts: readonly { readonly name: ObjectName; readonly table: StreamTable }[],
): Promise<{ readonly name: ObjectName; readonly bytes: Buffer } | undefined> {
  const [first, last] = [parts[0]?.name as ObjectName, parts.at(-1)?.name as ObjectName];
  const rows = [...rowsOf(parts)];
  if (rows.length > catalogRowsMax) return undefined;
  const name = { ...first, to: last.to, level: first.level + 1 };
  const meta = Buffer.alloc(metaBytes);
  meta.writeUInt32LE(name.slot, 0);
  meta.writeUInt32LE(name.level, 4);
  meta.writeDoubleLE(name.from, 8);
  meta.writeDoubleLE(name.to, 16);
  const index = Buffer.concat([meta, StreamTable.of(rows).bytes]);
  return { name, bytes: Buffer.concat([Buffer.from(catalogMark, 'latin1'), ...(await seal(index))]) };
}

/** One row for each stream and object; versions that overlapping objects both have count for the first. */
function* rowsOf(parts: readonly { readonly name: ObjectName; readonly table: StreamTable }[]): Iterable<Row> {
  const known = new Map<string, number>();
  for (const { name, table } of parts) {
    let open: { kind: string; id: number; first: number; last: number; place: readonly [number, number] } | undefined;
    for (const row of table.rows()) {
      const place = name.level === 0 ? ([name.from, name.to] as const) : row.place;
      const key = `${row.kind}/${row.id}`;
      const first = Math.max(row.first, (known.get(key) ?? 0) + 1);
      if (first > row.last) continue;
      known.set(key, row.last);
      const goesOn = open?.kind === row.kind && open.id === row.id && open.place[0] === place[0];
      if (open !== undefined && goesOn) open.last = row.last;
      else {
        if (open !== undefined) yield open;
        open = { kind: row.kind, id: row.id, first, last: row.last, place };
      }
    }
    if (open !== undefined) yield open;
  }
}

/** From all of its bytes. Throws {@link ObjectDamagedError}. */
export async function decodeCatalog(bytes: Buffer, object: string): Promise<StreamTable> {
  const trailer = bytes.subarray(Math.max(0, bytes.length - trailerBytes));
  const start = catalogMark.length;
  if (
    start + indexLength(trailer, object) + trailerBytes !== bytes.length ||
    bytes.toString('latin1', 0, start) !== catalogMark
  )
    throw new ObjectDamagedError(object, 'it does not begin as a catalog');
  const index = await openSealed(bytes.subarray(start, bytes.length - trailerBytes), trailer, object);
  try {
    return new StreamTable(index.subarray(metaBytes));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ObjectDamagedError(object, 'its table is cut short');
  }
}
