import assert from 'node:assert/strict';
import type { Position, Slot } from '../proto/ids.ts';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { LagBook } from './lag-book.ts';
import { LoggedHunt } from './projections.fixture.ts';
import { scout } from './scout.ts';

const slot = 4 as Slot;
const at = (position: number) => position as Position;

describe('the lag of a slot', () => {
  let log: MemoryLog;
  let book: LagBook;
  let hunt: LoggedHunt;
  const began = Date.UTC(2026, 5, 6, 10);
  beforeEach(async () => {
    log = new MemoryLog();
    book = new LagBook();
    hunt = await LoggedHunt.create(log, slot, { at: began });
    await hunt.play(['ann']);
  });
  const lag = (now: number) => {
    const { events, seconds } = book.lagOf(slot, now) ?? { events: -1, seconds: -1 };
    return { events, seconds };
  };
  const end = async () => (await log.ends())[slot] as Position;

  it('is none where the rows have all', async () => {
    book.found(slot, await end());
    book.ended(slot, await end(), began);
    assert.deepEqual(lag(began + 60_000), { events: 0, seconds: 0 });
  });

  it('has its seconds from when the news were noticed, until the events themselves were looked at', async () => {
    book.found(slot, at(0));
    book.ended(slot, await end(), began + 50_000);
    assert.deepEqual(lag(began + 53_000), { events: 0, seconds: 3 });
    await scout(log, book, [slot]);
    assert.deepEqual(lag(began + 60_000), { events: hunt.version, seconds: 60 });
  });

  it('falls by what is written, and is as old as the last that was', async () => {
    book.found(slot, at(0));
    book.ended(slot, await end(), began);
    await scout(log, book, [slot]);
    const [first, second] = hunt.spec.events;
    book.applied(slot, at(1), 1, first!.occurredAt, began);
    assert.equal(lag(began).events, hunt.version - 1);
    book.applied(slot, at(2), 1, second!.occurredAt, began);
    assert.deepEqual(lag(second!.occurredAt + 2_000), { events: hunt.version - 2, seconds: 2 });
    book.applied(slot, await end(), hunt.version - 2, began, began);
    assert.deepEqual(lag(began + 99_000), { events: 0, seconds: 0 });
  });

  it('is counted once, in however many rounds', async () => {
    book.found(slot, at(0));
    book.ended(slot, await end(), began);
    const small = { readSlot: (one: Slot, from: Position) => log.readSlot(one, from, 150) };
    let rounds = 1;
    while (await scout(small, book, [slot], 2)) rounds++;
    assert.ok(rounds > 2, `${rounds} rounds`);
    assert.equal(lag(began).events, hunt.version);
    await scout(small, book, [slot]);
    assert.equal(lag(began).events, hunt.version);
  });

  it('begins anew when the rows turn out to be somewhere else: a standby was promoted, a rebuild began', async () => {
    book.found(slot, await end());
    book.ended(slot, await end(), began);
    book.found(slot, at(0));
    await scout(log, book, [slot]);
    assert.equal(lag(began).events, hunt.version);
  });

  it('leaves out what is no hunt', async () => {
    const writer = await log.take(slot, 1);
    await writer.append({ kind: 'key', id: 256 + slot }, 0 as never, 1, Buffer.from('x'));
    book.found(slot, at((await end()) - 1));
    book.ended(slot, await end(), began);
    await scout(log, book, [slot]);
    assert.deepEqual(lag(began + 60_000), { events: 0, seconds: 0 });
  });
});
