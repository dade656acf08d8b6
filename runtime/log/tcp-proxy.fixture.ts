/**
 * A TCP proxy between a client and a server of a test, that does to their connections what networks do: keeps bytes back,
 * loses them, cuts, refuses. `up` is towards the server, `down` towards the client. Test code.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

export type Direction = 'up' | 'down';

/** Passes on, changes or withholds (empty) what one side sent; one of its own for each connection and direction. */
export type Filter = (chunk: Buffer) => Buffer;

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly held: Record<Direction, Buffer[]>;
  readonly filters: Record<Direction, Filter>;
}

const asItIs: Filter = (chunk) => chunk;

export class TcpProxy {
  readonly #pairs = new Set<Pair>();
  readonly #holding = { up: false, down: false };
  #isRefusing = false;
  /** Connections that clients have opened so far, refused ones too. */
  accepted = 0;
  /** For connections that are opened from now on. */
  filter: (direction: Direction) => Filter = () => asItIs;

  private constructor(
    private readonly server: Server,
    private readonly target: { readonly host: string; readonly port: number },
  ) {
    server.on('connection', (client) => this.#accept(client));
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TcpProxy(server, target);
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#pairs.size;
  }

  /** Bytes that are kept back in this direction. */
  heldBytes(direction: Direction): number {
    let bytes = 0;
    for (const { held } of this.#pairs) for (const chunk of held[direction]) bytes += chunk.length;
    return bytes;
  }

  /** Keeps back what is sent from now on; a cut loses it. */
  hold(direction: Direction): void {
    this.#holding[direction] = true;
  }

  release(direction: Direction): void {
    this.#holding[direction] = false;
    for (const pair of this.#pairs) {
      const to = direction === 'up' ? pair.upstream : pair.client;
      for (const chunk of pair.held[direction].splice(0)) to.write(chunk);
    }
  }

  /** Ends all connections. What is held towards the client is lost; what is held towards the server still arrives there if `delivers`. */
  cut({ delivers = false } = {}): void {
    for (const { client, upstream, held } of [...this.#pairs]) {
      client.destroy();
      if (delivers) upstream.end(Buffer.concat(held.up));
      else upstream.destroy();
    }
  }

  /** New connections are closed at once, until {@link admit}. */
  refuse(): void {
    this.#isRefusing = true;
  }

  admit(): void {
    this.#isRefusing = false;
  }

  #accept(client: Socket): void {
    this.accepted++;
    client.on('error', () => undefined);
    if (this.#isRefusing) {
      client.destroy();
      return;
    }
    const upstream = connect(this.target.port, this.target.host);
    upstream.on('error', () => undefined);
    client.setNoDelay(true);
    upstream.setNoDelay(true);
    const filters = { up: this.filter('up'), down: this.filter('down') };
    const pair: Pair = { client, upstream, held: { up: [], down: [] }, filters };
    this.#pairs.add(pair);
    client.on('data', (chunk) => this.#pass(pair, 'up', chunk));
    upstream.on('data', (chunk) => this.#pass(pair, 'down', chunk));
    const over = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    client.on('close', () => {
      this.#pairs.delete(pair);
      upstream.end();
    });
    upstream.on('close', over);
  }

  #pass(pair: Pair, direction: Direction, chunk: Buffer): void {
    const bytes = pair.filters[direction](chunk);
    if (bytes.length === 0) return;
    if (this.#holding[direction]) pair.held[direction].push(bytes);
    else (direction === 'up' ? pair.upstream : pair.client).write(bytes);
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
