import type { ClusterDescription } from '../../gateway/admin/ports.ts';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { SlotLoad } from '../../runtime/slot/slot.ts';
import { flapMemoryMs } from '../limits.ts';
import { isSuspect } from '../members.ts';
import type { ViewSource } from '../placement.ts';
import type { SlotCost } from '../prediction.ts';
import { frozenAt, isServing, type MemberNode, pinsAt, slotsOf } from '../view.ts';
import type { AskInside } from './inside.ts';
import { operationRow } from './operation-row.ts';

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

const nothing: NodeLoad = { hunts: 0, parked: [], unserved: [], slots: [] };

/**
 * The answer of GET /v1/cluster: the view, and from each running node what it holds. A node that does not answer in time
 * counts with what it said last.
 */
export class DescribedCluster {
  readonly #source: ViewSource;
  readonly #ask: AskInside;
  readonly #lag: () => Promise<ClusterDescription['lag']>;
  readonly #clock: Clock;
  readonly #loads = new Map<string, NodeLoad>();

  constructor(source: ViewSource, ask: AskInside, lag: () => Promise<ClusterDescription['lag']>, clock: Clock) {
    this.#source = source;
    this.#ask = ask;
    this.#lag = lag;
    this.#clock = clock;
  }

  async describe(): Promise<ClusterDescription> {
    const [lag] = await Promise.all([this.#lag(), this.refresh()]);
    return this.#described(lag);
  }

  /** Asks every node anew. */
  async refresh(): Promise<void> {
    await Promise.all(
      this.#source.view.nodes
        .filter((node) => isServing(node) && node.http !== '')
        .map((node) => this.#load(node.id, node.http)),
    );
  }

  /** Of what a slot's owner said last. */
  costOf(slot: number): SlotCost | undefined {
    const owner = this.#source.view.owners[slot];
    const load = owner === undefined ? undefined : this.#loads.get(owner)?.slots.find((one) => one.slot === slot);
    return load === undefined ? undefined : { bytes: load.bytes, tailEvents: load.tailEvents };
  }

  async #load(id: string, http: string): Promise<void> {
    try {
      const load = (await this.#ask(`${http}${nodeLoadPath}`)) as Partial<NodeLoad>;
      this.#loads.set(id, { ...nothing, ...load });
    } catch {
      // It is starting, stopped or busy: the view is the answer, its load an extra.
    }
  }

  #described(lag: ClusterDescription['lag']): ClusterDescription {
    const { view } = this.#source;
    const now = this.#clock.now();
    const serving = view.nodes.filter((node) => isServing(node));
    const loadOf = (id: string) => this.#loads.get(id) ?? nothing;
    return {
      cluster: view.cluster,
      profile: view.profile,
      view: view.number,
      frozen: frozenAt(view, now) ?? null,
      nodes: view.nodes.map((node) => ({
        id: node.id,
        state: shownState(node, now),
        weight: node.weight,
        incarnation: node.incarnation,
        addr: node.addr,
        slots: slotsOf(view, node.id).length,
        hunts: isServing(node) ? loadOf(node.id).hunts : 0,
        since: node.since,
        removals: node.removals.filter((at) => at > now - flapMemoryMs).length,
      })),
      owners: view.owners.map((owner) => owner ?? ''),
      epochs: view.epochs,
      pins: Object.fromEntries(pinsAt(view, now)),
      lag,
      operations: [...view.operations].reverse().map((operation) => operationRow(operation, false)),
      parked: serving.flatMap((node) =>
        loadOf(node.id).parked.map(({ stream, code, message }) => ({ node: node.id, hunt: stream, code, message })),
      ),
      unserved: serving.flatMap((node) =>
        loadOf(node.id).unserved.map(({ slot, forMs, reason }) => ({ node: node.id, slot, for_ms: forMs, reason })),
      ),
      moving: Object.fromEntries([...view.moving].map(([slot, { to }]) => [slot, to])),
    };
  }
}

const shownState = (node: MemberNode, now: number): string =>
  node.state === 'active' && isSuspect(node, now) ? 'suspect' : node.state;
