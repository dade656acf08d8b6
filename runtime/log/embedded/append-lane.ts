/**
 * The client's side of appending. Owns what is under way: one frame is in flight, and what is asked meanwhile is written
 * straight into the next frame's buffer (self-clocking: no timers, few views). Keeps the order of the calls.
 *
 * When the link breaks with a frame in flight, its fate is unknown: it is sent again, marked, on the next link, and the log
 * tells for each append whether it was done (the same bytes at that version), can be done now, or was overtaken. Only if
 * the log stays away are they `ambiguous`; what was never sent is then surely not done. Keeps I2, I4 and I5.
 */
import { type Position, type StreamId, slotOf, type Version } from '../../../proto/ids.ts';
import { frameHeaderBytes } from '../../link/frame.ts';
import type { AppendOutcome, AppendPacing } from '../event-log.ts';
import { checkStream, recordBytes, recordType, writeRecord } from './record.ts';
import { appendFrameBytesMax, logFrame, outcome } from './wire.ts';

/** Bytes of appends that are asked but not answered; more are refused as busy. */
export const appendsUnansweredBytesMax = 32 * 1024 * 1024;
/** A frame that grew to this is closed: the log should not wait long for a frame's end. */
const frameBytesSoft = 1024 * 1024;
const bufferBytesFirst = 64 * 1024;
/** A buffer that grew beyond this is not kept. */
const bufferBytesKept = 1024 * 1024;
/** Frame header, frame number, again. */
const prefixBytes = frameHeaderBytes + 5;

type Resolve = (outcome: AppendOutcome) => void;

/** One append frame being filled, or in flight. */
class Batch {
  buffer = Buffer.allocUnsafe(bufferBytesFirst);
  length = prefixBytes;
  appends: Resolve[] = [];

  room(length: number): number {
    const at = this.length;
    if (at + length > this.buffer.length) {
      const more = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, at + length));
      this.buffer.copy(more, 0, 0, at);
      this.buffer = more;
    }
    this.length = at + length;
    return at;
  }

  /** Emptied for the next frame. The log has answered, so the socket is done with the buffer. */
  clear(): void {
    if (this.buffer.length > bufferBytesKept) this.buffer = Buffer.allocUnsafe(bufferBytesFirst);
    this.length = prefixBytes;
    this.appends = [];
  }
}

export class AppendLane implements AppendPacing {
  onFree: (() => void) | undefined;
  #filling: Batch[] = [new Batch()];
  #flying: Batch | undefined;
  #spare: Batch | undefined;
  #number = 0;
  #bytes = 0;
  #up = false;
  #away: string | undefined;
  #scheduled = false;
  #bodyBytesMax = Number.POSITIVE_INFINITY;

  constructor(
    private readonly send: (bytes: Buffer) => void,
    private readonly soon: (run: () => void) => void,
  ) {}

  get isBusy(): boolean {
    return this.#flying !== undefined;
  }

  get unanswered(): boolean {
    return this.#bytes > 0;
  }

