/**
 * A bridge on the way to one server or process: everything that goes there crosses it, and may be kept back, lost or broken off, for
 * one traveller or all, in one direction or both. `up` is towards the server.
 *
 * Owns the listener and every connection on it. A silent cut behaves as a network does: neither bytes nor the end of a connection get
 * through; what was kept back arrives when the cut is healed, and where something was lost the connection then breaks.
 */
import { rmSync } from 'node:fs';
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { knowsPeers, pidsOf } from './peers.ts';

export type Direction = 'up' | 'down';

export interface Cut {
  /** Names of those that it hits; undefined: everybody. */
  readonly travellers: readonly string[] | undefined;
  readonly directions: readonly Direction[];
  /** keep: arrives when it is healed. lose: never. */
  readonly manner: 'keep' | 'lose';
  /** The proof: what it has stopped so far. */
  bytes: number;
  connections: number;
}

interface Pair {
  readonly client: Socket;
  upstream: Socket | undefined;
  traveller: string | undefined;
  /** The kernel is being asked who it is. */
  isLearning: boolean;
  readonly kept: Record<Direction, Buffer[]>;
  /** Bytes of it were lost. */
  isTorn: boolean;
  /** That side has ended, and the other is not told yet. */
  readonly ended: Record<Direction, boolean>;
}

export interface BridgeOptions {
  readonly name: string;
  readonly listen: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly target: () => NetConnectOpts;
  /** The process of that pid; undefined: a stranger. */
  readonly nameOf: (pid: number) => string | undefined;
  /** Nobody listens at the target, or a connection to it has ended. */
  readonly onLost?: () => void;
}

export class Bridge {
  readonly #pairs = new Set<Pair>();
  readonly #cuts = new Set<Cut>();
  #server: Server | undefined;

  private constructor(private readonly options: BridgeOptions) {}

