/**
 * What lies in a slot's partition. Everything that the fold asks is in the Kafka record's key; the value of a batch is the
 * record's bytes as the runtime gave them, so that a third party that reads the topic finds plain messages there.
 *
 *   announcement   1, term, epoch, pointer, owner                                          value: none
 *   batch          2, term, epoch, pointer, seq, total, id, version, count, kind           value: the bytes
 *   checkpoint     3, position, trimmed to                                                 value: checkpoint.ts
 *
 * Numbers are varints. `pointer` is the offset of the latest checkpoint that the writer knew + 1, or 0: whoever reads one
 * record at the end of the partition learns from it where to begin.
 */
import type { Announcement, Batch } from './fold.ts';
import type { RecordPlace } from './record-batch.ts';
import { WireReader, WireWriter } from './wire.ts';

const code = { announcement: 1, batch: 2, checkpoint: 3 } as const;
const nothing = Buffer.alloc(0);

/** A batch's bytes, wherever they lie; copied by whoever keeps them. */
export interface BatchEntry extends Batch {
  readonly pointer: number;
  readonly bytes: Uint8Array;
}
export interface AnnouncementEntry extends Announcement {
  readonly pointer: number;
}
export interface CheckpointEntry {
  readonly type: 'checkpoint';
  /** Everything below is in the checkpoint. */
  readonly position: number;
  /** Nothing below is in the log any more, whether Kafka has deleted it yet or not. */
  readonly trimmedTo: number;
  readonly bytes: Uint8Array;
}
export interface ForeignEntry {
  readonly type: 'foreign';
}
export type Entry = AnnouncementEntry | BatchEntry | CheckpointEntry | ForeignEntry;

export function writeKey(entry: Exclude<Entry, ForeignEntry>): Buffer {
  const out = new WireWriter(64);
  switch (entry.type) {
    case 'announcement':
      out.i8(code.announcement).varint(entry.term).varint(entry.epoch).varint(entry.pointer).text(entry.owner);
      break;
    case 'batch':
      out.i8(code.batch).varint(entry.term).varint(entry.epoch).varint(entry.pointer).varint(entry.seq);
      out.varint(entry.total).varint(entry.stream.id).varint(entry.version).varint(entry.count);
      out.text(entry.stream.kind);
      break;
    case 'checkpoint':
      out.i8(code.checkpoint).varint(entry.position).varint(entry.trimmedTo);
      break;
    default:
      return entry satisfies never;
  }
  return out.written;
}

export const recordValue = (entry: Exclude<Entry, ForeignEntry>): Uint8Array =>
  entry.type === 'announcement' ? nothing : entry.bytes;

/** What is not ours, or not whole, is foreign: it counts for nothing. */
export function readEntry(place: RecordPlace): Entry {
  const key = new WireReader(place.bytes, place.keyFrom, place.keyTo);
  try {
    return readKey(key, place);
  } catch (error) {
    if (error instanceof RangeError) return { type: 'foreign' };
    throw error;
  }
}

function readKey(key: WireReader, { bytes, valueFrom, valueTo }: RecordPlace): Entry {
  switch (key.i8()) {
    case code.announcement:
      return {
        type: 'announcement',
        term: key.varint(),
        epoch: key.varint(),
        pointer: key.varint(),
        owner: key.text(),
      };
    case code.batch: {
      const term = key.varint();
      const epoch = key.varint();
      const pointer = key.varint();
      const seq = key.varint();
      const total = key.varint();
      const id = key.varint();
      const version = key.varint();
      const count = key.varint();
      const stream = { kind: key.text(), id };
      const value = bytes.subarray(valueFrom, valueTo);
      return { type: 'batch', term, epoch, pointer, seq, total, stream, version, count, bytes: value };
    }
    case code.checkpoint: {
      const value = bytes.subarray(valueFrom, valueTo);
      return { type: 'checkpoint', position: key.varint(), trimmedTo: key.varint(), bytes: value };
    }
    default:
      return { type: 'foreign' };
  }
}
