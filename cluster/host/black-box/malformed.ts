/** Messages and actions that are none, by what is wrong with them. Each must be refused with INVALID and a sentence that helps. */
import { encodeMsgpack } from './msgpack.ts';

export const brokenJson: Readonly<Record<string, string>> = {
  'an empty message': '',
  null: 'null',
  'a list': '[{"t":"ping"}]',
  'a text': '"ping"',
  'a number': '1',
  'half an object': '{"t":"ping"',
  'two objects': '{"t":"ping"}{"t":"ping"}',
  NaN: '{"t":"act","seq":NaN}',
  'no t': '{"hunt":1}',
  't that is a number': '{"t":1}',
  't that is null': '{"t":null}',
  't that nobody knows': '{"t":"explode"}',
  't of the prototype': '{"t":"__proto__"}',
  't of every object': '{"t":"constructor"}',
  'deep nesting': `{"t":"act","action":${'['.repeat(7_000)}${']'.repeat(7_000)}}`,
  'deep nesting that never ends': '['.repeat(16_000),
  'a number beyond all bounds': '{"t":"sub","hunt":1e999}',
  'sub without hunt': '{"t":"sub"}',
  'sub to zero': '{"t":"sub","hunt":0}',
  'sub to a fraction': '{"t":"sub","hunt":1.5}',
  'sub to 2^53': '{"t":"sub","hunt":9007199254740992}',
  'sub to a text': '{"t":"sub","hunt":"1"}',
  'sub to a minus': '{"t":"sub","hunt":-5}',
  'act without seq': '{"t":"act","hunt":257,"action":{"type":"join"}}',
  'act with seq 0': '{"t":"act","hunt":257,"seq":0,"action":{"type":"join"}}',
  'act with a minus as seq': '{"t":"act","hunt":257,"seq":-1,"action":{"type":"join"}}',
  'act with half a seq': '{"t":"act","hunt":257,"seq":1.5,"action":{"type":"join"}}',
  'act with seq 2^53': '{"t":"act","hunt":257,"seq":9007199254740992,"action":{"type":"join"}}',
  'act with a text as seq': '{"t":"act","hunt":257,"seq":"1","action":{"type":"join"}}',
  'act without hunt': '{"t":"act","seq":1,"action":{"type":"join"}}',
  'unsub without hunt': '{"t":"unsub"}',
  'a misspelt t': '{"t":"auth2"}',
};

const wide = (tag: number, value: bigint): Buffer => {
  const bytes = Buffer.alloc(9);
  bytes[0] = tag;
  bytes.writeBigUInt64BE(value, 1);
  return bytes;
};
const map = (...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat([
    Buffer.from([0x80 | (parts.length / 2)]),
    ...parts.map((part) => (typeof part === 'string' ? encodeMsgpack(part) : part)),
  ]);
const float = (value: number): Buffer => {
  const bytes = Buffer.alloc(9);
  bytes[0] = 0xcb;
  bytes.writeDoubleBE(value, 1);
  return bytes;
};

export const brokenMsgpack: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'a number': Buffer.from([1]),
  'a list': encodeMsgpack([{ t: 'ping' }]),
  'the byte that means nothing': Buffer.from([0xc1]),
  'half a map': encodeMsgpack({ t: 'ping' }).subarray(0, 4),
  'bytes behind the map': Buffer.concat([encodeMsgpack({ t: 'ping' }), Buffer.from([1])]),
  'two maps': Buffer.concat([encodeMsgpack({ t: 'ping' }), encodeMsgpack({ t: 'ping' })]),
  'a list of four billion': Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
  'a map of four billion': Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
  'a text of four billion': Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff]),
  'deep nesting': Buffer.alloc(16_000, 0x91),
  'deep nesting in maps': Buffer.concat(Array.from({ length: 5_000 }, () => Buffer.from([0x81, 0xa1, 0x61]))),
  'an extension type': map('t', 'ping', 'id', Buffer.from([0xd4, 5, 1])),
  'a time as extension': map('t', 'sub', 'hunt', Buffer.from([0xd6, 0xff, 1, 2, 3, 4])),
  'a record definition of msgpackr': map('t', 'sub', 'hunt', Buffer.from([0xd4, 0x72, 0x40])),
  'a key that is a number': Buffer.from([0x81, 1, 2]),
  'bad UTF-8 in a text': map('t', Buffer.from([0xa2, 0xc3, 0x28])),
  'an integer beyond 2^53': map('t', 'sub', 'hunt', wide(0xcf, 2n ** 53n)),
  'the greatest integer': map('t', 'sub', 'hunt', wide(0xcf, 2n ** 64n - 1n)),
  'the least integer': map('t', 'sub', 'hunt', wide(0xd3, 2n ** 63n)),
  'a fraction': map('t', 'sub', 'hunt', float(257.5)),
  NaN: map('t', 'sub', 'hunt', float(Number.NaN)),
  infinity: map('t', 'sub', 'hunt', float(Number.POSITIVE_INFINITY)),
  'a fraction beyond 2^53': map('t', 'sub', 'hunt', float(2 ** 60)),
  nil: map('t', 'sub', 'hunt', Buffer.from([0xc0])),
  bytes: map('t', Buffer.from([0xc4, 4, 0x70, 0x69, 0x6e, 0x67])),
};

