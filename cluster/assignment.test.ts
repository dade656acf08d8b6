import assert from 'node:assert/strict';
import fc from 'fast-check';
import { slotCount } from '../proto/ids.ts';
import { assign, bounds, type Owners } from './assignment.ts';
import { preferences, type RingMember } from './ring.ts';

const nothing: Owners = Array.from({ length: slotCount }, () => undefined);
const id = fc.stringMatching(/^[A-Za-z0-9_.:-]{1,12}$/);
const member = fc.record({
  id,
  weight: fc.oneof(fc.constantFrom(0, 1, 1, 2), fc.double({ min: 0, max: 100, noNaN: true })),
});
const members = fc.uniqueArray(member, { minLength: 1, maxLength: 24, selector: (m) => m.id });
const loads = (owners: Owners) =>
  owners.reduce(
    (map, owner) => (owner === undefined ? map : map.set(owner, (map.get(owner) ?? 0) + 1)),
    new Map<string, number>(),
  );
const placeable = (list: readonly RingMember[]) => list.some((m) => m.weight > 0);

describe('the ring', () => {
  it('gives every slot an order of all members with weight, each once, whatever the order they are named in', () => {
    fc.assert(
      fc.property(members, (list) => {
        const order = preferences(list);
        const expected = list
          .filter((m) => m.weight > 0)
          .map((m) => m.id)
          .sort();
        for (const ids of order) assert.deepEqual([...ids].sort(), expected);
        assert.deepEqual(preferences([...list].reverse()), order);
      }),
      { numRuns: 15 },
    );
  });
});

describe('an assignment', () => {
  it('gives every slot an owner and no node more than its bound, from nothing', () => {
    fc.assert(
      fc.property(members, (list) => {
        const owners = assign(nothing, list);
        const limits = bounds(list);
        for (const [owner, load] of loads(owners))
          assert.ok(load <= (limits.get(owner)?.most ?? 0), `${owner} holds ${load}`);
        assert.equal(owners.filter((owner) => owner !== undefined).length, placeable(list) ? slotCount : 0);
      }),
      { numRuns: 40 },
    );
  });

  it('keeps nine equal nodes within 10 % of their fair share, above and below', () => {
    const nine = Array.from({ length: 9 }, (_, i) => ({ id: `n${i + 1}`, weight: 1 }));
    for (const load of loads(assign(nothing, nine)).values()) assert.ok(load >= 26 && load <= 31, `${load} of 28.4`);
  });

  it('leaves nobody below nine tenths of its share when everything is free to move', () => {
    fc.assert(
      fc.property(members, (list) => {
        fc.pre(placeable(list));
        const load = loads(assign(nothing, list));
        for (const [owner, { least }] of bounds(list))
          assert.ok((load.get(owner) ?? 0) >= least, `${owner} holds ${load.get(owner)}, least ${least}`);
      }),
      { numRuns: 40 },
    );
  });

  it('moves only the slots of members that vanished', () => {
    fc.assert(
      fc.property(members, members, (before, after) => {
        const present = assign(nothing, before);
        const next = assign(present, after);
        const stayed = new Set(after.map((m) => m.id));
        present.forEach((owner, slot) => {
          if (owner !== undefined && stayed.has(owner))
            assert.equal(next[slot], owner, `slot ${slot} moved without need`);
        });
        if (placeable(after)) assert.ok(next.every((owner) => owner !== undefined && stayed.has(owner)));
        const limits = bounds(after);
        const was = loads(present);
        for (const [owner, load] of loads(next))
          assert.ok(load <= Math.max(limits.get(owner)?.most ?? 0, was.get(owner) ?? 0), `${owner} holds ${load}`);
        assert.deepEqual(assign(next, after), next, 'a second time changes nothing');
      }),
      { numRuns: 40 },
    );
  });
});
