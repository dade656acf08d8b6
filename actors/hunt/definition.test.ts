import assert from 'node:assert/strict';
import { parseDefinition } from './definition.ts';
import { definitionBytesMax } from './definition-document.ts';

const json = (value: unknown) => parseDefinition({ text: JSON.stringify(value), format: 'json' });
const yaml = (text: string) => parseDefinition({ text, format: 'yaml' });
const paths = (parsed: ReturnType<typeof parseDefinition>): string[] =>
  parsed.ok ? [] : parsed.errors.map(({ path }) => path);
const stage = (id: string, more: object = {}) => ({ id, title: id, complete: { scan: { code: id } }, ...more });
const hunt = (more: object = {}) => ({ title: 'Hunt', stages: [stage('a')], ...more });

describe('a definition', () => {
  it('comes out with all defaults, and the same again when parsed again', () => {
    const parsed = json(hunt({ treasures: [{ id: 't', title: 'T', at: { lat: 1, lon: 2 } }] }));
    assert.ok(parsed.ok);
    const { definition } = parsed;
    assert.deepEqual(definition.limits, { players: 10_000, teams: 1_000 });
    assert.deepEqual(definition.defaults, { attempts: 4, penalty: 0, cooldown_s: 60, skip: true, skip_penalty: 0 });
    assert.deepEqual(definition.location, { radius_m: 40, accuracy_max_m: 50, accuracy_cap_m: 25, speed_max_mps: 70 });
    assert.deepEqual(
      [definition.order, definition.entry, definition.feed, definition.admission, definition.board, definition.window],
      ['any', 'solo', 'all', 'code', { top: 10, show: 'live' }, { timezone: 'UTC' }],
    );
    assert.equal(definition.stages[0]!.attempts, 4);
    assert.equal(definition.treasures[0]!.at!.radius_m, 40);
    const again = json(definition);
    assert.ok(again.ok);
    assert.deepEqual(again.definition, definition);
  });

  it('is read from YAML 1.2: no is a text, dates stay texts, anchors are expanded', () => {
    const parsed = yaml(
      'title: no\nwindow: {opens: 2026-06-06T10:00:00+02:00, timezone: Europe/Berlin}\nstages:\n  - &s {id: a, title: Å, complete: {scan: {code: x}}}\ntreasures: [{id: t, title: *t}]\n'.replace(
        '*t',
        '"T"',
      ),
    );
    assert.ok(parsed.ok, JSON.stringify(parsed));
    assert.equal(parsed.definition.title, 'no');
    assert.equal(parsed.definition.stages[0]!.title, 'Å'.normalize('NFC'));
    const shared = yaml(
      'title: x\nstages:\n  - {id: a, title: A, complete: &c {scan: {code: x}}}\n  - {id: b, title: B, complete: *c}\n',
    );
    assert.ok(shared.ok, JSON.stringify(shared));
  });

  it('is refused with every fault at once, each under its JSON Pointer', () => {
    assert.deepEqual(
      paths(
        json({
          title: '',
          window: { opens: '2026-02-30T00:00:00Z' },
          order: 'sideways',
          'a/b~c': 1,
          limits: { players: 0 },
          language: '!',
          team: { size_max: 1.5 },
          stages: [
            stage('a b'),
            stage('z', { title: 5, requires: ['q'], complete: { answer: { clue: 'x', accept: [true] } } }),
            stage('z', { complete: {} }),
          ],
          treasures: [
            { id: 't', title: 'T', stage: 'nope', at: { lat: 91, lon: 0 } },
            { id: 't', title: 'T' },
          ],
        }),
      ).sort(),
      [
        '/a~1b~0c',
        '/language',
        '/limits/players',
        '/order',
        '/stages/0/id',
        '/stages/1/complete/answer/accept/0',
        '/stages/1/complete/answer/clue',
        '/stages/1/requires',
        '/stages/1/requires/0',
        '/stages/1/title',
        '/stages/2/complete',
        '/stages/2/id',
        '/team/size_max',
        '/title',
        '/treasures/0/at/lat',
        '/treasures/0/stage',
        '/treasures/1/id',
        '/window/opens',
      ].sort(),
    );
  });

  it('is refused for what only two places together show', () => {
    assert.deepEqual(
      paths(
        json(
          hunt({
            order: 'graph',
            stages: [
              stage('a', { requires: ['c'] }),
              stage('b', { requires: ['a'] }),
              stage('c', { requires: ['b'] }),
              stage('d', { requires: ['c'] }),
            ],
          }),
        ),
      ),
      ['/stages/0/requires', '/stages/1/requires', '/stages/2/requires'],
    );
    assert.deepEqual(paths(json(hunt({ order: 'graph', stages: [stage('a', { requires: ['a'] })] }))), [
      '/stages/0/requires',
    ]);
    assert.deepEqual(paths(json(hunt({ stages: [stage('a', { requires: [] })] }))), ['/stages/0/requires']);
    assert.deepEqual(
      paths(json(hunt({ window: { opens: '2026-01-02T00:00:00Z', closes: '2026-01-02T01:00:00+01:00' } }))),
      ['/window/closes'],
    );
    assert.deepEqual(
      paths(
        json(
          hunt({
            stages: [stage('a', { complete: { scan: { code: 'x' }, claim: { treasure: 't' } } })],
            treasures: [{ id: 't', title: 'T' }],
          }),
        ),
      ),
      ['/stages/0/complete'],
    );
    assert.deepEqual(paths(json(hunt({ stages: [stage('a', { complete: { scan: {} } })] }))), [
      '/stages/0/complete/scan',
    ]);
    const clues = [{ id: 'c', text: 'x' }];
    assert.deepEqual(paths(json(hunt({ stages: [stage('a', { clues }), stage('b', { clues })] }))), [
      '/stages/1/clues/0/id',
    ]);
    assert.deepEqual(
      paths(json(hunt({ stages: [stage('a', { clues, complete: { answer: { clue: 'c', accept: ['?!'] } } })] }))),
      ['/stages/0/complete/answer/accept/0'],
    );
  });

  it('may hold 500 stages in a row of requirements', () => {
    const stages = Array.from({ length: 500 }, (_, i) => stage(`s${i}`, i === 0 ? {} : { requires: [`s${i - 1}`] }));
    assert.deepEqual(paths(json(hunt({ order: 'graph', stages }))), []);
    assert.deepEqual(paths(json(hunt({ stages: [...stages.map(({ id }) => stage(id)), stage('more')] }))), ['/stages']);
  });

  it('measures text in code points, after NFC, and refuses control characters and half surrogates', () => {
    assert.deepEqual(paths(json(hunt({ title: '🦊'.repeat(120) }))), []);
    assert.deepEqual(paths(json(hunt({ title: '🦊'.repeat(121) }))), ['/title']);
    assert.deepEqual(paths(json(hunt({ title: 'e\u0301'.repeat(120) }))), []);
    assert.deepEqual(paths(json(hunt({ title: 'a\nb' }))), ['/title']);
    assert.deepEqual(paths(json(hunt({ description: 'a\nb' }))), []);
    assert.deepEqual(paths(json(hunt({ description: 'a\u0000b' }))), ['/description']);
    assert.deepEqual(paths(parseDefinition({ text: '{"title":"\\ud800","stages":[]}', format: 'json' })), [
      '/title',
      '/stages',
    ]);
  });

  it('is refused when a key stands twice, in JSON and YAML alike', () => {
    assert.deepEqual(
      paths(
        parseDefinition({ text: '{"title":"a","stages":[{"id":"a","\\u0069d":"b"}],"title":"b"}', format: 'json' }),
      ),
      ['/stages/0/id', '/title'],
    );
    assert.deepEqual(paths(yaml('title: a\ntitle: b\nstages: [{id: a, "id": b}]')), ['/title', '/stages/0/id']);
    assert.deepEqual(paths(parseDefinition({ text: '{"title":"a,\\"title\\":{","stages":[]}', format: 'json' })), [
      '/stages',
    ]);
  });

  it('is refused for custom tags, merge keys, several documents and aliases that expand too far or into themselves', () => {
    assert.match(JSON.stringify(yaml('title: !shout x\nstages: []')), /custom tags/);
    assert.ok(paths(yaml('base: &b {title: x}\n<<: *b\nstages: []')).includes('/<<'));
    assert.equal(yaml('title: a\n---\ntitle: b').ok, false);
    assert.match(JSON.stringify(yaml('a: &a [*a]')), /inside of its own anchor/);
    const bomb = [
      'a: &a [xxxxxxxxxx]',
      ...'bcdefgh'.split('').map((name, i) => `${name}: &${name} [${Array(10).fill(`*${'abcdefgh'[i]}`).join()}]`),
    ].join('\n');
    assert.match(JSON.stringify(yaml(bomb)), /anchors expanded/);
  });

  it('is refused, and quickly, when it is too long or nests too deep', () => {
    assert.match(
      JSON.stringify(parseDefinition({ text: ' '.repeat(definitionBytesMax + 1), format: 'json' })),
      /1 MiB/,
    );
    assert.match(
      JSON.stringify(parseDefinition({ text: '['.repeat(100_000) + ']'.repeat(100_000), format: 'json' })),
      /nests deeper/,
    );
    assert.match(JSON.stringify(yaml('['.repeat(100_000))), /nests deeper/);
    assert.match(JSON.stringify(yaml('- '.repeat(100_000))), /nests deeper/);
    assert.match(JSON.stringify(yaml('- '.repeat(900))), /nests deeper/);
    assert.ok(
      yaml(`# ${'-'.repeat(2_000)} a rule\ntitle: x\nstages: [{id: a, title: A, complete: {scan: {code: x}}}]`).ok,
    );
    assert.equal(yaml('').ok, false);
    assert.equal(json(null).ok, false);
    assert.equal(json([]).ok, false);
  });

  it('keeps its public part within 128 KiB', () => {
    const treasures = Array.from({ length: 3_000 }, (_, i) => ({ id: `t${i}`, title: 'x'.repeat(60) }));
    assert.match(JSON.stringify(json(hunt({ treasures }))), /public part/);
  });

  it('warns of what is hardly meant', () => {
    const parsed = json(
      hunt({
        order: 'linear',
        stages: [stage('a', { points: 1 }), stage('b', { complete: { claim: { treasure: 't' } }, skip: false })],
        treasures: [{ id: 't', title: 'T', stock: 0 }],
      }),
    );
    assert.ok(parsed.ok);
    assert.equal(parsed.warnings.length, 3);
  });
});
