import assert from 'node:assert/strict';
import type { CounterEvent } from '../counter.fixture.ts';
import {
  counterSlot,
  counterStream,
  eventsIn,
  newNode,
  newOwner,
  newWorld,
  settle,
  until,
} from '../runtime.fixture.ts';
import { agendaKind } from './agenda.ts';

const rang = (events: CounterEvent[]): CounterEvent[] => events.filter(({ type }) => type === 'rang');

describe('an alarm', () => {
  it('wakes its actor when it is due, once, as @system', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.host.ask(counterStream, 'remind', { at: world.time.wall + 5_000 });
    await world.time.advance(4_500);
    assert.equal(rang(eventsIn(world)).length, 0);
    await world.time.advance(1_000);
    const [event, ...more] = rang(eventsIn(world));
    assert.equal(event?.playerId, '@system');
    assert.deepEqual(more, []);
    await world.time.advance(120_000);
    assert.equal(rang(eventsIn(world)).length, 1);
    node.host.abandon();
  });

  it('stands in the log before a command that came after its time', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.host.ask(counterStream, 'remind', { at: world.time.wall + 100 });
    world.time.wall += 150;
    await node.act('ada', 1, { type: 'add', n: 1 });
    assert.deepEqual(
      eventsIn(world).map(({ type }) => type),
      ['added', 'reminded', 'rang', 'added'],
    );
    node.host.abandon();
  });

  it('wakes an actor that sleeps', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.host.ask(counterStream, 'remind', { at: world.time.wall + 300_000 });
    await world.time.advance(200_000);
    assert.equal(node.host.find(counterStream), undefined);
    await world.time.advance(101_000);
    assert.equal(rang(eventsIn(world)).length, 1);
    node.host.abandon();
  });

  it('survives a crash: whoever takes the slot learns it from the log, with no page of the agenda', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.host.ask(counterStream, 'remind', { at: world.time.wall + 5_000 });
    node.host.abandon();
    world.pages.lose(() => true);
    const next = newNode(world, { nodeKey: 'n2@2' });
    await next.host.takeSlot(counterSlot, 2);
    await until('the alarm', () => next.host.state().alarms === 1);
    await world.time.advance(6_000);
    assert.equal(rang(eventsIn(world)).length, 1);
    next.host.abandon();
  });

  it('is remembered by the saved agenda, so that a sleeping actor is not even read', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.host.ask(counterStream, 'remind', { at: world.time.wall + 200_000 });
    await world.time.advance(100_000);
    await node.host.close();
    assert.ok(world.pages.stored({ kind: agendaKind, id: counterSlot }, 0));
    const next = newNode(world, { nodeKey: 'n2@2' });
    await next.host.takeSlot(counterSlot, 2);
    await until('the alarm', () => next.host.state().alarms === 1);
    await world.time.advance(101_000);
    assert.equal(rang(eventsIn(world)).length, 1);
    next.host.abandon();
  });

  it('that fires on two nodes has one effect', async () => {
    const world = newWorld();
    const old = await newOwner(world);
    await old.host.ask(counterStream, 'remind', { at: world.time.wall + 5_000 });
    const next = newNode(world, { nodeKey: 'n2@2' });
    await next.host.takeSlot(counterSlot, 2);
    await settle();
    await world.time.advance(10_000);
    assert.equal(rang(eventsIn(world)).length, 1);
    old.host.abandon();
    next.host.abandon();
  });

  it('is not lost when the append that set or cleared it is', async () => {
    const world = newWorld();
    const node = await newOwner(world);
    await node.host.ask(counterStream, 'remind', { at: world.time.wall + 5_000 });
    world.log.faults.append = () => 'refuse_full';
    const refused = await node.host.ask(counterStream, 'remind', { at: world.time.wall + 900_000 });
    assert.equal(refused.ok, false);
    world.log.faults = {};
    await world.time.advance(8_000);
    assert.equal(rang(eventsIn(world)).length, 1);
    node.host.abandon();
  });
});
