import { createServer } from 'node:net';
import type { Random } from '../../runtime/kernel/random.ts';

/**
 * Free ports are taken from below the range that systems give to outgoing connections: a process that is being
 * restarted must not find its port taken by a client of its neighbour.
 */
const portMin = 10_240;
const portMax = 32_000;
const triesMax = 500;

export const isFree = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)));
  });

/** Hands out ports of one host, none twice. */
export class Ports {
  readonly #host: string;
  readonly #random: Random;
  readonly #taken = new Set<number>();

  constructor(host: string, random: Random) {
    this.#host = host;
    this.#random = random;
  }

  /** That very port, or undefined when it is taken. */
  async exactly(port: number): Promise<number | undefined> {
    if (this.#taken.has(port) || !(await isFree(this.#host, port))) return undefined;
    this.#taken.add(port);
    return port;
  }

  /** The first free one of those preferred, else any free one. */
  async any(...preferred: readonly (number | undefined)[]): Promise<number> {
    for (const port of preferred) {
      const got = port === undefined || port === 0 ? undefined : await this.exactly(port);
      if (got !== undefined) return got;
    }
    for (let tries = 0; tries < triesMax; tries++) {
      const got = await this.exactly(portMin + Math.floor(this.#random.next() * (portMax - portMin)));
      if (got !== undefined) return got;
    }
    throw new Error(`no free port on ${this.#host} between ${portMin} and ${portMax} in ${triesMax} tries`);
  }
}
