import assert from 'node:assert/strict';
import { accepted, answers, codeForm, codeHash, editDistance, type Match } from './matching.ts';

const fits = (text: string, match: Match, ...accept: (string | number)[]) =>
  answers(
    text,
    match,
    accept.map((one) => accepted(one, match)),
  );

describe('an answer', () => {
  it('matches exactly only letter for letter', () => {
    assert.ok(fits('a', 'exact', 'b', 'a'));
    assert.ok(!fits('A', 'exact', 'a'));
  });

  it('matches loosely over case, accents, punctuation, width and spaces', () => {
    for (const text of [' NEPTÚNE! ', 'neptune', 'Ｎｅｐｔｕｎｅ', 'Nep-tune'])
      assert.ok(fits(text, 'loose', 'Neptune'), text);
    assert.ok(fits('STRASSE', 'loose', 'Straße'));
    assert.ok(fits('ΟΔΟΣ', 'loose', 'οδός'));
    assert.ok(fits('two   words', 'loose', 'Two words'));
    assert.ok(fits('1912', 'loose', 1912));
    assert.ok(!fits('Neptun', 'loose', 'Neptune'));
    assert.ok(!fits('!', 'loose', 'Neptune'));
  });

  it('matches with one edit from 5 letters and two from 9', () => {
    assert.ok(!fits('fuor', 'typo', 'four'));
    assert.ok(fits('Neptne', 'typo', 'Neptune'));
    assert.ok(fits('Netpune', 'typo', 'Neptune'));
    assert.ok(!fits('Neptn', 'typo', 'Neptune'));
    assert.ok(fits('Poseidno', 'typo', 'Poseidon'));
    assert.ok(fits('Amphitrte', 'typo', 'Amphitrite'));
    assert.ok(fits('Amhpitrte', 'typo', 'Amphitrite'));
    assert.ok(!fits('Amhptrte', 'typo', 'Amphitrite'));
  });

  it('counts edits as Damerau and Levenshtein do, with free edits between swapped letters', () => {
    const distance = (a: string, b: string) => editDistance([...a], [...b]);
    assert.deepEqual(
      [
        distance('', 'abc'),
        distance('abc', 'abc'),
        distance('ab', 'ba'),
        distance('ca', 'abc'),
        distance('kitten', 'sitting'),
      ],
      [3, 0, 1, 2, 3],
    );
  });
});

describe('a code', () => {
  it('compares after trimming and upper-casing, and its hash is of that form', () => {
    assert.equal(codeForm('  hx-2291 '), 'HX-2291');
    assert.equal(codeHash('HX-2291'), codeHash(codeForm('hx-2291')));
    assert.equal(codeHash('A'), '559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd');
  });
});
