import type { Slot } from '../proto/ids.ts';
import { catalogRowFrom, dropFromCatalog, listCatalog, writeCatalog } from './catalog-rows.ts';
import type { Connection } from './connection.ts';
import { type Listed, listSnapshots, readListed } from './hunt-rows.ts';

/** A slot whose list is compared with its rows. Rows of the list below `generation` that the slot does not have, go. */
export interface AuditedSlot {
  readonly slot: Slot;
  readonly generation: number;
}

const pageRows = 1_000;
const everyId = Number.MAX_SAFE_INTEGER;

/**
 * Makes the list say of one slot what its rows say. The list is read first: a hunt that it has then, the rows have too, since
 * they are written before it. Returns how many rows of the list were mended.
 */
export async function auditCatalog(connection: Connection, { slot, generation }: AuditedSlot): Promise<number> {
  let mended = 0;
  for (let after = 0; ; ) {
    const listed = await listedOf(connection, listCatalog(slot, after, pageRows));
    const last = listed.length < pageRows ? everyId : (listed.at(-1) as Listed).hunt_id;
    const known = new Map(listed.map((row) => [row.hunt_id, row]));
    const present = new Set<number>();
    for (let from = after; ; ) {
      const rows = await listedOf(connection, listSnapshots(slot, from, last, pageRows));
      const behind = rows.filter((row) => isBehind(known.get(row.hunt_id), row));
      for (const row of rows) present.add(row.hunt_id);
      if (behind.length > 0) mended += await mend(connection, slot, behind);
      if (rows.length < pageRows) break;
      from = (rows.at(-1) as Listed).hunt_id;
    }
    const gone = listed.filter((row) => !present.has(row.hunt_id) && row.generation < generation);
    if (gone.length > 0) {
      await connection.one(
        dropFromCatalog(
          gone.map((row) => row.hunt_id),
          generation,
        ),
      );
      mended += gone.length;
    }
    if (last === everyId) return mended;
    after = last;
  }
}

const isBehind = (listed: Listed | undefined, row: Listed): boolean =>
  listed === undefined ||
  listed.generation < row.generation ||
  (listed.generation === row.generation && listed.version < row.version);

async function mend(connection: Connection, slot: Slot, behind: readonly Listed[]): Promise<number> {
  const { rows } = await connection.one(
    readListed(
      slot,
      behind.map((row) => row.hunt_id),
    ),
  );
  await connection.run(writeCatalog(rows.map(catalogRowFrom)));
  return behind.length;
}

async function listedOf(connection: Connection, statement: ReturnType<typeof listCatalog>): Promise<Listed[]> {
  const { rows } = await connection.one(statement);
  return rows.map((row) => ({
    hunt_id: Number(row.hunt_id),
    generation: Number(row.generation),
    version: Number(row.version),
  }));
}
