import type { ClientMessage } from './messages.ts';

/** How messages become frames. The subprotocol's name tells the server which of the two it is. */
export interface Codec {
  readonly protocol: 'hunt.v1.json' | 'hunt.v1.msgpack';
  encode(message: ClientMessage): string | Uint8Array;
  /** Throws when the frame is not of this codec. */
  decode(frame: string | Uint8Array): unknown;
}

export const jsonCodec: Codec = {
  protocol: 'hunt.v1.json',
  encode: (message) => JSON.stringify(message),
  decode(frame) {
    if (typeof frame !== 'string') throw new TypeError('a binary frame on hunt.v1.json');
    return JSON.parse(frame);
  },
};
