/**
 * Frames on the links between our own processes (Unix socket on one machine, TCP between hosts):
 * u32 LE length of what follows, u8 type, payload. One writer, one reader; order is kept.
 *
 * Gateway and node (bodies in proto/node/v1/link.proto):
 *  hello      both, first           Hello
 *  submit     gateway → node        concatenated SubmitBatch entries: (0x0a, varint length, SubmitRequest)*. Requests are numbered
 *                                   by their order on the link, from 0, modulo 2^32; a link has one submit frame in flight
 *  taken      node → gateway        the last submit frame was read and decided: the next may come
 *  replies    node → gateway        (u32 LE request number, u32 LE length, SubmitReply)*, in any order, each request exactly once
 *  call       gateway → node        u32 LE call number, Call
 *  callReply  node → gateway        u32 LE call number, CallReply
 *  view       node → gateway        u64 LE: the node's view number, when it is newer than the gateway's
 * Between nodes, which watch one another:
 *  ping       node → node           nothing
 *  pong       node → node           u32 LE: ms for which the answering node has not heard from its log
 */
export const frameType = {
  hello: 1,
  submit: 2,
  taken: 3,
  replies: 4,
  call: 5,
  callReply: 6,
  view: 7,
  ping: 8,
  pong: 9,
} as const;

/** A frame longer than this ends the link: it can only be damage. */
export const frameBytesMax = 64 * 1024 * 1024;
export const frameHeaderBytes = 5;

/** One frame, header and payload in one buffer. Parts are copied. */
export function frame(type: number, ...parts: readonly Uint8Array[]): Buffer {
  let length = 1;
  for (const part of parts) length += part.byteLength;
  const out = Buffer.allocUnsafe(4 + length);
  out.writeUInt32LE(length, 0);
  out[4] = type;
  let at = frameHeaderBytes;
  for (const part of parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/**
 * Cuts a byte stream into frames. `push` calls `onFrame` for every complete frame; payloads are views that are valid only
 * during the call: copy what must be kept. Throws {@link FrameError} for an impossible length: end the link.
 */
export class FrameReader {
  /** What came of a frame that is not complete, and how much there must be before anything can be cut. */
  #parts: Buffer[] = [];
  #have = 0;
  #need = frameHeaderBytes;

  push(chunk: Buffer, onFrame: (type: number, payload: Buffer) => void): void {
    let data = chunk;
    if (this.#have > 0) {
      this.#parts.push(chunk);
      this.#have += chunk.length;
      // Joined once a frame, not once a chunk: a frame of megabytes arrives in hundreds of chunks.
      if (this.#have < this.#need) return;
      data = Buffer.concat(this.#parts, this.#have);
      this.#parts = [];
      this.#have = 0;
    }
    this.#need = frameHeaderBytes;
    while (data.length >= frameHeaderBytes) {
      const length = data.readUInt32LE(0);
      if (length < 1 || length > frameBytesMax) {
        throw new FrameError(`a frame of ${length} bytes (1 to ${frameBytesMax} are possible)`);
      }
      if (data.length < 4 + length) {
        this.#need = 4 + length;
        break;
      }
      onFrame(data[4] as number, data.subarray(frameHeaderBytes, 4 + length));
      data = data.subarray(4 + length);
    }
    if (data.length === 0) return;
    this.#parts = [data];
    this.#have = data.length;
  }
}
