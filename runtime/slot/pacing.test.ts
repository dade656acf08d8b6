import assert from 'node:assert/strict';
import type { AppendPacing } from '../log/event-log.ts';
import { counterStream, eventsIn, newOwner, newWorld, settle, until } from '../runtime.fixture.ts';

/** A log that says itself when it is busy. */
class PacedByHand implements AppendPacing {
  isBusy = false;
  onFree: (() => void) | undefined;
  flushes = 0;

  flush(): void {
    this.flushes++;
  }
  free(): void {
    this.isBusy = false;
    this.onFree?.();
  }
}

describe('a host on a log that carries one frame of appends at a time', () => {
  it('decides what came meanwhile when the frame is back, in one record, and sends it at once', async () => {
    const world = newWorld();
    const pacing = new PacedByHand();
    const node = await newOwner(world, { log: Object.assign(world.log, { pacing }) });
    const before = world.log.records(counterStream).length;
    pacing.isBusy = true;
    for (let seq = 1; seq <= 3; seq++) {
      node.send('ada', seq, { type: 'add', n: seq });
      await settle(2);
    }
    assert.equal(node.host.runTurns(), false, 'it says that it did not decide');
    assert.deepEqual([node.replies.length, eventsIn(world).length], [0, 1], 'nothing is decided while a frame is out');
    const { flushes } = pacing;
    pacing.free();
    await until('three replies', () => node.replies.length === 3);
    assert.equal(world.log.records(counterStream).length, before + 1, 'one record for the three');
    assert.ok(pacing.flushes > flushes, 'what was appended is sent in the same call');
    node.host.abandon();
  });

  it('tells its listeners after each run of turns, and decides at once when the log is free', async () => {
    const world = newWorld();
    const pacing = new PacedByHand();
    const node = await newOwner(world, { log: Object.assign(world.log, { pacing }) });
    let runs = 0;
    node.host.onTurns(() => runs++);
    assert.equal((await node.act('bob', 1, { type: 'add', n: 5 })).ack?.events, 1);
    assert.ok(runs > 0);
    node.host.abandon();
    assert.equal(pacing.onFree, undefined, 'who has stopped is not called any more');
  });
});
