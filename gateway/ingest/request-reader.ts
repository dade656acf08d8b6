/**
 * The light reader of the hot path: cuts a SubmitBatch into its requests and finds hunt, player and seq of each, without
 * decoding the action; only the node does that. Written by hand because it runs for every action; a test holds it to the
 * generated code.
 */

import { type ErrorCode, isRetryable } from '../../proto/error-code.ts';
import { Nack } from '../../proto/generated/hunt/v1/ingest.ts';

/** Requests in one SubmitBatch. */
export const batchRequestsMax = 1_000;
const idBytesMax = 64;
/** Of one request, as of a message on a socket: no action comes near it. */
export const requestBytesMax = 16 * 1024;

/** The bytes are no protobuf message of the expected kind: there is nobody to answer. */
export class FramingError extends Error {
  override readonly name = 'FramingError';
}

/** What one request says of itself. `fault` is set when it can be answered with nothing but INVALID. */
export interface RequestHead {
  readonly huntId: number;
  readonly playerId: string;
  readonly seq: number;
  readonly fault: string | undefined;
}

const isIdByte = new Uint8Array(256);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-')
  isIdByte[char.charCodeAt(0)] = 1;

/** Reads protobuf's wire format. One instance serves one buffer after another; nothing of it outlives a call. */
class Wire {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;

  open(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    return this;
  }

  /** Above 2^53 the result is not exact, and is above 2^53. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.end) throw new FramingError('the message ends within a number');
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new FramingError('a number has more than 10 bytes');
  }

  /** Enters a length-delimited field: returns its end, `at` is its start. */
  delimited(): number {
    const length = this.varint();
    if (length > this.end - this.at) throw new FramingError('a field is longer than the message');
    return this.at + length;
  }

  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varint();
        return;
      case 1:
        this.at += 8;
        break;
      case 2:
        this.at = this.delimited();
        return;
      case 5:
        this.at += 4;
        break;
      default:
        throw new FramingError('the message has a field of an unknown wire type');
    }
    if (this.at > this.end) throw new FramingError('the message ends within a field');
  }

  tag(): number {
    const tag = this.varint();
    if (tag < 8 || tag > 0xffff_ffff) throw new FramingError('the message has a field without a number');
    return tag;
  }
}

const wire = new Wire();

/** Start and end of each request, flat, in order. Throws {@link FramingError}, also for none and for too many. */
export function cutBatch(batch: Uint8Array): number[] {
  const cuts: number[] = [];
  const outer = wire.open(batch, 0, batch.length);
  while (outer.at < outer.end) {
    const tag = outer.tag();
    if (tag !== 0x0a) {
      outer.skip(tag);
      continue;
    }
    const end = outer.delimited();
    cuts.push(outer.at, end);
    if (cuts.length > batchRequestsMax * 2)
      throw new FramingError(
        `a batch has 1 to ${batchRequestsMax.toLocaleString('en')} requests: this one has more, send several`,
      );
    outer.at = end;
  }
  if (cuts.length === 0)
    throw new FramingError(`a batch has 1 to ${batchRequestsMax.toLocaleString('en')} requests: this one has none`);
  return cuts;
}

/** Throws {@link FramingError} when the bytes are no message. */
export function readHead(bytes: Uint8Array, start = 0, end = bytes.length): RequestHead {
  let huntId = 0;
  let seq = 0;
  let idStart = 0;
  let idEnd = 0;
  const fields = wire.open(bytes, start, end);
  while (fields.at < fields.end) {
    const tag = fields.tag();
    if (tag === 0x08) huntId = fields.varint();
    else if (tag === 0x18) seq = fields.varint();
    else if (tag === 0x12) {
      idEnd = fields.delimited();
      idStart = fields.at;
      fields.at = idEnd;
    } else fields.skip(tag);
  }
  let fault: string | undefined;
  if (idEnd === idStart || idEnd - idStart > idBytesMax || !isId(bytes, idStart, idEnd))
    fault = 'player_id must be 1 to 64 of A-Z a-z 0-9 _ . : -';
  else if (huntId < 1 || huntId > Number.MAX_SAFE_INTEGER) fault = 'hunt_id must be a whole number from 1 to 2^53-1';
  else if (seq < 1 || seq > Number.MAX_SAFE_INTEGER) fault = 'seq must be a whole number from 1 to 2^53-1';
  else if (end - start > requestBytesMax)
    fault = `a request has at most ${requestBytesMax} bytes (16 KiB), this one has ${end - start}: shorten the action's texts`;
  const playerId = fault === undefined ? latin1(bytes, idStart, idEnd) : '';
  return { huntId, playerId, seq, fault };
}

function isId(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (isIdByte[bytes[i] as number] === 0) return false;
  return true;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

/**
 * A SubmitReply with a nack to the request in `bytes`. Hunt, player and seq are copied as they came, since their field
 * numbers are the same and a number that is out of range must come back unchanged for the client to match it.
 */
export function nackTo(
  bytes: Uint8Array,
  start: number,
  end: number,
  code: ErrorCode,
  message: string,
  retryMs = 0,
): Uint8Array {
  const nack = Nack.encode({
    code,
    message,
    retryable: isRetryable(code),
    retryMs,
    version: 0,
    detailJson: '',
  }).finish();
  const parts: Uint8Array[] = [];
  const fields = wire.open(bytes, start, end);
  while (fields.at < fields.end) {
    const from = fields.at;
    const tag = fields.tag();
    fields.skip(tag);
    if (tag === 0x08 || tag === 0x12 || tag === 0x18) parts.push(bytes.subarray(from, fields.at));
  }
  const head = [0x2a];
  let length = nack.length;
  for (; length >= 0x80; length >>>= 7) head.push((length & 0x7f) | 0x80);
  head.push(length);
  parts.push(Uint8Array.from(head), nack);
  return Buffer.concat(parts);
}
