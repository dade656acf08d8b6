/**
 * How archive objects are packed, and how each ends: an index, packed, and a trailer of fixed size by which it is found from
 * the end. Checksums are of packed bytes, so that nothing is unpacked that is not whole. Little endian:
 *
 *   u32 packed bytes of the index, u32 plain, u32 checksum of the packed index, u32 checksum of these 12, "HUNTARCE"
 */
import { promisify } from 'node:util';
import { crc32, deflateRaw as deflateRawCallback, type InputType, inflateRaw as inflateRawCallback } from 'node:zlib';
import { LogDamagedError } from '../event-log.ts';

const deflateRaw = promisify(deflateRawCallback) as (bytes: InputType, options: object) => Promise<Buffer>;
const inflateRaw = promisify(inflateRawCallback) as (bytes: InputType, options: object) => Promise<Buffer>;

const trailerMark = 'HUNTARCE';
export const trailerBytes = 24;
/** Twice as fast as the default, and a tenth larger. */
const packing = { level: 3 };
/** No index and no block is larger: a length beyond is damage. */
const plainBytesMax = 256 * 1024 * 1024;

/** A part of an object that fails its checks. */
export class ObjectDamagedError extends LogDamagedError {
  constructor(
    readonly object: string,
    what: string,
  ) {
    super(`archive object ${object}: ${what}`);
  }
}

export const pack = (plain: Buffer): Promise<Buffer> => deflateRaw(plain, packing);

export async function unpack(packed: Buffer, plain: number, object: string): Promise<Buffer> {
  if (plain > plainBytesMax) throw new ObjectDamagedError(object, `it claims ${plain} bytes in one piece`);
  const bytes = await inflateRaw(packed, { maxOutputLength: plain + 1 }).catch((error: Error) => {
    throw new ObjectDamagedError(object, `it cannot be unpacked: ${error.message}`);
  });
  if (bytes.length !== plain) throw new ObjectDamagedError(object, `${bytes.length} bytes where ${plain} were packed`);
  return bytes;
}

/** Packed, with the trailer behind it by which it is found from the end. Catalogs end in the same way. */
export async function seal(index: Buffer): Promise<[Buffer, Buffer]> {
  const packed = await pack(index);
  const trailer = Buffer.alloc(trailerBytes);
  trailer.writeUInt32LE(packed.length, 0);
  trailer.writeUInt32LE(index.length, 4);
  trailer.writeUInt32LE(crc32(packed), 8);
  trailer.writeUInt32LE(crc32(trailer.subarray(0, 12)), 12);
  trailer.write(trailerMark, 16, 'latin1');
  return [packed, trailer];
}

/** How many packed bytes the index before the trailer has. Throws {@link ObjectDamagedError} for what is no trailer. */
export function indexLength(trailer: Buffer, object: string): number {
  if (
    trailer.length !== trailerBytes ||
    trailer.toString('latin1', 16) !== trailerMark ||
    crc32(trailer.subarray(0, 12)) !== trailer.readUInt32LE(12)
  )
    throw new ObjectDamagedError(object, 'it is cut short, or damaged at its end');
  return trailer.readUInt32LE(0);
}

export async function openSealed(packed: Buffer, trailer: Buffer, object: string): Promise<Buffer> {
  if (packed.length !== indexLength(trailer, object) || crc32(packed) !== trailer.readUInt32LE(8))
    throw new ObjectDamagedError(object, 'its index is damaged');
  return unpack(packed, trailer.readUInt32LE(4), object);
}