  append(stream: StreamId, expected: Version, count: number, epoch: number, bytes: Uint8Array): Promise<AppendOutcome> {
    checkStream(stream);
    if (!Number.isInteger(count) || count < 1) throw new RangeError(`count ${count}: at least one event a record`);
    if (!Number.isSafeInteger(expected) || expected < 0)
      throw new RangeError(`expected version ${expected}: an integer from 0`);
    const length = recordBytes(bytes.byteLength);
    if (bytes.byteLength > this.#bodyBytesMax || length > appendFrameBytesMax) {
      const most = Math.min(this.#bodyBytesMax, appendFrameBytesMax);
      return Promise.resolve({
        kind: 'refused',
        reason: 'too_large',
        message: `a record of ${bytes.byteLength} bytes (at most ${most}): append in smaller turns`,
      });
    }
    if (this.#away !== undefined) return Promise.resolve({ kind: 'refused', reason: 'busy', message: this.#away });
    if (this.#bytes + length > appendsUnansweredBytesMax) {
      const message = `${this.#bytes} bytes of appends are unanswered (at most ${appendsUnansweredBytesMax}): try again soon`;
      return Promise.resolve({ kind: 'refused', reason: 'busy', message });
    }
    this.#bytes += length;
    let batch = this.#filling.at(-1) as Batch;
    if (batch.length > prefixBytes && batch.length + length > frameBytesSoft) {
      batch = new Batch();
      this.#filling.push(batch);
    }
    const at = batch.room(length);
    const { kind, id } = stream;
    writeRecord(
      batch.buffer,
      at,
      { type: recordType.events, kind, id, slot: slotOf(id), version: expected + 1, count, epoch },
      bytes,
    );
    const appends = batch.appends;
    return new Promise((resolve) => {
      appends.push(resolve);
      this.#schedule();
    });
  }

  flush(): void {
    this.#next();
  }

  #schedule(): void {
    if (this.#scheduled || this.#flying !== undefined || !this.#up) return;
    this.#scheduled = true;
    this.soon(() => {
      this.#scheduled = false;
      this.#next();
    });
  }

  #next(): void {
    if (this.#flying !== undefined || !this.#up) return;
    const batch = this.#filling[0] as Batch;
    if (batch.appends.length === 0) return;
    this.#filling.shift();
    if (this.#filling.length === 0) this.#filling.push(this.#spare ?? new Batch());
    this.#spare = undefined;
    this.#flying = batch;
    this.#number = (this.#number + 1) >>> 0;
    this.#write(batch, false);
  }

  #write(batch: Batch, again: boolean): void {
    const { buffer, length } = batch;
    buffer.writeUInt32LE(length - 4, 0);
    buffer[4] = logFrame.append;
    buffer.writeUInt32LE(this.#number, frameHeaderBytes);
    buffer[frameHeaderBytes + 4] = again ? 1 : 0;
    this.send(buffer.subarray(0, length));
  }

  up(bodyBytesMax: number): void {
    this.#up = true;
    this.#away = undefined;
    this.#bodyBytesMax = bodyBytesMax;
    if (this.#flying === undefined) this.#next();
    else {
      // A socket that broke may still hold the old buffer: the bytes that are sent again are a copy.
      this.#flying.buffer = Buffer.from(this.#flying.buffer);
      this.#write(this.#flying, true);
    }
  }

  down(): void {
    this.#up = false;
  }

  /** The answer to the frame in flight. */
  answered(body: Buffer): void {
    const batch = this.#flying;
    if (batch === undefined || body.readUInt32LE(0) !== this.#number) return;
    const count = body.readUInt32LE(4);
    if (count !== batch.appends.length)
      throw new Error(`an answer to ${count} appends where ${batch.appends.length} were asked`);
    this.#flying = undefined;
    this.#bytes -= batch.length - prefixBytes;
    const appends = batch.appends;
    batch.clear();
    this.#spare = batch;
    this.onFree?.();
    this.#next();
    const message = body.toString('utf8', 8 + count * 9);
    for (let i = 0; i < count; i++) {
      const at = 8 + i * 9;
      (appends[i] as Resolve)(outcomeOf(body[at] as number, body.readDoubleLE(at + 1), message));
    }
  }

  /** The log stays away. */
  giveUp(message: string): void {
    this.#away = `${message}; this append was never sent`;
    const flying = this.#flying;
    this.#flying = undefined;
    const waiting = this.#filling;
    this.#filling = [new Batch()];
    this.#bytes = 0;
    for (const resolve of flying?.appends ?? []) resolve({ kind: 'ambiguous', message });
    for (const batch of waiting)
      for (const resolve of batch.appends) resolve({ kind: 'refused', reason: 'busy', message: this.#away });
    this.onFree?.();
  }
}

function outcomeOf(code: number, value: number, message: string): AppendOutcome {
  switch (code) {
    case outcome.appended:
      return { kind: 'appended', position: value as Position };
    case outcome.conflict:
      return { kind: 'conflict', head: value as Version };
    case outcome.fenced:
      return { kind: 'fenced', epoch: value };
    case outcome.full:
      return { kind: 'refused', reason: 'full', message };
    case outcome.tooLarge:
      return { kind: 'refused', reason: 'too_large', message };
    case outcome.busy:
      return { kind: 'refused', reason: 'busy', message };
    case outcome.damaged:
      return { kind: 'refused', reason: 'damaged', message };
    default:
      return { kind: 'ambiguous', message };
  }
}
