/**
 * Where the versions of streams are, as rows of fixed size sorted by stream and version, searched in place: an index of
 * many thousands of rows costs its bytes and no objects. A row says that versions `first` to `last` of a stream are at
 * `place`; what a place is (a block of an object, an object of a catalog), the owner says.
 *
 *   0 kind, 12 bytes of ASCII, zero padded    12 f64 id    20 f64 first    28 f64 last    36 f64 place, f64 place 2    big endian
 */
import type { StreamId, Version } from '../../../proto/ids.ts';

const kindBytes = 12;
const streamBytes = kindBytes + 8;
const keyBytes = streamBytes + 8;
const lastAt = keyBytes;
const placeAt = keyBytes + 8;
export const rowBytes = placeAt + 16;

export interface Row {
  readonly kind: string;
  readonly id: number;
  readonly first: number;
  readonly last: number;
  /** One number or two. */
  readonly place: readonly [number, number];
}

export class StreamTable {
  /** The bytes are kept. Throws {@link RangeError} when they are no rows. */
  constructor(readonly bytes: Buffer) {
    if (bytes.length % rowBytes !== 0) throw new RangeError(`a table of ${bytes.length} bytes`);
  }

  static of(rows: Iterable<Row>): StreamTable {
    const encoded: Buffer[] = [];
    for (const row of rows) {
      const bytes = Buffer.alloc(rowBytes);
      writeKey(bytes, row, row.first);
      bytes.writeDoubleBE(row.last, lastAt);
      bytes.writeDoubleBE(row.place[0], placeAt);
      bytes.writeDoubleBE(row.place[1], placeAt + 8);
      encoded.push(bytes);
    }
    encoded.sort((a, b) => a.compare(b, 0, keyBytes, 0, keyBytes));
    return new StreamTable(Buffer.concat(encoded));
  }

  get length(): number {
    return this.bytes.length / rowBytes;
  }

  /** The row that holds `version`, or else the first of the stream behind it. */
  find(stream: StreamId, version: Version): Row | undefined {
    const key = Buffer.alloc(keyBytes);
    writeKey(key, stream, version);
    let low = 0;
    let high = this.length;
    // The first row behind the key; the one that holds the version may be the one before it.
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.bytes.compare(key, 0, keyBytes, middle * rowBytes, middle * rowBytes + keyBytes) <= 0) low = middle + 1;
      else high = middle;
    }
    for (const at of [low - 1, low]) {
      if (at < 0 || at >= this.length) continue;
      const start = at * rowBytes;
      if (this.bytes.compare(key, 0, streamBytes, start, start + streamBytes) !== 0) continue;
      if (this.bytes.readDoubleBE(start + lastAt) >= version) return this.row(at);
    }
    return undefined;
  }

  row(index: number): Row {
    const start = index * rowBytes;
    const { bytes } = this;
    const kind = bytes.toString('latin1', start, start + kindBytes);
    const end = kind.indexOf('\0');
    return {
      kind: end === -1 ? kind : kind.slice(0, end),
      id: bytes.readDoubleBE(start + kindBytes),
      first: bytes.readDoubleBE(start + streamBytes),
      last: bytes.readDoubleBE(start + lastAt),
      place: [bytes.readDoubleBE(start + placeAt), bytes.readDoubleBE(start + placeAt + 8)],
    };
  }

  *rows(): Iterable<Row> {
    for (let i = 0; i < this.length; i++) yield this.row(i);
  }
}

function writeKey(bytes: Buffer, stream: StreamId, version: number): void {
  bytes.write(stream.kind, 'latin1');
  bytes.writeDoubleBE(stream.id, kindBytes);
  bytes.writeDoubleBE(version, streamBytes);
}