/** Actions that are no actions; each must be refused by a nack that helps. */
export const brokenActions: Readonly<Record<string, unknown>> = {
  'no action': undefined,
  'null as action': null,
  'a text as action': 'join',
  'a list as action': ['join'],
  'no type': {},
  'an unknown type': { type: 'teleport' },
  'a type of every object': { type: 'constructor' },
  'a type that is a number': { type: 7 },
  'join with a number as name': { type: 'join', name: 5 },
  'join with an empty name': { type: 'join', name: '' },
  'join with 41 letters': { type: 'join', name: 'x'.repeat(41) },
  'join with a control character': { type: 'join', name: 'a\u0000b' },
  'join with a line break': { type: 'join', name: 'a\nb' },
  'check_in without a place': { type: 'check_in' },
  'check_in with a text as place': { type: 'check_in', lat: '52', lon: 13, accuracy: 5 },
  'check_in beyond the pole': { type: 'check_in', lat: 91, lon: 13, accuracy: 5 },
  'check_in beyond the date line': { type: 'check_in', lat: 52, lon: 180.5, accuracy: 5 },
  'check_in with a minus as accuracy': { type: 'check_in', lat: 52, lon: 13, accuracy: -1 },
  'check_in with null': { type: 'check_in', lat: null, lon: 13, accuracy: 5 },
  'check_in with a stage that is no id': { type: 'check_in', lat: 52, lon: 13, accuracy: 5, stage: 'a b' },
  'answer without text': { type: 'answer', clue: 'god' },
  'answer without clue': { type: 'answer', text: 'x' },
  'answer with an empty text': { type: 'answer', clue: 'god', text: '' },
  'answer with 501 letters': { type: 'answer', clue: 'god', text: 'x'.repeat(501) },
  'answer with a list': { type: 'answer', clue: 'god', text: ['x'] },
  'scan without code': { type: 'scan' },
  'scan with 201 letters': { type: 'scan', code: 'x'.repeat(201) },
  'claim without treasure': { type: 'claim' },
  'claim with half a place': { type: 'claim', treasure: 'chest', lat: 52 },
  'claim with an id of 65 letters': { type: 'claim', treasure: 'x'.repeat(65) },
  'hint without clue': { type: 'hint' },
  'hint with an object as clue': { type: 'hint', clue: { id: 'god' } },
  'skip with a number': { type: 'skip', stage: 5 },
  'create_team without name': { type: 'create_team' },
  'create_team with a short pin': { type: 'create_team', name: 'Red', pin: 'abc' },
  'join_team without team': { type: 'join_team' },
  'join_team with @admin': { type: 'join_team', team: '@admin' },
};
