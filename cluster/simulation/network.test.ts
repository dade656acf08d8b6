import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { Network } from './network.ts';
import { Schedule } from './schedule.ts';
import { Seeded } from './seeded.ts';
import { SimProcess, usPerMs } from './sim-process.ts';

/** A line from a process to another, over ways of which every packet strays. */
class Wire {
  readonly schedule = new Schedule();
  readonly network: Network;
  readonly heard: string[] = [];
  line!: Duplex;

  constructor(seed: number) {
    const chance = new Seeded(seed, 'network test');
    this.network = new Network(this.schedule, chance, { delayUs: 200, strayShare: 1, splitShare: 0 });
    const [here, there] = ['here', 'there'].map((name) => {
      const process = new SimProcess(name, this.schedule, chance);
      process.start();
      return process;
    }) as [SimProcess, SimProcess];
    const accept = (socket: Duplex): void => void socket.on('data', (bytes) => this.heard.push(String(bytes)));
    void this.network.socketsOf(there).listen('/run/there', accept);
    this.schedule.after(usPerMs, 'test', () => {
      this.line = this.network.socketsOf(here).connect('/run/there');
    });
  }

  async run(ms: number): Promise<void> {
    const end = this.schedule.now + ms * usPerMs;
    for (let entry = this.schedule.next(end); entry !== undefined; entry = this.schedule.next(end)) {
      entry.run();
      // Streams hand on what they have in a tick of their own.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

describe('the simulated network', () => {
  it('brings what lies on a slow way soon after that is no longer slow, and in order', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const wire = new Wire(seed);
      await wire.run(1_000);
      wire.network.slow('here', 'there', 2_000);
      for (const word of ['one ', 'two ', 'three ']) {
        wire.line.write(word);
        await wire.run(10);
      }
      assert.deepEqual(wire.heard, [], `seed ${seed}`);
      wire.network.slow('here', 'there', 1);
      wire.line.write('four');
      await wire.run(3_000);
      assert.equal(wire.heard.join(''), 'one two three four', `seed ${seed}`);
    }
  });

  it('takes its time on a slow way', async () => {
    const wire = new Wire(1);
    await wire.run(1_000);
    wire.network.slow('here', 'there', 2_000);
    wire.line.write('one');
    await wire.run(3_000);
    assert.deepEqual(wire.heard, []);
    await wire.run(300_000);
    assert.deepEqual(wire.heard, ['one']);
  });
});
