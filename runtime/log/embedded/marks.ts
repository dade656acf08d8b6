/**
 * Up to which position each slot may be let go of, as a file beside the segments. How far the log makes use of that, trim.ts
 * says. A lost or damaged file shows again what was trimmed and is still there; nothing is lost by that.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { slotCount } from '../../../proto/ids.ts';
import { type Disk, readStart, replaceFile } from './disk.ts';

export const marksName = 'marks';
const marksMark = 'HUNTMRK2';
const bytesAll = 8 + slotCount * 8 + 4;

/** Undefined: there are none, or they are damaged. */
export async function readMarks(disk: Disk, folder: string): Promise<Float64Array | undefined> {
  const bytes = await readStart(disk, join(folder, marksName), bytesAll);
  if (bytes === undefined || bytes.length !== bytesAll || bytes.toString('latin1', 0, 8) !== marksMark)
    return undefined;
  if (crc32(bytes.subarray(0, bytesAll - 4)) !== bytes.readUInt32LE(bytesAll - 4)) return undefined;
  return Float64Array.from({ length: slotCount }, (_, slot) => bytes.readDoubleLE(8 + slot * 8));
}

/** Resolves when the marks survive power loss. */
export async function writeMarks(disk: Disk, folder: string, marks: Float64Array): Promise<void> {
  const bytes = Buffer.alloc(bytesAll);
  bytes.write(marksMark, 'latin1');
  for (let slot = 0; slot < slotCount; slot++) bytes.writeDoubleLE(marks[slot] as number, 8 + slot * 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, bytesAll - 4)), bytesAll - 4);
  await replaceFile(disk, folder, marksName, (file) => file.write(bytes, 0));
}
