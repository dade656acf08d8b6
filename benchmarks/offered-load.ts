/**
 * A steady load behind something else that is measured: actions at a fixed rate, open loop, until it is told to stop. Owns the
 * players that it made; who is refused, and how long each action waited, it can tell for any part of the run.
 */
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { createMeadows } from './bench-cluster.ts';
import { runOpenLoop } from './open-loop.ts';
import { Quantiles } from './quantiles.ts';
import { claimBytes, joinBytes, SubmitLoad } from './submit-load.ts';

const treasures = 16;
const tickMs = 3;
const sliceS = 0.5;

export class OfferedLoad {
  readonly #latencies: Quantiles;
  readonly #load: SubmitLoad | undefined;
  #isOver = false;
  #running: Promise<void> = Promise.resolve();
  #resentBefore = 0;
  #withheldBefore = 0;

  private constructor(load: SubmitLoad | undefined, latencies: Quantiles) {
    this.#load = load;
    this.#latencies = latencies;
  }

  /** `perSecond` 0: no load at all. Through that gateway alone, which must live. */
  static async start(
    cluster: ClusterProcess,
    gateway: string,
    { perSecond, hunts, players }: { readonly perSecond: number; readonly hunts: number; readonly players: number },
  ): Promise<OfferedLoad> {
    const latencies = new Quantiles();
    if (perSecond === 0) return new OfferedLoad(undefined, latencies);
    const made = await createMeadows(cluster, hunts, { treasures });
    const address = cluster.process(gateway).grpc ?? cluster.grpc;
    const ids = made.map((hunt) => hunt.hunt_id);
    const load = new SubmitLoad(address, cluster.tokens.designer, ids, players, latencies);
    await load.everyPlayer(joinBytes);
    const claim = claimBytes(treasures);
    load.actionOf = claim;
    const offered = new OfferedLoad(load, latencies);
    offered.#running = offered.#offer(perSecond, claim);
    return offered;
  }

  async #offer(perSecond: number, claim: ReturnType<typeof claimBytes>): Promise<void> {
    const issue = (count: number, due: number, step: number) => this.#load?.issue(count, claim, due, step);
    while (!this.#isOver) await runOpenLoop({ perSecond, seconds: sliceS, tickMs, issue });
  }

  /** From now on anew. */
  reset(): void {
    this.#latencies.reset();
    this.#load?.refused.clear();
    this.#resentBefore = this.#load?.resent ?? 0;
    this.#withheldBefore = this.#load?.withheld ?? 0;
  }
  /** Since the last reset: refused for good, and refused with "send it again". */
  get refused(): number {
    return [...(this.#load?.refused.values() ?? [])].reduce((sum, count) => sum + count, 0);
  }
  get resent(): number {
    return (this.#load?.resent ?? 0) - this.#resentBefore;
  }
  /** Actions that could not even be offered, for their players had 16 unanswered ones: the machine is too slow for the rate. */
  get withheld(): number {
    return (this.#load?.withheld ?? 0) - this.#withheldBefore;
  }
  get acked(): number {
    return this.#load?.acked ?? 0;
  }
  get latencies(): Quantiles {
    return this.#latencies;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    await this.#load?.drained();
    this.#load?.close();
  }
}
