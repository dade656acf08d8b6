import type { ClusterDescription } from '../../gateway/admin/ports.ts';
import type { SlotLoad } from '../../runtime/slot/slot.ts';
import type { ViewSource } from '../placement.ts';
import { slotsOf, type View } from '../view.ts';
import type { AskInside } from './inside.ts';

/** What a node tells about itself to our own processes, at this path of its probes. */
export const nodeLoadPath = '/v1/node/load';
export interface NodeLoad {
  readonly hunts: number;
  /** Hunts that cannot be served, and why. */
  readonly parked: readonly { readonly stream: string; readonly code: string; readonly message: string }[];
  /** Slots that should be served here and are not. */
  readonly unserved: readonly { readonly slot: number; readonly forMs: number; readonly reason: string }[];
  readonly slots: readonly SlotLoad[];
}

/** The answer of GET /v1/cluster: the view, and from each running node how many hunts it holds. A node that does not answer in time counts with its last number. */
export class DescribedCluster {
  readonly #source: ViewSource;
  readonly #ask: AskInside;
  readonly #lag: () => Promise<ClusterDescription['lag']>;
  readonly #hunts = new Map<string, number>();

  constructor(source: ViewSource, ask: AskInside, lag: () => Promise<ClusterDescription['lag']>) {
    this.#source = source;
    this.#ask = ask;
    this.#lag = lag;
  }

  async describe(): Promise<ClusterDescription> {
    const view = this.#source.view;
    const [lag] = await Promise.all([
      this.#lag(),
      ...view.nodes
        .filter((node) => node.state === 'active' && node.http !== '')
        .map((node) => this.#load(node.id, node.http)),
    ]);
    return describe(view, lag, (id) => this.#hunts.get(id) ?? 0);
  }

  async #load(id: string, http: string): Promise<void> {
    try {
      const load = (await this.#ask(`${http}${nodeLoadPath}`)) as NodeLoad;
      if (Number.isInteger(load.hunts)) this.#hunts.set(id, load.hunts);
    } catch {
      // It is starting, stopped or busy: the view is the answer, its load an extra.
    }
  }
}

function describe(view: View, lag: ClusterDescription['lag'], huntsOf: (id: string) => number): ClusterDescription {
  return {
    cluster: view.cluster,
    profile: view.profile,
    view: view.number,
    frozen: null,
    nodes: view.nodes.map((node) => ({
      id: node.id,
      state: node.state,
      weight: node.weight,
      incarnation: node.incarnation,
      addr: node.addr,
      slots: slotsOf(view, node.id).length,
      hunts: node.state === 'active' ? huntsOf(node.id) : 0,
      since: node.since,
    })),
    owners: view.owners.map((owner) => owner ?? ''),
    epochs: view.epochs,
    pins: {},
    lag,
    operations: [],
  };
}