  static async open(options: BridgeOptions): Promise<Bridge> {
    const bridge = new Bridge(options);
    const server = createServer({ pauseOnConnect: true }, (client) => bridge.#accept(client));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.listen, resolve);
    });
    bridge.#server = server;
    return bridge;
  }

  get name(): string {
    return this.options.name;
  }
  /** Connections that were accepted and are not over. */
  get open(): number {
    return this.#pairs.size;
  }
  get port(): number {
    return ((this.#server as Server).address() as { port: number }).port;
  }

  async cut(how: Omit<Cut, 'bytes' | 'connections'>): Promise<Cut> {
    if (how.travellers !== undefined) await this.#learn([...this.#pairs]);
    const cut: Cut = { ...how, bytes: 0, connections: 0 };
    this.#cuts.add(cut);
    return cut;
  }

  heal(cut: Cut): void {
    this.#cuts.delete(cut);
    for (const pair of [...this.#pairs]) this.#resume(pair);
  }

  /** Breaks connections off. Returns how many there were. */
  async breakOff(travellers: readonly string[] | undefined): Promise<number> {
    if (travellers !== undefined) await this.#learn([...this.#pairs]);
    const hit = [...this.#pairs].filter((pair) => isHit(pair, travellers));
    for (const pair of hit) this.#end(pair);
    return hit.length;
  }

  /** Accepts nobody any more, and ends all connections. A socket file is gone when this returns. */
  close(): void {
    this.#server?.close();
    this.#server = undefined;
    const { listen } = this.options;
    if ('path' in listen) rmSync(listen.path, { force: true });
    for (const pair of [...this.#pairs]) this.#end(pair);
  }

  #accept(client: Socket): void {
    const pair: Pair = {
      client,
      upstream: undefined,
      traveller: undefined,
      isLearning: false,
      kept: { up: [], down: [] },
      isTorn: false,
      ended: { up: false, down: false },
    };
    this.#pairs.add(pair);
    client.setNoDelay(true);
    client.on('error', () => undefined);
    client.on('close', () => this.#ended(pair, 'up'));
    const isTelling = [...this.#cuts].some(({ travellers }) => travellers !== undefined);
    if (!isTelling || !knowsPeers) this.#cross(pair);
    else {
      pair.isLearning = true;
      void this.#learn([pair]).then(() => {
        pair.isLearning = false;
        this.#cross(pair);
      });
    }
  }

  #cross(pair: Pair): void {
    if (!this.#pairs.has(pair)) return;
    const { client } = pair;
    const cut = this.#cutOf(pair, 'up') ?? this.#cutOf(pair, 'down');
    // Its first packet does not get through: it is connected for all it knows, and hears nothing.
    if (cut !== undefined) {
      cut.connections++;
      return;
    }
    const upstream = connect(this.options.target());
    pair.upstream = upstream;
    upstream.setNoDelay(true);
    upstream.on('error', () => undefined);
    upstream.on('close', () => {
      this.#ended(pair, 'down');
      this.options.onLost?.();
    });
    this.#pass(pair, 'up', client, upstream);
    this.#pass(pair, 'down', upstream, client);
    client.resume();
  }

  #pass(pair: Pair, direction: Direction, from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      const cut = this.#cutOf(pair, direction);
      if (cut !== undefined) {
        cut.bytes += chunk.length;
        if (cut.manner === 'lose') pair.isTorn = true;
        else pair.kept[direction].push(chunk);
        return;
      }
      // Behind what was kept back and is on its way by now.
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => from.resume());
  }

  /** The side that sends in this direction is gone. */
  #ended(pair: Pair, direction: Direction): void {
    if (!this.#pairs.has(pair)) return;
    pair.ended[direction] = true;
    if (this.#cutOf(pair, direction) === undefined) this.#finish(pair, direction);
  }

  /** The other side is told, behind all that it was sent. */
  #finish(pair: Pair, direction: Direction): void {
    const to = direction === 'up' ? pair.upstream : pair.client;
    if (to === undefined || to.destroyed) this.#end(pair);
    else to.destroySoon();
  }

  /** What may go on by now goes on. */
  #resume(pair: Pair): void {
    if (pair.isTorn && (this.#cutOf(pair, 'up') ?? this.#cutOf(pair, 'down')) === undefined) {
      this.#end(pair);
      return;
    }
    if (pair.isLearning) return;
    if (pair.upstream === undefined) {
      if (pair.ended.up) this.#end(pair);
      else this.#cross(pair);
      return;
    }
    for (const direction of ['up', 'down'] as const) {
      if (this.#cutOf(pair, direction) !== undefined) continue;
      const to = direction === 'up' ? pair.upstream : pair.client;
      for (const chunk of pair.kept[direction].splice(0)) if (to.writable) to.write(chunk);
      if (pair.ended[direction]) this.#finish(pair, direction);
    }
  }

  #end(pair: Pair): void {
    this.#pairs.delete(pair);
    for (const socket of [pair.client, pair.upstream]) {
      if (socket === undefined || socket.destroyed) continue;
      if (socket.remotePort === undefined) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  #cutOf(pair: Pair, direction: Direction): Cut | undefined {
    for (const cut of this.#cuts) if (cut.directions.includes(direction) && isHit(pair, cut.travellers)) return cut;
    return undefined;
  }

  async #learn(pairs: readonly Pair[]): Promise<void> {
    const strangers = pairs.filter(({ traveller }) => traveller === undefined);
    const pids = await pidsOf(strangers.map(({ client }) => client));
    for (const pair of strangers) {
      const pid = pids.get(pair.client);
      pair.traveller = pid === undefined ? undefined : this.options.nameOf(pid);
    }
  }
}

/** Whoever cannot be told apart is hit with everybody. */
const isHit = ({ traveller }: Pair, travellers: readonly string[] | undefined): boolean =>
  travellers === undefined || (knowsPeers ? traveller !== undefined && travellers.includes(traveller) : true);
