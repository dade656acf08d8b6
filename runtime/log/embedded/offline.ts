/**
 * Reads the segments of a log that no process serves: every record of every segment, in the order of the log, with all
 * damage reported where it lies. Changes nothing; needs neither index nor lock. Shows also what a slot was let go of, as long
 * as its segment is kept; segments that were removed are none that are missing.
 */
import { join } from 'node:path';
import type { Slot } from '../../../proto/ids.ts';
import { LogDamagedError, type LogRecord } from '../event-log.ts';
import { readBase } from './base.ts';
import { type Disk, systemDisk } from './disk.ts';
import { at, positionOf, readRecord, recordType, slotAt } from './record.ts';
import { lastNonZero, scanSegment } from './scan.ts';
import { listSegments, segmentHeaderBytes, segmentName, segmentSizeOf } from './segments.ts';

export type OfflineItem =
  | { readonly kind: 'record'; readonly slot: Slot; readonly record: LogRecord }
  | { readonly kind: 'take'; readonly slot: Slot; readonly epoch: number; readonly position: number }
  /** `record`: the header survived and names what was lost. */
  | {
      readonly kind: 'damage';
      readonly from: number;
      readonly to: number;
      readonly what: string;
      readonly record?: LogRecord;
    }
  /** Not damage: the end of a commit that never completed, which the next start cuts. */
  | { readonly kind: 'torn'; readonly from: number; readonly bytes: number };

/** `dir`: the log process's folder. */
export async function* openSegmentsReadOnly(
  dir: string,
  disk: Disk = systemDisk,
): AsyncGenerator<OfflineItem, void, void> {
  const folder = join(dir, 'segments');
  let first = 1;
  try {
    first = (await readBase(disk, folder))?.floor ?? 1;
  } catch (error) {
    if (!(error instanceof LogDamagedError)) throw error;
    yield { kind: 'damage', from: 0, to: 0, what: error.message };
  }
  const numbers = (await listSegments(disk, folder)).filter((number) => number >= first);
  let last = numbers.at(-1) ?? 0;
  const load = async (number: number): Promise<Buffer> => {
    const file = await disk.open(join(folder, segmentName(number)), { readOnly: true });
    try {
      const header = Buffer.alloc(segmentHeaderBytes);
      await file.read(header, 0);
      const size = segmentSizeOf(header, number) ?? (await sizeOf(file));
      const bytes = Buffer.allocUnsafeSlow(size);
      return bytes.subarray(0, await file.read(bytes, 0));
    } finally {
      await file.close();
    }
  };
  // Segments that were only prepared hold nothing.
  while (
    last > first &&
    numbers.includes(last) &&
    lastNonZero(await load(last), segmentHeaderBytes) <= segmentHeaderBytes
  )
    last--;
  for (let number = first; number <= last; number++) {
    if (!numbers.includes(number)) {
      const what = 'the segment is missing';
      yield { kind: 'damage', from: positionOf(number, 0), to: positionOf(number + 1, 0), what };
      continue;
    }
    const bytes = await load(number);
    const items: OfflineItem[] = [];
    const end = scanSegment(
      bytes,
      number,
      segmentHeaderBytes,
      { last: number === last, cutAtFirstFault: false },
      {
        record(_, offset) {
          const type = bytes[offset + at.type];
          const record = readRecord(bytes, offset);
          const slot = slotAt(bytes, offset);
          if (type === recordType.events) items.push({ kind: 'record', slot, record });
          else if (type === recordType.take)
            items.push({ kind: 'take', slot, epoch: record.epoch, position: record.position });
        },
        damagedRecord(_, offset) {
          const record = readRecord(bytes, offset);
          items.push({
            kind: 'damage',
            from: record.position,
            to: record.position + record.bytes.length,
            what: 'the body fails its checksum',
            record,
          });
        },
        damagedRegion(from, to) {
          items.push({ kind: 'damage', from, to, what: 'no record can be read' });
        },
      },
    );
    yield* items;
    if (end.tornUpTo !== undefined)
      yield { kind: 'torn', from: positionOf(number, end.offset), bytes: end.tornUpTo - end.offset };
  }
}

async function sizeOf(file: { read(into: Buffer, offset: number): Promise<number> }): Promise<number> {
  const chunk = Buffer.allocUnsafe(1024 * 1024);
  for (let size = 0; ; ) {
    const got = await file.read(chunk, size);
    size += got;
    if (got < chunk.length) return size;
  }
}
