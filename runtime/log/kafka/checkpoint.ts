/**
 * A slot's index and fold as a record of its own partition. What it says is a fact about the records below `position` and
 * nothing else, so anybody may write one at any time, also a stopped owner that wakes up: it can be behind, never wrong, and
 * it needs no fencing. It is deleted with the history that it describes, and carries the heads of what was trimmed.
 */
import { LogDamagedError } from '../event-log.ts';
import type { CheckpointEntry } from './entry.ts';
import type { FoldState } from './fold.ts';
import type { SlotLimits } from './limits.ts';
import { SlotIndex, type StreamEntry, type StreamRange } from './slot-index.ts';
import { WireReader, WireWriter } from './wire.ts';

const format = 1;

/** The fold of a slot up to a position. */
export interface SlotFold {
  readonly position: number;
  readonly state: FoldState;
  readonly index: SlotIndex;
}

export function writeCheckpoint({ position, state, index }: SlotFold): CheckpointEntry {
  const out = new WireWriter(4096);
  out.i8(format);
  writeState(out, state);
  out.varint(index.landmarks.length);
  for (const landmark of index.landmarks) {
    out.varint(landmark.position);
    writeState(out, landmark.state);
  }
  const byKind = new Map<string, StreamEntry[]>();
  for (const entry of index.streams.values()) {
    const { kind } = entry.stream;
    const entries = byKind.get(kind) ?? [];
    if (entries.push(entry) === 1) byKind.set(kind, entries);
  }
  out.varint(byKind.size);
  for (const [kind, entries] of byKind) {
    out.text(kind).varint(entries.length);
    entries.sort((a, b) => a.stream.id - b.stream.id);
    let id = 0;
    for (const entry of entries) {
      out.varint(entry.stream.id - id);
      id = entry.stream.id;
      writeStream(out, entry);
    }
  }
  return { type: 'checkpoint', position, trimmedTo: index.trimmedTo, bytes: Buffer.from(out.written) };
}

/** Of a checkpoint at `offset`. Undefined if it speaks of what comes after it: then the log was cut off below it. */
export function readCheckpoint(checkpoint: CheckpointEntry, offset: number, limits: SlotLimits): SlotFold | undefined {
  if (checkpoint.position > offset) return undefined;
  const { bytes } = checkpoint;
  const reader = new WireReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const found = reader.i8();
  if (found !== format) throw new LogDamagedError(`the checkpoint at offset ${offset} has format ${found}`);
  const state = readState(reader);
  const index = new SlotIndex(limits);
  index.trimmedTo = checkpoint.trimmedTo;
  for (let left = reader.varint(); left > 0; left--)
    index.landmarks.push({ position: reader.varint(), state: readState(reader) });
  for (let kinds = reader.varint(); kinds > 0; kinds--) {
    const kind = reader.text();
    let id = 0;
    for (let left = reader.varint(); left > 0; left--) {
      id += reader.varint();
      index.restore(readStream(reader, kind, id));
    }
  }
  return { position: checkpoint.position, state, index };
}

/** What the trim that wrote this checkpoint let go of: the oldest version left of every stream. */
export function oldestOf(checkpoint: SlotFold): ReadonlyMap<string, number> {
  return new Map([...checkpoint.index.streams].map(([key, entry]) => [key, entry.oldest]));
}

function writeState(out: WireWriter, { term, epoch, owner, seq, total }: FoldState): void {
  out.varint(term).varint(epoch).varint(seq).varint(total).text(owner);
}

function readState(reader: WireReader): FoldState {
  const term = reader.varint();
  const epoch = reader.varint();
  const seq = reader.varint();
  const total = reader.varint();
  return { term, epoch, seq, total, owner: reader.text() };
}

function writeStream(out: WireWriter, { head, oldest, ranges }: StreamEntry): void {
  out.varint(head).varint(oldest).varint(ranges.length);
  let version = 0;
  let offset = 0;
  for (const range of ranges) {
    out.varint(range.firstVersion - version).varint(range.firstOffset - offset);
    out.varint(range.lastOffset - range.firstOffset);
    version = range.firstVersion;
    offset = range.firstOffset;
  }
}

function readStream(reader: WireReader, kind: string, id: number): StreamEntry {
  const head = reader.varint();
  const oldest = reader.varint();
  const ranges: StreamRange[] = [];
  let firstVersion = 0;
  let firstOffset = 0;
  for (let left = reader.varint(); left > 0; left--) {
    firstVersion += reader.varint();
    firstOffset += reader.varint();
    ranges.push({ firstVersion, firstOffset, lastOffset: firstOffset + reader.varint() });
  }
  return { stream: { kind, id }, head, oldest, ranges };
}
