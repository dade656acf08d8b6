import assert from 'node:assert/strict';
import fc from 'fast-check';
import { slotCount } from '../proto/ids.ts';
import { assign, bounds, loadFactorMax, loads, type Owners, type PlaceMember } from './assignment.ts';
import { level } from './move-plan.ts';

const nothing: Owners = Array.from({ length: slotCount }, () => undefined);
const equal = (count: number): PlaceMember[] =>
  Array.from({ length: count }, (_, i) => ({ id: `n${i + 1}`, weight: 1 }));
const movedFrom = (before: Owners, after: Owners): number[] =>
  before.flatMap((owner, slot) => (owner !== after[slot] ? [slot] : []));

/** What no plan can do without: slots with no place to stay, excess to be shed, gaps that nothing free fills. */
function movesNeeded(present: Owners, members: readonly PlaceMember[]): number {
  const weights = new Map(members.map((member) => [member.id, member.weight]));
  const kept = present.map((owner) => ((weights.get(owner ?? '') ?? 0) > 0 ? owner : undefined));
  const forced = kept.filter((owner) => owner === undefined).length;
  const load = loads(kept, members);
  let excess = 0;
  let gaps = 0;
  for (const [id, { least, most }] of bounds(members)) {
    excess += Math.max(0, (load.get(id) ?? 0) - most);
    gaps += Math.max(0, least - (load.get(id) ?? 0));
  }
  return forced + Math.max(excess, gaps - forced);
}

type Step =
  | { readonly kind: 'join'; readonly weight: number }
  | { readonly kind: 'die' | 'leave'; readonly which: number }
  | { readonly kind: 'weigh'; readonly which: number; readonly weight: number };
const weight = fc.constantFrom(0.5, 1, 1, 1, 2, 3);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('join' as const), weight }),
  fc.record({ kind: fc.constantFrom('die' as const, 'leave' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('weigh' as const), which: fc.nat(), weight: fc.oneof(weight, fc.constant(0)) }),
);

/** Lives through the steps, levelling after each; calls `check` with what was, what is and among whom. */
function live(
  steps: readonly Step[],
  check: (before: Owners, after: Owners, members: readonly PlaceMember[]) => void,
): void {
  let members = equal(3);
  let owners = assign(nothing, members);
  let named = members.length;
  for (const one of steps) {
    const at = 'which' in one ? one.which % members.length : 0;
    if (one.kind === 'join') members = [...members, { id: `n${++named}`, weight: one.weight }];
    else if (one.kind === 'weigh') members = members.map((m, i) => (i === at ? { ...m, weight: one.weight } : m));
    else members = members.filter((_, i) => i !== at);
    if (!members.some((m) => m.weight > 0)) return;
    if (one.kind === 'die') {
      const dead = owners;
      owners = assign(owners, members);
      for (const slot of movedFrom(dead, owners))
        assert.ok(!members.some((m) => m.id === dead[slot]), `slot ${slot} moved, and its owner lives`);
    }
    const next = level(owners, members);
    check(owners, next, members);
    owners = next;
  }
}

describe('a plan of moves', () => {
  it('keeps everybody within a tenth of the fair share through thousands of joins, deaths, leaves and weights', () => {
    let steps = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 40 }), (list) => {
        live(list, (_before, after, members) => {
          steps++;
          const total = members.reduce((sum, m) => sum + m.weight, 0);
          const load = loads(after, members);
          assert.equal(after.filter((owner) => owner === undefined).length, 0);
          for (const { id, weight: its } of members) {
            const fair = (slotCount * its) / total;
            const held = load.get(id) ?? 0;
            assert.ok(held <= Math.max(Math.floor(fair * loadFactorMax), Math.ceil(fair)), `${id}: ${held} of ${fair}`);
            assert.ok(held >= Math.min(Math.ceil(fair * 0.9), Math.floor(fair)), `${id}: ${held} of ${fair}`);
          }
        });
      }),
      { numRuns: 160 },
    );
    assert.ok(steps > 2_000, `only ${steps} steps`);
  });

  it('moves no more slots than it must, and nothing the second time', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 20 }), (list) => {
        live(list, (before, after, members) => {
          assert.equal(movedFrom(before, after).length, movesNeeded(before, members));
          assert.deepEqual(level(after, members), after);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('puts pinned slots where they are pinned, whatever the weights, and lets nothing else suffer but the bound', () => {
    const pins = fc.dictionary(
      fc.integer({ min: 0, max: slotCount - 1 }).map(String),
      fc.constantFrom('n1', 'n2', 'n3', 'n4'),
      { maxKeys: 60 },
    );
    fc.assert(
      fc.property(pins, fc.array(weight, { minLength: 4, maxLength: 4 }), (pinned, weights) => {
        const members = equal(4).map((m, i) => ({ ...m, weight: weights[i] ?? 1 }));
        const wanted = new Map(Object.entries(pinned).map(([slot, node]) => [Number(slot), node]));
        const before = assign(nothing, equal(4));
        const after = level(before, members, wanted);
        for (const [slot, node] of wanted) assert.equal(after[slot], node);
        const load = loads(after, members);
        for (const [id, { most }] of bounds(members)) {
          const its = [...wanted.values()].filter((node) => node === id).length;
          assert.ok((load.get(id) ?? 0) <= Math.max(most, its), `${id} holds ${load.get(id)}, ${its} of them pinned`);
        }
        assert.deepEqual(level(after, members, wanted), after);
      }),
      { numRuns: 150 },
    );
  });

  it('gives a weight of 0 nothing but its pins, and a pin to somebody who cannot take it no effect', () => {
    const members = [...equal(3), { id: 'light', weight: 0 }, { id: 'gone', weight: 0, receives: false }];
    const after = level(
      assign(nothing, equal(3)),
      members,
      new Map([
        [7, 'light'],
        [8, 'gone'],
        [9, 'nobody'],
      ]),
    );
    assert.equal(after[7], 'light');
    assert.deepEqual(loads(after, members).get('light'), 1);
    for (const slot of [8, 9]) assert.match(after[slot] ?? '', /^n[123]$/);
  });

  it('gives nothing to who may not receive, and places what is free even where that exceeds the bound', () => {
    const members = equal(3).map((m) => ({ ...m, receives: m.id === 'n1' }));
    const present = assign(nothing, equal(4));
    const after = level(present, members);
    for (const slot of movedFrom(present, after)) assert.equal(after[slot], 'n1');
    assert.ok(after.every((owner) => owner !== undefined && owner !== 'n4'));
    assert.deepEqual(assign(present, members), assign(assign(present, members), members));
    assert.ok(assign(present, members).every((owner, slot) => owner === present[slot] || owner === 'n1'));
  });
});
