/**
 * Walks one segment and tells whole records from damage and from the torn tail of the last commit.
 *
 * Only one commit is ever in flight, so what a crash can tear is the last commit alone, and nothing of it was acknowledged:
 * bad bytes are a torn tail iff no later commit lies behind them. Anything else is damage, and is reported (never skipped).
 */
import { at, bodyChecks, headerChecks, positionOf, recordBytes, recordHeaderBytes, recordType } from './record.ts';
import { segmentHeaderBytes } from './segments.ts';

export interface ScanVisitor {
  /** A whole record, of any type. */
  record(bytes: Buffer, offset: number): void;
  /** The header names the record, the body is damaged. */
  damagedRecord(bytes: Buffer, offset: number): void;
  /** Nothing is known of what lay in [from, to). */
  damagedRegion(from: number, to: number): void;
}

export interface ScanEnd {
  /** The offset behind the last record: where appending goes on. */
  readonly offset: number;
  /** The segment is finished: appending goes on in the next. */
  readonly ended: boolean;
  /** Bytes of a commit that never completed lie from `offset` up to here: erase them before appending. */
  readonly tornUpTo: number | undefined;
}

export interface ScanMode {
  /** The last segment that holds anything: only here can a commit be torn. */
  readonly last: boolean;
  /** After a power loss of a log that ran with `sync: process`: everything from the first bad byte on was never synced. */
  readonly cutAtFirstFault: boolean;
}

export function scanSegment(
  bytes: Buffer,
  number: number,
  from: number,
  mode: ScanMode,
  visitor: ScanVisitor,
): ScanEnd {
  let offset = Math.max(from, segmentHeaderBytes);
  for (;;) {
    if (headerChecks(bytes, offset, positionOf(number, offset)) && bodyChecks(bytes, offset)) {
      visitor.record(bytes, offset);
      if (bytes[offset + at.type] === recordType.end)
        return { offset: offset + recordHeaderBytes, ended: true, tornUpTo: undefined };
      offset += recordBytes(bytes.readUInt32LE(offset + at.bodyLength));
      continue;
    }
    const filled = lastNonZero(bytes, offset);
    if (mode.last && (mode.cutAtFirstFault || !laterCommit(bytes, number, offset))) {
      return { offset, ended: false, tornUpTo: filled > offset ? filled : undefined };
    }
    const next = nextRecord(bytes, number, offset + 8);
    const known = headerChecks(bytes, offset, positionOf(number, offset));
    if (known) visitor.damagedRecord(bytes, offset);
    const behind = known ? offset + recordBytes(bytes.readUInt32LE(offset + at.bodyLength)) : offset;
    const goOn = next ?? bytes.length;
    if (goOn > behind) visitor.damagedRegion(positionOf(number, behind), positionOf(number, goOn));
    if (next === undefined) return { offset: bytes.length, ended: true, tornUpTo: undefined };
    offset = next;
  }
}

/** The first whole record at or behind `from`. Records begin at multiples of 8. */
function nextRecord(bytes: Buffer, number: number, from: number): number | undefined {
  for (let offset = (from + 7) & ~7; offset + recordHeaderBytes <= bytes.length; offset += 8) {
    if (bytes[offset] !== 0x48) continue;
    if (headerChecks(bytes, offset, positionOf(number, offset)) && bodyChecks(bytes, offset)) return offset;
  }
  return undefined;
}

/** Whether a record of a commit that began behind `offset` follows: then the commit with `offset` had completed. */
function laterCommit(bytes: Buffer, number: number, offset: number): boolean {
  let next = nextRecord(bytes, number, offset + 8);
  while (next !== undefined) {
    if (bytes.readUInt32LE(next + at.commitStart) > offset) return true;
    next = nextRecord(bytes, number, next + recordBytes(bytes.readUInt32LE(next + at.bodyLength)));
  }
  return false;
}

/** The end of the last non-zero byte at or behind `from`; `from` if all are zero. */
export function lastNonZero(bytes: Buffer, from: number): number {
  let end = bytes.length;
  while (end - from >= 4096 && zeros.compare(bytes, end - 4096, end) === 0) end -= 4096;
  while (end > from && bytes[end - 1] === 0) end--;
  return end;
}
const zeros = Buffer.alloc(4096);
