/** Hunt definitions that are none, by what is wrong with them. */
export const yaml = { 'content-type': 'application/yaml' };
const stage = { id: 'a', title: 'A', complete: { scan: { code: 'X-1' } } };
export const hunt = (more: object): object => ({ title: 'T', stages: [stage], ...more });
const deepJson = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

/** Definitions that are none, and a piece of the path that the fault must be reported at. */
export const brokenDefinitions: Readonly<Record<string, readonly [string | object, string | undefined, object?]>> = {
  'an empty body': ['', undefined],
  'half an object': ['{"title":"T"', undefined],
  'a list': ['[]', undefined],
  null: ['null', undefined],
  'a key twice': [
    '{"title":"T","title":"U","stages":[{"id":"a","title":"A","complete":{"scan":{"code":"X"}}}]}',
    undefined,
  ],
  'nesting without end': [deepJson(20_000), undefined],
  'no title': [{ stages: [stage] }, '/title'],
  'no stages': [{ title: 'T' }, '/stages'],
  'an empty list of stages': [{ title: 'T', stages: [] }, '/stages'],
  'an unknown key': [hunt({ colour: 'red' }), 'colour'],
  'a key of the prototype': [
    '{"title":"T","__proto__":{"x":1},"stages":[{"id":"a","title":"A","complete":{"scan":{"code":"X"}}}]}',
    undefined,
  ],
  'a title of 121 letters': [hunt({ title: 'x'.repeat(121) }), '/title'],
  'a title that is a number': [hunt({ title: 7 }), '/title'],
  'an inverted window': [
    hunt({ window: { opens: '2030-01-02T00:00:00Z', closes: '2030-01-01T00:00:00Z' } }),
    '/window',
  ],
  'a time without offset': [hunt({ window: { opens: '2030-01-02T00:00:00' } }), '/window/opens'],
  'a day that is none': [hunt({ window: { opens: '2030-02-30T00:00:00Z' } }), '/window/opens'],
  'a time zone that is none': [hunt({ window: { timezone: 'Middle/Earth' } }), '/window/timezone'],
  'requires in a hunt that is no graph': [
    hunt({ stages: [stage, { ...stage, id: 'b', requires: ['a'] }] }),
    '/stages/1',
  ],
  'a dangling reference': [
    hunt({ order: 'graph', stages: [{ ...stage, requires: ['nowhere'] }] }),
    '/stages/0/requires',
  ],
  'a cycle': [
    hunt({
      order: 'graph',
      stages: [
        { ...stage, requires: ['b'] },
        { ...stage, id: 'b', requires: ['a'] },
      ],
    }),
    '/stages',
  ],
  'an id twice': [hunt({ stages: [stage, stage] }), '/stages/1'],
  'an id that is none': [hunt({ stages: [{ ...stage, id: 'a b' }] }), '/stages/0/id'],
  'two ways to complete': [
    hunt({ stages: [{ ...stage, complete: { scan: { code: 'X' }, claim: { treasure: 't' } } }] }),
    '/stages/0/complete',
  ],
  'no way to complete': [hunt({ stages: [{ ...stage, complete: {} }] }), '/stages/0/complete'],
  'a clue of nobody': [
    hunt({ stages: [{ ...stage, complete: { answer: { clue: 'q', accept: ['x'] } } }] }),
    '/stages/0/complete',
  ],
  'a treasure of nobody': [
    hunt({ stages: [{ ...stage, complete: { claim: { treasure: 'q' } } }] }),
    '/stages/0/complete',
  ],
  'no accepted answer': [
    hunt({ stages: [{ ...stage, clues: [{ id: 'q', text: '?' }], complete: { answer: { clue: 'q', accept: [] } } }] }),
    '/stages/0/complete/answer/accept',
  ],
  'a place beyond the pole': [
    hunt({ stages: [{ ...stage, complete: { check_in: { lat: 91, lon: 0 } } }] }),
    '/stages/0/complete/check_in/lat',
  ],
  'points beyond all bounds': [hunt({ stages: [{ ...stage, points: 1e10 }] }), '/stages/0/points'],
  'half a point': [hunt({ stages: [{ ...stage, points: 0.5 }] }), '/stages/0/points'],
  'a board of 101': [hunt({ board: { top: 101 } }), '/board/top'],
  'more than a million players': [hunt({ limits: { players: 1_000_001 } }), '/limits/players'],
  'media that is no https URL': [
    hunt({ stages: [{ ...stage, clues: [{ id: 'q', text: '?', media: 'javascript:alert(1)' }] }] }),
    '/stages/0/clues/0/media',
  ],
  'a hash that is none': [
    hunt({ stages: [{ ...stage, complete: { scan: { code_sha256: 'abc' } } }] }),
    '/stages/0/complete/scan',
  ],
  '501 stages': [hunt({ stages: Array.from({ length: 501 }, (_, i) => ({ ...stage, id: `s${i}` })) }), '/stages'],
  'YAML with a key twice': ['title: T\ntitle: U\nstages: []\n', undefined, yaml],
  'YAML with a tag': ['title: !!js/function "x"\nstages: []\n', undefined, yaml],
  'YAML with a merge key': [
    'base: &b {id: a}\ntitle: T\nstages:\n  - {<<: *b, title: A, complete: {scan: {code: X}}}\n',
    undefined,
    yaml,
  ],
  'YAML with an anchor of itself': ['title: T\nstages: &s [*s]\n', undefined, yaml],
  'YAML that multiplies': [
    `a: &a [${'x,'.repeat(9)}x]\n${'bcdefghi'
      .split('')
      .map((c, i) => `${c}: &${c} [${`*${'abcdefghi'[i]},`.repeat(9)}*${'abcdefghi'[i]}]`)
      .join('\n')}\ntitle: T\nstages: *i\n`,
    undefined,
    yaml,
  ],
  'YAML with a tab': ['title: T\n\tstages: []\n', undefined, yaml],
  'two YAML documents': ['title: T\n---\ntitle: U\n', undefined, yaml],
  'bytes that are no text': [Buffer.from([0xff, 0xfe, 0, 1]), undefined, yaml],
};
