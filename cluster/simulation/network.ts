/**
 * The simulated network: processes listen and connect by address, and every connection runs over two ways, one each direction,
 * that can be slow, cut or broken by themselves. Owns listeners, connections and the state of the ways. Keeps TCP's promise:
 * within a connection bytes stay in order or the connection ends; between connections nothing is promised.
 */
import type { Duplex } from 'node:stream';
import type { Listening, Sockets } from '../../runtime/link/sockets.ts';
import { Flow, type Way } from './flow.ts';
import type { Schedule } from './schedule.ts';
import type { Seeded } from './seeded.ts';
import { type SimProcess, usPerMs } from './sim-process.ts';
import { SimSocket } from './sim-socket.ts';

export interface NetworkManners {
  /** Median of a packet's way, microseconds. */
  readonly delayUs: number;
  /** Packets that take a hundred times as long. */
  readonly strayShare: number;
  /** Writes that arrive as two reads. */
  readonly splitShare: number;
}

/** Between two tries to connect over a cut way, and how often. */
const synEveryUs = 1_000 * usPerMs;
const synTriesMax = 4;
/** After a cut or a slow time, until what was lost is sent again. */
const resendUs = 200 * usPerMs;

interface Listener {
  readonly process: SimProcess;
  readonly life: number;
  readonly accept: (socket: Duplex) => void;
}

interface Connection {
  readonly client: SimSocket;
  readonly server: SimSocket;
  readonly up: Flow;
  readonly down: Flow;
}

export class Network {
  readonly #listeners = new Map<string, Listener>();
  readonly #connections = new Set<Connection>();
  /** "from>to": how many cuts lie on the way. */
  readonly #cuts = new Map<string, number>();
  readonly #slow = new Map<string, number>();
  /** Called with everything that arrives, in order. */
  onBytes: ((from: string, to: string, bytes: Buffer) => void) | undefined;

  constructor(
    readonly schedule: Schedule,
    readonly chance: Seeded,
    readonly manners: NetworkManners,
  ) {}

  get connections(): number {
    return this.#connections.size;
  }

  socketsOf(process: SimProcess): Sockets {
    const { life } = process;
    return {
      connect: (addr) => this.#connect(process, life, addr),
      listen: (addr, accept) => this.#listen(process, life, addr, accept),
    };
  }

  // --- faults --------------------------------------------------------------------------------------------------------

  /** Nothing gets through from one to the other, until {@link heal} was called as often. */
  cut(from: string, to: string): void {
    const key = `${from}>${to}`;
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
  }

