import assert from 'node:assert/strict';
import type { Scoreboard } from '../../actors/hunt/interface.ts';
import type { CallOutcome } from '../act/route.ts';
import type { BoardPage } from './ports.ts';
import { Problem } from './problem.ts';
import { Scoreboards } from './scoreboards.ts';

const hunt = 7;
const top = { limit: 3, offset: 0 };

const board = (version: number, entrants = 5): Scoreboard => ({
  version,
  entrants,
  entries: Array.from({ length: Math.min(entrants, 2_000) }, (_, i) => ({
    rank: i + 1,
    player: `p${i}`,
    name: `P${i}`,
    points: 100 - i,
    reached_version: version - i,
  })),
});

/** An owner that answers when it is told to, and a cache that holds one board. */
class World {
  readonly asked: { body: BoardPage; answer(outcome: CallOutcome): void }[] = [];
  readonly kept: Scoreboard[] = [];
  held: Scoreboard | undefined;
  readonly scoreboards = new Scoreboards(
    {
      call: (_stream, _method, body) => new Promise((answer) => this.asked.push({ body: body as BoardPage, answer })),
    },
    {
      read: async (_hunt, version, { limit, offset }) =>
        this.held?.version === version
          ? { ...this.held, entries: this.held.entries.slice(offset, offset + limit) }
          : undefined,
      keep: (_hunt, kept) => this.kept.push(kept),
    },
  );

  answer(index: number, body: Scoreboard): void {
    this.asked[index]?.answer({ ok: true, version: body.version, body });
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('scoreboards for those who ask', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });

  it('come from the cache without a question if it has that very version', async () => {
    world.held = board(9);
    assert.deepEqual(
      (await world.scoreboards.page(hunt, 9, top)).entries.map(({ rank }) => rank),
      [1, 2, 3],
    );
    assert.equal(world.asked.length, 0);
  });

  it('come from the owner if the cache has another version, and fill the cache', async () => {
    world.held = board(9);
    const asking = world.scoreboards.page(hunt, 10, top);
    await settled();
    world.answer(0, board(11));
    assert.deepEqual(await asking, { ...board(11), entries: board(11).entries.slice(0, 3) });
    assert.deepEqual(world.kept, [board(11)]);
  });

  it('are asked for once, however many ask meanwhile and for whatever places', async () => {
    const asking = [0, 1, 2, 3, 4].map((offset) => world.scoreboards.page(hunt, 9, { limit: 1, offset }));
    await settled();
    assert.equal(world.asked.length, 1);
    world.answer(0, board(9));
    assert.deepEqual(
      (await Promise.all(asking)).map(({ entries }) => entries[0]?.rank),
      [1, 2, 3, 4, 5],
    );
    assert.equal(world.kept.length, 1);
  });

  it('never show less than had been acknowledged: a question that was under way is asked again', async () => {
    const early = world.scoreboards.page(hunt, 9, top);
    await settled();
    // Acknowledged since; this one must show it.
    const late = [world.scoreboards.page(hunt, 10, top), world.scoreboards.page(hunt, 10, top)];
    await settled();
    assert.equal(world.asked.length, 1);
    world.answer(0, board(9));
    assert.equal((await early).version, 9);
    await settled();
    assert.equal(world.asked.length, 2);
    world.answer(1, board(12));
    assert.deepEqual(
      (await Promise.all(late)).map(({ version }) => version),
      [12, 12],
    );
  });

  it('are shared with a later one if the answer is new enough', async () => {
    const early = world.scoreboards.page(hunt, 9, top);
    await settled();
    const late = world.scoreboards.page(hunt, 10, top);
    await settled();
    world.answer(0, board(10));
    assert.deepEqual([(await early).version, (await late).version], [10, 10]);
    assert.equal(world.asked.length, 1);
  });

  it('beyond the first places are asked for as they are, and not kept', async () => {
    const far = { limit: 100, offset: 5_000 };
    const asking = world.scoreboards.page(hunt, 9, far);
    await settled();
    assert.deepEqual(world.asked[0]?.body, far);
    world.answer(0, { version: 9, entrants: 5_050, entries: [] });
    assert.equal((await asking).entrants, 5_050);
    assert.deepEqual(world.kept, []);
  });

  it('of different hunts are different questions', async () => {
    const asking = [1, 2].map((id) => world.scoreboards.page(id, 9, top));
    await settled();
    assert.equal(world.asked.length, 2);
    world.answer(0, board(9));
    world.answer(1, board(20));
    assert.deepEqual(
      (await Promise.all(asking)).map(({ version }) => version),
      [9, 20],
    );
  });

  it('are refused as their owner refuses, and asked for anew by the next', async () => {
    const asking = world.scoreboards.page(hunt, 9, top);
    await settled();
    world.asked[0]?.answer({ ok: false, code: 'UNAVAILABLE', message: 'the log is away' });
    await assert.rejects(asking, (error) => error instanceof Problem && error.code === 'BUSY');
    const again = world.scoreboards.page(hunt, 9, top);
    await settled();
    world.answer(1, board(9));
    assert.equal((await again).version, 9);
  });
});
