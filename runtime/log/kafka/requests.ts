/**
 * The five requests of Kafka that this log is made of, in the versions that brokers from 2.1 to 4.x speak. Our own, and not
 * kafkajs's, because each partition's outcome matters here (kafkajs throws the whole response away when one partition fails)
 * and because records are read and written in bulk.
 */
import { type KafkaRecord, writeRecordBatch } from './record-batch.ts';
import { type WireReader, WireWriter } from './wire.ts';

export interface KafkaRequest<T> {
  readonly name: string;
  readonly key: number;
  readonly version: number;
  readonly body: Buffer;
  parse(reader: WireReader): T;
}

export const api = {
  produce: { key: 0, version: 7 },
  fetch: { key: 1, version: 11 },
  listOffsets: { key: 2, version: 3 },
  metadata: { key: 3, version: 6 },
  apiVersions: { key: 18, version: 0 },
  deleteRecords: { key: 21, version: 1 },
} as const;

/** Kafka's error codes that we tell apart. */
export const kafkaError = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  messageTooLarge: 10,
} as const;

const errorNames: Readonly<Record<number, string>> = {
  [-1]: 'UNKNOWN_SERVER_ERROR',
  1: 'OFFSET_OUT_OF_RANGE',
  2: 'CORRUPT_MESSAGE',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_OR_FOLLOWER',
  7: 'REQUEST_TIMED_OUT',
  9: 'REPLICA_NOT_AVAILABLE',
  10: 'MESSAGE_TOO_LARGE',
  18: 'RECORD_LIST_TOO_LARGE',
  19: 'NOT_ENOUGH_REPLICAS',
  20: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  31: 'CLUSTER_AUTHORIZATION_FAILED',
  32: 'INVALID_TIMESTAMP',
  56: 'KAFKA_STORAGE_ERROR',
  74: 'FENCED_LEADER_EPOCH',
  75: 'UNKNOWN_LEADER_EPOCH',
  78: 'OFFSET_NOT_AVAILABLE',
  87: 'INVALID_RECORD',
};
export const errorName = (code: number): string => errorNames[code] ?? `error ${code}`;

export interface ProducePart {
  readonly partition: number;
  readonly records: readonly KafkaRecord[];
}
export interface ProduceResult {
  readonly partition: number;
  readonly error: number;
  readonly baseOffset: number;
}

/** acks=all, never idempotent, never of a transaction. */
export function produce(
  topic: string,
  parts: readonly ProducePart[],
  timeoutMs: number,
  timestamp: number,
): KafkaRequest<ProduceResult[]> {
  const out = new WireWriter(64 * 1024);
  out.string(null).i16(-1).i32(timeoutMs).i32(1).string(topic).i32(parts.length);
  for (const { partition, records } of parts) {
    out.i32(partition).i32(0);
    const from = out.length;
    writeRecordBatch(out, records, timestamp);
    out.setI32(from - 4, out.length - from);
  }
  return {
    name: 'Produce',
    ...api.produce,
    body: out.written,
    parse: (reader) =>
      reader
        .array(() => {
          reader.string();
          return reader.array(() => {
            const partition = reader.i32();
            const error = reader.i16();
            const baseOffset = reader.i64();
            reader.skip(16);
            return { partition, error, baseOffset };
          });
        })
        .flat(),
  };
}

export interface FetchPart {
  readonly partition: number;
  readonly offset: number;
  readonly bytesMax: number;
}
export interface FetchResult {
  readonly partition: number;
  readonly error: number;
  /** Everything below is committed: this is what is shown to readers. */
  readonly highWatermark: number;
  readonly logStart: number;
  /** Record batches; the first may begin before the offset that was asked for, the last may be cut off. */
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
}
export interface FetchWait {
  /** How long the broker waits for a first byte. */
  readonly waitMs: number;
  readonly bytesMax: number;
}

export function fetch(topic: string, parts: readonly FetchPart[], wait: FetchWait): KafkaRequest<FetchResult[]> {
  const out = new WireWriter(256 + parts.length * 28);
  // A consumer of no group: replica -1, read_uncommitted (nobody writes transactions here), no session.
  out
    .i32(-1)
    .i32(wait.waitMs)
    .i32(wait.waitMs === 0 ? 0 : 1)
    .i32(wait.bytesMax)
    .i8(0)
    .i32(0)
    .i32(-1);
  out.i32(1).string(topic).i32(parts.length);
  for (const { partition, offset, bytesMax } of parts) out.i32(partition).i32(-1).i64(offset).i64(-1).i32(bytesMax);
  out.i32(0).string('');
  return { name: 'Fetch', ...api.fetch, body: out.written, parse: parseFetch };
}

