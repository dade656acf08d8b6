/**
 * Reads a finished segment in small steps, so that commits find their turn in between: every record checked, none kept.
 * scan.ts judges whole segments at the start; this is for a log that serves.
 */
import { at, bodyChecks, headerChecks, positionOf, recordBytes, recordHeaderBytes, recordType } from './record.ts';
import { type Segments, segmentHeaderBytes } from './segments.ts';

/** About a millisecond of checking. */
const stepBytes = 256 * 1024;

export interface Fault {
  readonly position: number;
  readonly what: string;
}

/** Before each step: waits as long as the caller sees fit. `bytes`: what it has just read, and is about to check. */
export type Pause = (bytes: number) => Promise<void>;

/** Visits every record up to the segment's end; returns the first fault, behind which nothing is visited. */
export async function walkSegment(
  segments: Segments,
  number: number,
  pause: Pause,
  visit: (bytes: Buffer, offset: number) => void,
): Promise<Fault | undefined> {
  const size = await segments.size(number);
  let wanted = stepBytes;
  for (let from = segmentHeaderBytes; from < size; ) {
    const length = Math.min(wanted, size - from);
    const bytes = Buffer.allocUnsafe(length);
    await segments.read(number, bytes, from);
    await pause(length);
    let offset = 0;
    wanted = stepBytes;
    while (offset + recordHeaderBytes <= length) {
      const position = positionOf(number, from + offset);
      if (!headerChecks(bytes, offset, position)) return { position, what: 'the header fails its checksum' };
      const whole = recordBytes(bytes.readUInt32LE(offset + at.bodyLength));
      if (offset + whole > length) {
        if (from + offset + whole > size) return { position, what: 'the record ends behind the segment' };
        wanted = Math.max(stepBytes, whole);
        break;
      }
      if (!bodyChecks(bytes, offset)) return { position, what: 'the body fails its checksum' };
      if (bytes[offset + at.type] === recordType.end) return undefined;
      visit(bytes, offset);
      offset += whole;
    }
    if (offset === 0 && wanted === stepBytes) break;
    from += offset;
  }
  return { position: positionOf(number, size), what: 'the segment has no end' };
}
