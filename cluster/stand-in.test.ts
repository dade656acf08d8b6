import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { Symptom } from '../proto/generated/node/v1/cluster.ts';
import { Hello } from '../proto/generated/node/v1/link.ts';
import type { Slot } from '../proto/ids.ts';
import { frame, frameType } from '../runtime/link/frame.ts';
import { unsaidMsMax } from './limits.ts';
import { ViewPlacement } from './placement.ts';
import { StandIn } from './stand-in.ts';
import { StandInPlacement } from './stand-in-placement.ts';
import { accuse } from './suspicion.ts';
import { running, stepped } from './view.fixture.ts';
import { nodeOf, slotsOf, type View } from './view.ts';

/** A connection that is refused, or answered by the node that was meant. */
function connection(refused: boolean, peer: string): Duplex {
  const socket = new EventEmitter() as EventEmitter & { write(bytes: Buffer): boolean; destroy(): void };
  socket.write = (bytes) => {
    if (bytes[4] === frameType.ping) socket.emit('data', frame(frameType.pong, Buffer.alloc(4)));
    return true;
  };
  socket.destroy = () => undefined;
  setImmediate(() => {
    if (refused) {
      socket.emit('error', Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
      socket.emit('close');
      return;
    }
    socket.emit('connect');
    socket.emit('data', frame(frameType.hello, Hello.encode({ protocol: 1, peer, view: 1 }).finish()));
  });
  return socket as unknown as Duplex;
}

class Bench {
  view: View = running(3);
  now = 0;
  /** Whether the view's log answers, and whether n2 does. */
  logIsAway = true;
  n2IsDead = true;
  readonly steps: string[] = [];
  tick: () => void = () => undefined;
  readonly #listeners = new Set<(view: View) => void>();
  readonly standIn: StandIn;

  constructor() {
    const bench = this;
    this.standIn = new StandIn('n1', {
      view: {
        get view() {
          return bench.view;
        },
        onChange: (listener) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
        catchUp: () => (this.logIsAway ? Promise.reject(new Error('away')) : Promise.resolve()),
      },
      server: {
        take: async (slot, epoch) => void this.steps.push(`take ${slot} ${epoch}`),
        release: async (slot) => void this.steps.push(`release ${slot}`),
      },
      clock: { now: () => this.now, monotonic: () => this.now },
      timers: {
        after: () => () => undefined,
        every: (_ms, run) => {
          this.tick = run;
          return () => undefined;
        },
        soon: (run) => run(),
      },
      connect: () => connection(this.n2IsDead, `n2@${nodeOf(this.view, 'n2')?.incarnation}`),
    });
  }

  async pass(ms: number): Promise<void> {
    for (const until = this.now + ms; this.now < until; ) {
      this.now += 250;
      this.tick();
      await new Promise<void>((soon) => setImmediate(() => setImmediate(soon)));
    }
  }
  removeN2(): void {
    const { incarnation = 0 } = nodeOf(this.view, 'n2') ?? {};
    for (const by of ['n1', 'n3'])
      this.view = stepped(this.view, accuse({ id: 'n2', incarnation, symptom: Symptom.REFUSED }, by), { by });
    for (const listener of this.#listeners) listener(this.view);
  }
}

describe('a node that is asked for the slots of a dead one', () => {
  const slot = slotsOf(running(3), 'n2')[0] as Slot;
  const epoch = running(3).epochs[slot];

  it("serves them under the view's epoch when the view cannot be changed, and gives them back when it can", async () => {
    const bench = new Bench();
    bench.standIn.asked(slot);
    await bench.pass(unsaidMsMax);
    assert.deepEqual(bench.steps, [], 'not before it is sure');
    await bench.pass(1_000);
    assert.deepEqual(bench.steps, [`take ${slot} ${epoch}`]);
    assert.deepEqual(bench.standIn.slots, [slot]);
    await bench.pass(30_000);
    assert.deepEqual(bench.standIn.slots, [slot], 'for as long as it takes');
    bench.logIsAway = false;
    await bench.pass(500);
    assert.deepEqual(bench.steps.slice(1), [`release ${slot}`]);
    assert.deepEqual(bench.standIn.slots, []);
  });

  it('serves nothing while the others can remove the dead one, or while it lives', async () => {
    for (const [logIsAway, n2IsDead] of [
      [false, true],
      [true, false],
    ] as const) {
      const bench = new Bench();
      Object.assign(bench, { logIsAway, n2IsDead });
      bench.standIn.asked(slot);
      await bench.pass(10_000);
      assert.deepEqual(bench.steps, []);
    }
  });

  it('keeps what the next view gives to itself, and gives up the rest', async () => {
    const bench = new Bench();
    const all = slotsOf(bench.view, 'n2') as Slot[];
    for (const one of all) bench.standIn.asked(one);
    await bench.pass(3_000);
    assert.equal(bench.standIn.slots.length, all.length);
    bench.removeN2();
    const released = bench.steps.filter((step) => step.startsWith('release')).map((step) => Number(step.slice(8)));
    assert.deepEqual(
      released.sort((a, b) => a - b),
      all.filter((one) => bench.view.owners[one] !== 'n1'),
    );
  });

  it('asks for nothing of its own', async () => {
    const bench = new Bench();
    bench.standIn.asked(slotsOf(bench.view, 'n1')[0] as Slot);
    await bench.pass(3_000);
    assert.deepEqual(bench.steps, []);
  });
});

describe('where a gateway sends commands for a dead node', () => {
  it('is the next one in order while nobody can be told that it is dead', () => {
    const view = running(4);
    const source = { view, onChange: () => () => undefined };
    const unsaid = new Map<string, number>();
    let changes = 0;
    const placement = new StandInPlacement({
      view: source,
      placement: new ViewPlacement(source),
      unsaidMs: (id) => unsaid.get(id) ?? 0,
    });
    placement.onChange(() => changes++);
    const slots = slotsOf(view, 'n2');
    unsaid.set('n2', unsaidMsMax - 1);
    placement.look();
    assert.ok(slots.every((slot) => placement.ownerOf(slot)?.id === 'n2'));
    unsaid.set('n2', unsaidMsMax);
    placement.look();
    placement.look();
    assert.equal(changes, 1);
    const next = new Set(slots.map((slot) => placement.ownerOf(slot)?.id));
    assert.ok(!next.has('n2') && next.size > 1, [...next].join());
    for (const slot of slotsOf(view, 'n1')) assert.equal(placement.ownerOf(slot)?.id, 'n1');
    unsaid.clear();
    placement.look();
    assert.equal(changes, 2);
    assert.ok(slots.every((slot) => placement.ownerOf(slot)?.id === 'n2'));
  });
});
