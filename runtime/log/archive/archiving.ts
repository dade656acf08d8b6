/**
 * Putting history into the archive, one object at a time, and proving that it is there. Who decides what and when is
 * projections/archive.ts; nothing here touches the log.
 */
import type { Position, Slot } from '../../../proto/ids.ts';
import type { LogRecord } from '../event-log.ts';
import type { Archive } from './archive.ts';
import { readFooter } from './archive-reader.ts';
import { catalogDue, decodeCatalog, encodeCatalog } from './catalog.ts';
import { nameOf, type ObjectName } from './object-name.ts';
import { openBlock } from './record-block.ts';
import { decodeObject, encodeObject, ObjectCheck, type ObjectMeta, objectMark } from './record-object.ts';
import { indexLength, ObjectDamagedError, trailerBytes } from './sealed.ts';
import { type Listed, Shelf } from './shelf.ts';
import type { StreamTable } from './stream-table.ts';

/** Thrown when the archive does not give back what it was given: nothing may leave the log on its word. */
export class ArchiveUnfaithfulError extends Error {
  override readonly name = 'ArchiveUnfaithfulError';
}

/** Writes the records of positions [from, to) as one object, and reads it back. */
export async function archiveRecords(
  archive: Archive,
  meta: Omit<ObjectMeta, 'records' | 'recordBytes'>,
  records: readonly LogRecord[],
): Promise<{ readonly listed: Listed; readonly meta: ObjectMeta }> {
  const { bytes, footer } = await encodeObject(meta, records);
  const name: ObjectName = { slot: meta.slot, from: meta.from, to: meta.to, level: 0 };
  const object = await putProved(archive, name, bytes);
  return { listed: { ...name, object, bytes: bytes.length }, meta: footer.meta };
}

async function putProved(archive: Archive, name: ObjectName, bytes: Buffer): Promise<string> {
  const object = nameOf(name);
  await archive.put(object, bytes);
  const back = await archive.get(object);
  if (back === undefined || !back.equals(bytes))
    throw new ArchiveUnfaithfulError(
      `archive object ${object}: ${back === undefined ? 'nothing' : `${back.length} other bytes`} where ${bytes.length} were put`,
    );
  return object;
}

/** Every record of the object, from the archive itself and with every checksum looked at. Throws {@link ObjectDamagedError}. */
export async function readObject(archive: Archive, object: string): Promise<readonly LogRecord[]> {
  const bytes = await archive.get(object);
  if (bytes === undefined) throw new ObjectDamagedError(object, 'it is gone');
  return (await decodeObject(bytes, object)).records;
}

/** The same block by block, for whoever cannot hold it whole: what comes before damage is given before it throws. */
export async function* readBlocks(archive: Archive, listed: Listed): AsyncGenerator<readonly LogRecord[], void, void> {
  const { object } = listed;
  const get = async (offset: number, length: number): Promise<Buffer> =>
    (await archive.get(object, { offset, length })) ?? Buffer.alloc(0);
  const footer = await readFooter(archive, listed);
  const check = new ObjectCheck(footer, object, await get(0, objectMark.length));
  for (const place of footer.blocks) {
    const records = await openBlock(await get(place.offset, place.packed), place, object);
    check.block(place, records);
    yield records;
  }
  check.end(listed.bytes - trailerBytes - indexLength(await get(listed.bytes - trailerBytes, trailerBytes), object));
}

/** Whether two records are the same in everything, their place included. */
export const isSameRecord = (a: LogRecord, b: LogRecord): boolean =>
  a.position === b.position &&
  a.version === b.version &&
  a.count === b.count &&
  a.epoch === b.epoch &&
  a.stream.id === b.stream.id &&
  a.stream.kind === b.stream.kind &&
  a.bytes.byteLength === b.bytes.byteLength &&
  Buffer.compare(a.bytes, b.bytes) === 0;

/** Writes the catalogs that are due of what is listed. Resolves with how many. */
export async function writeCatalogs(archive: Archive, slot: Slot): Promise<number> {
  for (let written = 0; ; written++) {
    const shelf = await Shelf.list(archive, slot);
    const due = catalogDue(shelf.cover);
    if (due === undefined) return written;
    const parts: { name: Listed; table: StreamTable }[] = [];
    for (const name of due) parts.push({ name, table: await tableOf(archive, name) });
    const catalog = await encodeCatalog(parts);
    if (catalog === undefined) return written;
    await putProved(archive, catalog.name, catalog.bytes);
  }
}

async function tableOf(archive: Archive, listed: Listed): Promise<StreamTable> {
  if (listed.level === 0) return (await readFooter(archive, listed)).table;
  const bytes = await archive.get(listed.object);
  if (bytes === undefined) throw new ObjectDamagedError(listed.object, 'it is gone');
  return decodeCatalog(bytes, listed.object);
}

/** Up to where the archive holds the slot without a gap, from where it begins; 0 if it holds nothing. */
export function archivedTo(shelf: Shelf): Position {
  let to = (shelf.records[0]?.from ?? 0) as Position;
  for (const listed of shelf.records) {
    if (listed.from > to) break;
    to = listed.to;
  }
  return to;
}
