import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Position, Slot } from '../../../proto/ids.ts';
import { coverOf, nameOf, type ObjectName, parseName } from './object-name.ts';

const slot = 7 as Slot;
const name = (from: number, to: number, level = 0): ObjectName => ({
  slot,
  from: from as Position,
  to: to as Position,
  level,
});
const short = (names: readonly ObjectName[]) => names.map(({ from, to, level }) => `${from}-${to}/${level}`);

describe('the name of an archive object', () => {
  it('says slot, positions and level, sorts by position, and is read back', () => {
    const names = [name(0, 4_096), name(2 ** 32 * 5, 2 ** 52), name(4_096, 2 ** 33, 2)];
    assert.equal(nameOf(names[0] as ObjectName), '007/0000000000000000-0000000000004096.records');
    assert.deepEqual(names.map(nameOf).map(parseName), names);
    assert.deepEqual([...names].map(nameOf).sort(), [...names].sort((a, b) => a.from - b.from).map(nameOf));
  });

  it('is not read out of others', () => {
    for (const other of [
      '007/a.records',
      '007/0000000000000005-0000000000000005.records',
      '300/0000000000000000-0000000000000005.records',
      '007/0000000000000000-0000000000000005.catalog0',
      'x/007/0000000000000000-0000000000000005.records',
    ])
      assert.equal(parseName(other), undefined, other);
  });
});

describe('the cover of a slot', () => {
  it('takes the furthest that goes on, and a catalog rather than what it stands for', () => {
    const names = [name(0, 10), name(10, 20), name(5, 30), name(30, 40), name(0, 20, 1), name(20, 30), name(60, 70)];
    assert.deepEqual(short(coverOf(names)), ['0-20/1', '5-30/0', '30-40/0', '60-70/0']);
    assert.deepEqual(short(coverOf([])), []);
    assert.deepEqual(short(coverOf([name(50, 60), name(50, 60, 1)])), ['50-60/1']);
  });

  it('holds every position that any of them holds, in order, and no more than is needed', () => {
    const range = fc
      .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 20 }))
      .map(([from, length]) => name(from, from + length));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 25 }), (names) => {
        const cover = coverOf(names);
        const held = (of: readonly ObjectName[], at: number): boolean =>
          of.some((one) => one.from <= at && at < one.to);
        for (let at = 0; at < 90; at++) assert.equal(held(cover, at), held(names, at), `position ${at}`);
        for (let i = 1; i < cover.length; i++) {
          const [before, next] = [cover[i - 1] as ObjectName, cover[i] as ObjectName];
          assert.ok(next.to > before.to && next.from >= before.from);
          const over = cover[i + 1];
          assert.ok(over === undefined || over.from > before.to, 'the one in between is needed');
        }
      }),
    );
  });
});
