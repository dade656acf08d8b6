/**
 * Owners that follow the fold, on a network that loses, repeats and delays as it likes: all histories of small worlds, and
 * random ones of larger worlds. An owner here is what slot-lane.ts is, without Kafka: it believes its fold and nothing else.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Announcement, type Batch, emptySlot, type FoldState, fold } from './fold.ts';

interface Told extends Batch {
  readonly text: string;
}
type Record = Announcement | Told;

interface Budget {
  readonly takes: number;
  readonly appends: number;
  /** Copies of what it sent already. */
  readonly copies: number;
}

interface Owner {
  readonly name: string;
  left: Budget;
  /** Folded to. */
  position: number;
  state: FoldState;
  head: number;
  /** The term that it owns, 0: none. */
  term: number;
  tokens: number;
  seq: number;
  /** Sent and not folded yet. */
  waiting: Told[];
  acked: string[];
  fenced: string[];
}

interface World {
  readonly log: Record[];
  /** Sent, and not in the log yet; may stay here for ever. */
  readonly network: Record[];
  readonly owners: Owner[];
}

const worldOf = (budgets: readonly Budget[]): World => ({
  log: [],
  network: [],
  owners: budgets.map((left, i) => ({
    name: 'abc'[i] as string,
    left,
    position: 0,
    state: emptySlot,
    head: 0,
    term: 0,
    tokens: 0,
    seq: 0,
    waiting: [],
    acked: [],
    fenced: [],
  })),
});

function announce(world: World, owner: Owner): void {
  owner.left = { ...owner.left, takes: owner.left.takes - 1 };
  const { term, epoch } = owner.state;
  world.network.push({ type: 'announcement', term: term + 1, epoch, owner: `${owner.name}${++owner.tokens}` });
}

function append(world: World, owner: Owner): void {
  owner.left = { ...owner.left, appends: owner.left.appends - 1 };
  const version = owner.head + owner.waiting.length + 1;
  const text = `${owner.name}.${owner.term}.${++owner.seq}`;
  const { term, seq, state } = owner;
  const stream = { kind: 'hunt', id: 1 };
  const told: Told = { type: 'batch', term, epoch: state.epoch, seq, total: 0, stream, version, count: 1, text };
  owner.waiting.push(told);
  world.network.push(told);
}

/** One record further, as slot-lane.ts does it. */
function foldOn(world: World, owner: Owner): void {
  const record = world.log[owner.position++] as Record;
  const next = fold(owner.state, record);
  const counted = next !== owner.state;
  owner.state = next;
  if (!counted) return;
  if (record.type === 'batch') {
    owner.head = record.version;
    if (record.term !== owner.term) return;
    assert.deepEqual(owner.waiting.shift(), record, 'what counted under its term is what it sent next');
    owner.acked.push(record.text);
  } else {
    owner.fenced.push(...owner.waiting.map(({ text }) => text));
    owner.waiting = [];
    owner.seq = 0;
    owner.term = record.owner === `${owner.name}${owner.tokens}` ? record.term : 0;
  }
}

/** All that can happen next. */
function steps(world: World, foldWeight = 1): ((next: World) => void)[] {
  const possible: ((next: World) => void)[] = [];
  for (const [i, owner] of world.owners.entries()) {
    const own = (run: (next: World, one: Owner) => void) => (next: World) => run(next, next.owners[i] as Owner);
    // More likely than others where steps are drawn: owners that know nothing do nothing.
    if (owner.position < world.log.length) for (let i = 0; i < foldWeight; i++) possible.push(own(foldOn));
    if (owner.left.takes > 0) possible.push(own(announce));
    if (owner.term > 0 && owner.left.appends > 0) possible.push(own(append));
    if (owner.left.copies > 0)
      for (const [at] of owner.waiting.entries())
        possible.push(
          own((next, one) => {
            one.left = { ...one.left, copies: one.left.copies - 1 };
            next.network.push(one.waiting[at] as Told);
          }),
        );
  }
  for (const [at] of world.network.entries())
    possible.push((next) => void next.log.push(...next.network.splice(at, 1)));
  return possible;
}

function check(world: World): void {
  const history: Told[] = [];
  let state = emptySlot;
  for (const record of world.log) {
    const next = fold(state, record);
    if (next !== state && record.type === 'batch') history.push(record);
    state = next;
  }
  assert.deepEqual(
    history.map(({ version }) => version),
    history.map((_, i) => i + 1),
    'one history: no hole, no fork',
  );
  const texts = history.map(({ text }) => text);
  assert.equal(new Set(texts).size, texts.length, 'nothing is in it twice');
  for (const { acked, fenced, name } of world.owners) {
    for (const text of acked) assert.ok(texts.includes(text), `${name} was told that ${text} is in the log`);
    for (const text of fenced) assert.ok(!texts.includes(text), `${name} was told that ${text} is not in the log`);
  }
  const owners = world.owners.filter(({ term }) => term > 0 && term === state.term);
  assert.ok(owners.length <= 1, 'one owner of the present term');
}

/** Every history of the world, each state once. */
function explore(start: World): { states: number; acked: number; fenced: number } {
  const seen = new Set<string>();
  const found = { states: 0, acked: 0, fenced: 0 };
  const open = [JSON.stringify(start)];
  seen.add(open[0] as string);
  for (let text = open.pop(); text !== undefined; text = open.pop()) {
    const world = JSON.parse(text) as World;
    check(world);
    found.states++;
    for (const { acked, fenced } of world.owners) {
      if (acked.length > 0) found.acked++;
      if (fenced.length > 0) found.fenced++;
    }
    for (const step of steps(world)) {
      const next = JSON.parse(text) as World;
      step(next);
      // The order of what is on the network is nothing that anybody sees.
      next.network.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
      const key = JSON.stringify(next);
      if (seen.has(key)) continue;
      seen.add(key);
      open.push(key);
    }
  }
  return found;
}

describe('owners that follow the fold', () => {
  it('keep one history in all histories of two of them, with records lost, late and repeated', () => {
    for (const budgets of [
      [
        { takes: 1, appends: 2, copies: 1 },
        { takes: 1, appends: 1, copies: 0 },
      ],
      [
        { takes: 2, appends: 2, copies: 0 },
        { takes: 1, appends: 1, copies: 0 },
      ],
    ]) {
      const found = explore(worldOf(budgets));
      assert.ok(found.states > 1_000, `only ${found.states} states`);
      assert.ok(found.acked > 100 && found.fenced > 100, JSON.stringify(found));
    }
  });

  it('keep one history in random histories of three of them', () => {
    const budget = { takes: 4, appends: 8, copies: 4 };
    let acked = 0;
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 100, maxLength: 400 }), (choices) => {
        const world = worldOf([budget, budget, budget]);
        for (const choice of choices) {
          const possible = steps(world, 4);
          possible[choice % possible.length]?.(world);
        }
        check(world);
        acked += world.owners.reduce((sum, owner) => sum + owner.acked.length, 0);
      }),
      { numRuns: 1_000 },
    );
    assert.ok(acked > 1_000, `only ${acked} appends were acknowledged`);
  });
});
