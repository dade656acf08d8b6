/** The binary codec, in a file of its own: a page that is content with JSON loads no msgpackr. */
import { Packr, Unpackr } from 'msgpackr';
import type { Codec } from './codec.ts';

// No records and no extension types: every message is one plain map with string keys.
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

export const msgpackCodec: Codec = {
  protocol: 'hunt.v1.msgpack',
  encode: (message) => packr.pack(message),
  decode(frame) {
    if (typeof frame === 'string') throw new TypeError('a text frame on hunt.v1.msgpack');
    return unpackr.unpack(frame);
  },
};
