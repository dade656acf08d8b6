/**
 * The two codecs of the socket, and the server's WebSocket frame around their messages. A frame is made once and written
 * as it is to every socket that it is for (RFC 6455: what a server sends is not masked, so equal messages are equal bytes).
 */
import { MsgpackError, packMsgpack, packMsgpackArray, packMsgpackMap, unpackMsgpack } from './msgpack.ts';

export type Message = Readonly<Record<string, unknown>>;

export interface Codec {
  readonly name: 'json' | 'msgpack';
  readonly protocol: string;
  readonly binary: boolean;
  /** 0 or 1: where a shared thing keeps its bytes of this codec. */
  readonly index: 0 | 1;
  /** One value, without the frame around it. */
  encode(value: unknown): Buffer;
  /** The map `head` with more entries whose values are encoded already. */
  assemble(head: Message, encoded: readonly (readonly [string, Uint8Array])[]): Buffer;
  list(encoded: readonly Uint8Array[]): Buffer;
  /** Throws {@link MessageError}. */
  decode(data: Buffer): unknown;
}

export class MessageError extends Error {
  override readonly name = 'MessageError';
}

const comma = Buffer.from(',');
const open = Buffer.from('[');
const shut = Buffer.from(']');
const brace = Buffer.from('}');

export const jsonCodec: Codec = {
  name: 'json',
  protocol: 'hunt.v1.json',
  binary: false,
  index: 0,
  encode: (value) => Buffer.from(JSON.stringify(value)),
  assemble(head, encoded) {
    let lead = JSON.stringify(head).slice(0, -1);
    const parts: Uint8Array[] = [];
    for (const [key, bytes] of encoded) {
      parts.push(Buffer.from(`${lead}${lead === '{' ? '' : ','}${JSON.stringify(key)}:`), bytes);
      lead = '';
    }
    parts.push(lead === '' ? brace : Buffer.from(`${lead}}`));
    return Buffer.concat(parts);
  },
  list(encoded) {
    const parts: Uint8Array[] = [open];
    encoded.forEach((bytes, i) => {
      if (i > 0) parts.push(comma);
      parts.push(bytes);
    });
    parts.push(shut);
    return Buffer.concat(parts);
  },
  decode(data) {
    try {
      return JSON.parse(data.toString('utf8'));
    } catch {
      throw new MessageError('the message is not JSON: send one object per text frame');
    }
  },
};

export const msgpackCodec: Codec = {
  name: 'msgpack',
  protocol: 'hunt.v1.msgpack',
  binary: true,
  index: 1,
  encode: packMsgpack,
  assemble: packMsgpackMap,
  list: packMsgpackArray,
  decode(data) {
    try {
      return unpackMsgpack(data);
    } catch (error) {
      throw new MessageError(
        `the message is not MessagePack as hunt.v1 has it: ${error instanceof MsgpackError ? error.message : 'unreadable'}`,
      );
    }
  },
};

export const codecs: readonly [Codec, Codec] = [jsonCodec, msgpackCodec];

/** The codec of the first offered subprotocol that we speak. */
export function codecOf(offered: Iterable<string>): Codec | undefined {
  for (const protocol of offered) for (const codec of codecs) if (codec.protocol === protocol) return codec;
  return undefined;
}

/** A whole unmasked frame (FIN, text or binary) around a message's bytes. */
export function wsFrame(payload: Uint8Array, binary: boolean): Buffer {
  const length = payload.byteLength;
  const header = length < 126 ? 2 : length < 0x10000 ? 4 : 10;
  const out = Buffer.allocUnsafe(header + length);
  out[0] = 0x80 | (binary ? 2 : 1);
  if (header === 2) out[1] = length;
  else if (header === 4) {
    out[1] = 126;
    out.writeUInt16BE(length, 2);
  } else {
    out[1] = 127;
    out.writeUInt32BE(0, 2);
    out.writeUInt32BE(length, 6);
  }
  out.set(payload, header);
  return out;
}

export const framed = (codec: Codec, message: Message): Buffer => wsFrame(codec.encode(message), codec.binary);
