import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Packr, Unpackr } from 'msgpackr';
import { MsgpackError, packMsgpack, unpackMsgpack } from './msgpack.ts';

const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', mapsAsObjects: true });
const packr = new Packr({ useRecords: false });
const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);

describe('msgpack', () => {
  it('writes what others read, and reads what others write', () => {
    fc.assert(
      fc.property(json, (value) => {
        assert.deepEqual(unpackr.unpack(packMsgpack(value)), value);
        assert.deepEqual(unpackMsgpack(packr.pack(value)), value);
      }),
    );
  });
  it('sends integers above 2^32 as uint64 and takes them also as float64', () => {
    const id = 2 ** 50 + 3;
    assert.equal(packMsgpack(id)[0], 0xcf);
    assert.equal(unpackMsgpack(packMsgpack(id)), id);
    assert.equal(unpackMsgpack(packr.pack(id)), id);
    assert.equal(unpackMsgpack(packMsgpack(-id)), -id);
  });
  it('refuses extensions, binary, bombs, duplicate and other keys, NaN and trailing bytes', () => {
    const bad: Record<string, number[]> = {
      extension: [0xd4, 1, 0],
      binary: [0xc4, 1, 0],
      depth: Array.from({ length: 100 }, () => 0x91),
      count: [0xdd, 0xff, 0xff, 0xff, 0xff],
      duplicate: [0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2],
      key: [0x81, 1, 1],
      nan: [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
      trailing: [0x80, 0x80],
      wide: [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
      utf8: [0xa1, 0xff],
      cut: [0xa5, 0x61],
    };
    for (const [name, bytes] of Object.entries(bad))
      assert.throws(() => unpackMsgpack(Buffer.from(bytes)), MsgpackError, name);
  });
  it('never throws anything else, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          unpackMsgpack(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof MsgpackError);
        }
      }),
    );
  });
  it('keeps a key that names the prototype a key', () => {
    const value = unpackMsgpack(
      Buffer.concat([Buffer.from([0x81, 0xa9]), Buffer.from('__proto__'), Buffer.from([0x81, 0xa1, 0x74, 1])]),
    ) as object;
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  });
});
