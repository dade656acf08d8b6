/** All bridges of a run by name, and the cuts that are in force: a bridge that comes to be later is cut like the one before it. */
import type { Bridge, Cut } from './bridge.ts';
import type { Act, Way } from './plan.ts';

type CutAct = Extract<Act, { do: 'cut' }>;

interface Standing {
  readonly act: CutAct;
  readonly cuts: Map<Bridge, Cut>;
  /** Of bridges that are no more. */
  bytes: number;
  connections: number;
}

export class Bridges {
  readonly #bridges = new Map<string, Bridge>();
  readonly #standing = new Set<Standing>();

  add(bridge: Bridge): void {
    this.#bridges.set(bridge.name, bridge);
    for (const standing of this.#standing) void apply(standing, bridge);
  }

  /** A successor of the same name may stand by now. */
  remove(bridge: Bridge): void {
    if (this.#bridges.get(bridge.name) === bridge) this.#bridges.delete(bridge.name);
    for (const standing of this.#standing) {
      const cut = standing.cuts.get(bridge);
      standing.bytes += cut?.bytes ?? 0;
      standing.connections += cut?.connections ?? 0;
      standing.cuts.delete(bridge);
    }
  }

  get(name: string): Bridge | undefined {
    return this.#bridges.get(name);
  }

  /** Returns what heals it, and tells what it has stopped. */
  async cut(act: CutAct): Promise<() => { readonly bytes: number; readonly connections: number }> {
    const standing: Standing = { act, cuts: new Map(), bytes: 0, connections: 0 };
    this.#standing.add(standing);
    for (const bridge of this.#bridges.values()) await apply(standing, bridge);
    return () => {
      this.#standing.delete(standing);
      let { bytes, connections } = standing;
      for (const [bridge, cut] of standing.cuts) {
        bridge.heal(cut);
        bytes += cut.bytes;
        connections += cut.connections;
      }
      return { bytes, connections };
    };
  }

  /** Returns how many connections there were. */
  async breakOff(ways: readonly Way[]): Promise<number> {
    let broken = 0;
    for (const bridge of this.#bridges.values()) {
      const travellers = travellersOn(ways, bridge.name);
      if (travellers !== 'nobody') broken += await bridge.breakOff(travellers);
    }
    return broken;
  }

  close(): void {
    for (const bridge of this.#bridges.values()) bridge.close();
    this.#bridges.clear();
  }
}

async function apply({ act, cuts }: Standing, bridge: Bridge): Promise<void> {
  const travellers = travellersOn(act.ways, bridge.name);
  if (travellers === 'nobody') return;
  cuts.set(bridge, await bridge.cut({ travellers, directions: act.directions, manner: act.manner }));
}

function travellersOn(ways: readonly Way[], bridge: string): readonly string[] | undefined | 'nobody' {
  const here = ways.filter((way) => way.bridge === bridge);
  if (here.length === 0) return 'nobody';
  const named = here.flatMap(({ traveller }) => (traveller === undefined ? [] : [traveller]));
  return named.length === here.length ? named : undefined;
}
