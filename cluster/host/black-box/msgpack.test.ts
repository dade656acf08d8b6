import assert from 'node:assert/strict';
import { decodeMsgpack, encodeMsgpack, MsgpackFault } from './msgpack.ts';

describe('the bare msgpack codec', () => {
  const message = {
    t: 'act',
    hunt: 2 ** 52 + 1,
    seq: 1,
    n: [-1, -33, -70_000, 0, 127, 128, 65_535, 65_536, 2 ** 33],
    text: 'ü'.repeat(40),
    long: 'x'.repeat(70_000),
    yes: true,
    no: false,
    nil: null,
    lat: 52.5,
  };
  for (const wideAs of ['uint64', 'float64'] as const) {
    it(`reads what it wrote, with wide integers as ${wideAs}`, () => {
      const { hunt, n, ...rest } = message;
      if (wideAs === 'uint64') assert.deepEqual(decodeMsgpack(encodeMsgpack(message, wideAs)), message);
      else assert.throws(() => decodeMsgpack(encodeMsgpack({ hunt, n }, wideAs)), /came as a float/);
      assert.deepEqual(decodeMsgpack(encodeMsgpack(rest, wideAs)), rest);
    });
  }
  it('refuses extension types, integers as floats, repeated keys and bytes behind the message', () => {
    for (const bad of [
      [0xd4, 1, 2],
      [0xc4, 1, 2],
      [0x81, 0xa1, 0x61, 0xcb, 0x40, 0, 0, 0, 0, 0, 0, 0],
      [0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2],
      [1, 1],
      [0x81, 1, 1],
      [0xa5, 0x61],
    ]) {
      assert.throws(() => decodeMsgpack(Buffer.from(bad)), MsgpackFault);
    }
  });
});