  heal(from: string, to: string): void {
    const key = `${from}>${to}`;
    const cuts = (this.#cuts.get(key) ?? 1) - 1;
    if (cuts > 0) {
      this.#cuts.set(key, cuts);
      return;
    }
    this.#cuts.delete(key);
    for (const flow of this.#flows(from, to)) flow.resume(this.chance.wait(resendUs));
  }

  /**
   * Packets from one to the other take so many times as long; 1 ends it, also for those on their way: one that strayed would
   * come a minute after the trouble, and whatever was sent behind it.
   */
  slow(from: string, to: string, factor: number): void {
    if (factor > 1) {
      this.#slow.set(`${from}>${to}`, factor);
      return;
    }
    this.#slow.delete(`${from}>${to}`);
    for (const flow of this.#flows(from, to)) flow.hasten(this.chance.wait(resendUs));
  }

  *#flows(from: string, to: string): Iterable<Flow> {
    for (const { client, server, up, down } of this.#connections) {
      if (client.process.name === from && server.process.name === to) yield up;
      if (server.process.name === from && client.process.name === to) yield down;
    }
  }

  /** All connections between the two break; a part of what is on the way is lost. Returns how many there were. */
  breakOff(a: string, b: string): number {
    let broken = 0;
    for (const { client, server, up, down } of this.#connections) {
      const ends = [client.process.name, server.process.name];
      if (!ends.includes(a) || !ends.includes(b)) continue;
      broken++;
      for (const flow of [up, down]) flow.breakOff(this.chance.int(flow.onTheWay + 1));
    }
    return broken;
  }

  /** The process's machine lost power: nobody is told until it is up again. */
  fallSilent(name: string): void {
    for (const { client, server, up, down } of this.#connections) {
      if (client.process.name === name) up.fallSilent();
      if (server.process.name === name) down.fallSilent();
    }
  }

  /** It is up again, and knows nothing of its former connections. */
  deny(name: string): void {
    for (const connection of [...this.#connections]) {
      const { client, server, up, down } = connection;
      if (client.process.name === name) up.deny();
      if (server.process.name === name) down.deny();
      if (client.process.name === name || server.process.name === name) this.#connections.delete(connection);
    }
  }

  // --- connections ---------------------------------------------------------------------------------------------------

  #isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  #delay(from: string, to: string): number {
    const { delayUs, strayShare } = this.manners;
    const usual = this.chance.wait(delayUs) * (this.#slow.get(`${from}>${to}`) ?? 1);
    return this.chance.chance(strayShare) ? usual * 100 : usual;
  }

  #way(from: string, to: string): Way {
    const isCut = (): boolean => this.#isCut(from, to);
    return {
      delay: () => this.#delay(from, to),
      get isCut() {
        return isCut();
      },
      splitAt: (length) => (this.chance.chance(this.manners.splitShare) ? this.chance.int(length) : 0),
      delivered: (bytes) => this.onBytes?.(from, to, bytes),
    };
  }

  #listen(process: SimProcess, life: number, addr: string, accept: (socket: Duplex) => void): Promise<Listening> {
    return new Promise((resolve, reject) => {
      const listen = (): void => {
        const present = this.#listeners.get(addr);
        if (present !== undefined) {
          reject(Object.assign(new Error(`${addr} is in use`), { code: 'EADDRINUSE' }));
          return;
        }
        const listener = { process, life, accept };
        this.#listeners.set(addr, listener);
        const forget = (): void => {
          if (this.#listeners.get(addr) === listener) this.#listeners.delete(addr);
        };
        process.onDeath(forget);
        resolve({ port: undefined, close: async () => forget() });
      };
      process.later(this.chance.within(50, 300), 'listen', listen, life);
    });
  }

  #connect(process: SimProcess, life: number, addr: string): SimSocket {
    const client = new SimSocket(process, life, addr);
    this.#knock(client, addr, synTriesMax);
    return client;
  }

  /** One try to open the connection; the kernels do this, whether or not the processes run. */
  #knock(client: SimSocket, addr: string, tries: number): void {
    const { process, life } = client;
    const here = process.name;
    const listener = this.#listeners.get(addr);
    const there = listener?.process.name ?? addr;
    const fail = (code: string): void =>
      void process.later(
        this.#delay(there, here),
        'net refused',
        () => client.destroy(Object.assign(new Error(`connect ${addr}: ${code}`), { code })),
        life,
      );
    this.schedule.after(this.#delay(here, there), 'net syn', () => {
      if (client.destroyed || process.life !== life) return;
      const present = this.#listeners.get(addr);
      if (listener !== undefined && (this.#isCut(here, there) || this.#isCut(there, here))) {
        if (tries <= 1) fail('ETIMEDOUT');
        else
          this.schedule.after(synEveryUs, 'net syn again', () => {
            if (!client.destroyed && process.life === life) this.#knock(client, addr, tries - 1);
          });
      } else if (present === undefined) fail('ECONNREFUSED');
      else this.#establish(client, present);
    });
  }

  #establish(client: SimSocket, listener: Listener): void {
    const { process } = listener;
    const here = client.process.name;
    const there = process.name;
    const server = new SimSocket(process, listener.life, here);
    const up = new Flow(client.process, client.life, server, this.#way(here, there));
    const down = new Flow(process, server.life, client, this.#way(there, here));
    const connection: Connection = { client, server, up, down };
    this.#connections.add(connection);
    // What a kernel does for a process that is gone.
    const unwatch = [
      client.process.onDeath(() => up.finish(this.chance.chance(0.5) ? 'fin' : 'reset')),
      process.onDeath(() => down.finish(this.chance.chance(0.5) ? 'fin' : 'reset')),
    ];
    let ends = 2;
    for (const socket of [client, server])
      socket.onDestroyed = () => {
        if (--ends > 0) return;
        this.#connections.delete(connection);
        for (const stop of unwatch) stop();
      };
    const accepted = (): void => {
      server.established(down);
      listener.accept(server);
    };
    process.later(0, 'net accept', accepted, listener.life);
    const connected = (): void => {
      if (client.destroyed) {
        up.finish('fin');
        return;
      }
      client.established(up);
      client.emit('connect');
    };
    client.process.later(this.#delay(there, here), 'net connect', connected, client.life);
  }
}
