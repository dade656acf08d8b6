/**
 * A player who has nothing to do with what a test breaks, and must not notice it: acts every so often for as long as the test
 * lasts, and tells how long it waited. Its hunt is its own; it only shares the processes.
 */
import assert from 'node:assert/strict';
import { BareSocket } from './bare-socket.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { delay } from './deadline.ts';
import { meadow } from './definitions.ts';

/** Below the default bucket of 10 acts a second. */
const everyMs = 150;
/** Far above what an act takes, far below what a blocked event loop costs; one machine may run all of this at once. */
const medianMsMax = 150;
const worstMsMax = 2_500;

export class Bystander {
  readonly #waits: number[] = [];
  readonly #refusals: string[] = [];
  #going = true;
  readonly #running: Promise<void>;

  private constructor(
    private readonly socket: BareSocket,
    private readonly hunt: number,
  ) {
    this.#running = this.#run();
  }

  static async start(cluster: ClusterProcess): Promise<Bystander> {
    const { hunt_id } = await cluster.createHunt(meadow(1));
    const socket = await BareSocket.open(cluster.ws, { token: cluster.playerToken(hunt_id, 'bystander') });
    assert.equal((await socket.act(hunt_id, 1, { type: 'join', name: 'By' })).t, 'ack');
    return new Bystander(socket, hunt_id);
  }

  async #run(): Promise<void> {
    for (let seq = 2; this.#going; seq++) {
      const begun = performance.now();
      const reply = await this.socket.act(this.hunt, seq, { type: 'claim', treasure: 't0' });
      this.#waits.push(performance.now() - begun);
      if (reply.t === 'nack') this.#refusals.push(reply.code);
      await delay(everyMs);
    }
  }

  /** Stops, and fails if it was refused or had to wait. */
  async unharmed(): Promise<void> {
    this.#going = false;
    await this.#running;
    this.socket.close();
    const waits = [...this.#waits].sort((a, b) => a - b);
    const median = waits[Math.floor(waits.length / 2)] ?? 0;
    const worst = waits.at(-1) ?? 0;
    assert.deepEqual(this.#refusals, []);
    assert.ok(waits.length > 0, 'the bystander never acted');
    assert.ok(
      median <= medianMsMax && worst <= worstMsMax,
      `a bystander waited ${median.toFixed(0)} ms in the middle, ${worst.toFixed(0)} ms at worst`,
    );
  }
}