function parseFetch(reader: WireReader): FetchResult[] {
  reader.skip(4);
  const error = reader.i16();
  if (error !== kafkaError.none) throw new Error(`Fetch: ${errorName(error)}`);
  reader.skip(4);
  return reader
    .array(() => {
      reader.string();
      return reader.array(() => {
        const partition = reader.i32();
        const partitionError = reader.i16();
        const highWatermark = reader.i64();
        reader.skip(8);
        const logStart = reader.i64();
        reader.array(() => reader.skip(16));
        reader.skip(4);
        const length = Math.max(0, reader.i32());
        const from = reader.at;
        reader.skip(length);
        return { partition, error: partitionError, highWatermark, logStart, bytes: reader.bytes, from, to: reader.at };
      });
    })
    .flat();
}

export const latest = -1;
export const earliest = -2;

export interface OffsetResult {
  readonly partition: number;
  readonly error: number;
  readonly offset: number;
}

/** Where partitions end ({@link latest}) or begin ({@link earliest}), as their leaders know it. */
export function listOffsets(
  topic: string,
  partitions: readonly number[],
  timestamp: number,
): KafkaRequest<OffsetResult[]> {
  const out = new WireWriter(256 + partitions.length * 12);
  out.i32(-1).i8(0).i32(1).string(topic).i32(partitions.length);
  for (const partition of partitions) out.i32(partition).i64(timestamp);
  return {
    name: 'ListOffsets',
    ...api.listOffsets,
    body: out.written,
    parse: (reader) => {
      reader.skip(4);
      return reader
        .array(() => {
          reader.string();
          return reader.array(() => {
            const partition = reader.i32();
            const error = reader.i16();
            reader.skip(8);
            return { partition, error, offset: reader.i64() };
          });
        })
        .flat();
    },
  };
}

export interface Metadata {
  readonly brokers: readonly { readonly node: number; readonly host: string; readonly port: number }[];
  readonly error: number;
  readonly partitions: readonly { readonly partition: number; readonly leader: number }[];
}

export function metadata(topic: string): KafkaRequest<Metadata> {
  const out = new WireWriter().i32(1).string(topic).i8(0);
  return {
    name: 'Metadata',
    ...api.metadata,
    body: out.written,
    parse: (reader) => {
      reader.skip(4);
      const brokers = reader.array(() => {
        const node = reader.i32();
        const host = reader.string() ?? '';
        const port = reader.i32();
        reader.string();
        return { node, host, port };
      });
      reader.string();
      reader.skip(4);
      const topics = reader.array(() => {
        const error = reader.i16();
        reader.string();
        reader.skip(1);
        const partitions = reader.array(() => {
          reader.skip(2);
          const partition = reader.i32();
          const leader = reader.i32();
          for (let list = 0; list < 3; list++) reader.array(() => reader.i32());
          return { partition, leader };
        });
        return { error, partitions };
      });
      return { brokers, error: topics[0]?.error ?? 0, partitions: topics[0]?.partitions ?? [] };
    },
  };
}

/** Deletes what lies below the offset; resolves with the partition's error. */
export function deleteRecords(
  topic: string,
  partition: number,
  before: number,
  timeoutMs: number,
): KafkaRequest<number> {
  const out = new WireWriter().i32(1).string(topic).i32(1).i32(partition).i64(before).i32(timeoutMs);
  return {
    name: 'DeleteRecords',
    ...api.deleteRecords,
    body: out.written,
    parse: (reader) => {
      reader.skip(4);
      const errors = reader
        .array(() => {
          reader.string();
          return reader.array(() => {
            reader.skip(12);
            return reader.i16();
          });
        })
        .flat();
      return errors[0] ?? kafkaError.unknownTopicOrPartition;
    },
  };
}

/** Which of the requests above the broker does not speak. */
export function apiVersions(): KafkaRequest<string[]> {
  return {
    name: 'ApiVersions',
    ...api.apiVersions,
    body: Buffer.alloc(0),
    parse: (reader) => {
      reader.skip(2);
      const spoken = new Map<number, { min: number; max: number }>();
      reader.array(() => spoken.set(reader.i16(), { min: reader.i16(), max: reader.i16() }));
      return Object.entries(api)
        .filter(([, { key, version }]) => {
          const range = spoken.get(key);
          return range === undefined || version < range.min || version > range.max;
        })
        .map(([name, { version }]) => `${name} ${version}`);
    },
  };
}
