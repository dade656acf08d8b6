/** What is done to the network: ways that are cut, slow or broken, for a while. Owns nothing; the nemesis undoes what lasts too long. */
import type { SimCluster } from './cluster.ts';
import type { Seeded } from './seeded.ts';

export class NetworkHarm {
  constructor(
    readonly cluster: SimCluster,
    readonly chance: Seeded,
    /** Undoes it after a while; returns words for how long. */
    readonly lasting: (medianMs: number, undo: () => void) => string,
  ) {}

  #names(): string[] {
    return [...this.cluster.all.map(({ name }) => name), 'clients'];
  }

  partition(): string | undefined {
    const names = this.chance.shuffled(this.#names());
    const here = names.slice(0, this.chance.within(1, names.length - 1));
    const there = names.filter((name) => !here.includes(name));
    return `${here.join(' ')} | ${there.join(' ')}${this.#apart(here, there, 1_500)}`;
  }

  /** In both directions, for a while. */
  #apart(here: readonly string[], there: readonly string[], medianMs: number): string {
    const { network } = this.cluster;
    const each = (act: (a: string, b: string) => void): void => {
      for (const a of here)
        for (const b of there) {
          act(a, b);
          act(b, a);
        }
    };
    each((a, b) => network.cut(a, b));
    return this.lasting(medianMs, () => each((a, b) => network.heal(a, b)));
  }

  cut(): string | undefined {
    const { network } = this.cluster;
    const [from, to] = this.chance.shuffled(this.#names());
    if (from === undefined || to === undefined) return undefined;
    network.cut(from, to);
    return `${from} to ${to}${this.lasting(1_500, () => network.heal(from, to))}`;
  }

  /** Some nodes and a gateway are away from the log and from all others; clients reach both sides, and cannot tell. */
  island(): string | undefined {
    const { nodes, gateways, all } = this.cluster;
    const { chance } = this;
    const here = [
      chance.pick(gateways).name,
      ...chance
        .shuffled(nodes)
        .slice(0, chance.within(1, Math.ceil(nodes.length / 2)))
        .map(({ name }) => name),
    ];
    const there = all.map(({ name }) => name).filter((name) => !here.includes(name));
    return `${here.join(' ')}${this.#apart(here, there, 6_000)}`;
  }

  /** Mostly between those that have the most to lose. */
  breakOff(): string | undefined {
    const { chance, cluster } = this;
    const [one, other] = chance.shuffled(this.#names());
    const node = chance.pick(cluster.nodes).name;
    const gateway = chance.pick(cluster.gateways).name;
    const [a, b] = chance.pick([
      [one, other],
      [node, 'log'],
      [gateway, 'log'],
      [gateway, node],
    ] as const);
    if (a === undefined || b === undefined) return undefined;
    const broken = this.cluster.network.breakOff(a, b);
    return broken === 0 ? undefined : `${broken} between ${a} and ${b}`;
  }

  slow(): string | undefined {
    const { network } = this.cluster;
    const [from, to] = this.chance.shuffled(this.#names());
    if (from === undefined || to === undefined) return undefined;
    const factor = this.chance.pick([20, 200, 2_000]);
    network.slow(from, to, factor);
    return `${from} to ${to} x${factor}${this.lasting(1_500, () => network.slow(from, to, 1))}`;
  }
}
