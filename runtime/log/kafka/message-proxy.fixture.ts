/**
 * A network that knows Kafka's messages, so that single requests and responses can be lost or late (../tcp-proxy.fixture.ts
 * knows bytes and connections alone).
 *
 * A message that is late holds up what follows it in its direction, as on a real connection. The broker's side of a connection
 * stays open until what was late has been delivered, also when the client has given up: that is what a late request is. Test code.
 */
import { createServer, type Server, Socket } from 'node:net';

export type Direction = 'request' | 'response';
/** Late by so long, or until something has happened. */
export type Fate = 'pass' | 'lose' | { readonly lateMs: number } | { readonly until: Promise<unknown> };
export type Fates = (direction: Direction, message: Buffer) => Fate;

const lengthBytes = 4;

/** Of a request: Kafka's number of what is asked. */
export const apiKeyOf = (request: Buffer): number => request.readInt16BE(lengthBytes);

export class MessageProxy {
  readonly counts = { passed: 0, lost: 0, late: 0, bytes: 0 };
  /** What becomes of each message; may be changed at any time. */
  fate: Fates = () => 'pass';
  readonly #server: Server;
  readonly #connections = new Set<Connection>();

  private constructor(readonly target: { readonly host: string; readonly port: number }) {
    this.#server = createServer((client) => {
      const connection = new Connection(this, client, () => this.#connections.delete(connection));
      this.#connections.add(connection);
    });
  }

  /** In front of a broker, given as host:port. */
  static async before(broker: string): Promise<MessageProxy> {
    const at = broker.lastIndexOf(':');
    return MessageProxy.open({ host: broker.slice(0, at), port: Number(broker.slice(at + 1)) });
  }

  static async open(target: { readonly host: string; readonly port: number }): Promise<MessageProxy> {
    const proxy = new MessageProxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** For a log that is to go through it. */
  get route(): () => { host: string; port: number } {
    return () => ({ host: '127.0.0.1', port: this.port });
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  async close(): Promise<void> {
    for (const connection of [...this.#connections]) connection.end();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

class Connection {
  readonly #upstream = new Socket();
  #isOver = false;

  constructor(
    proxy: MessageProxy,
    private readonly client: Socket,
    private readonly onEnd: () => void,
  ) {
    this.#upstream.connect(proxy.target.port, proxy.target.host);
    for (const socket of [client, this.#upstream]) socket.setNoDelay(true);
    const requests = new Pipe(proxy, 'request', this.#upstream);
    const responses = new Pipe(proxy, 'response', client);
    client.on('data', (chunk) => requests.push(chunk));
    this.#upstream.on('data', (chunk) => responses.push(chunk));
    client.on('error', () => undefined);
    this.#upstream.on('error', () => this.end());
    this.#upstream.on('close', () => this.end());
    client.on('close', () => requests.whenDelivered(() => this.end()));
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.client.destroy();
    this.#upstream.destroy();
    this.onEnd();
  }
}

/** One direction of a connection. */
class Pipe {
  #bytes: Buffer = Buffer.alloc(0);
  /** Whole messages; they wait while one is late. */
  #messages: Buffer[] = [];
  #isLate = false;
  #delivered: (() => void) | undefined;

  constructor(
    private readonly proxy: MessageProxy,
    private readonly direction: Direction,
    private readonly to: Socket,
  ) {}

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= lengthBytes) {
      const length = lengthBytes + this.#bytes.readInt32BE(0);
      if (this.#bytes.length < length) break;
      this.#messages.push(this.#bytes.subarray(0, length));
      this.#bytes = this.#bytes.subarray(length);
    }
    this.#deliver();
  }

  whenDelivered(run: () => void): void {
    this.#delivered = run;
    this.#deliver();
  }

  #deliver(): void {
    while (!this.#isLate) {
      const message = this.#messages.shift();
      if (message === undefined) {
        this.#delivered?.();
        return;
      }
      const { counts, fate } = this.proxy;
      const what = fate(this.direction, message);
      if (what === 'lose') counts.lost++;
      else if (what === 'pass') {
        counts.passed++;
        counts.bytes += message.length;
        this.#write(message);
      } else {
        counts.late++;
        this.#isLate = true;
        const over = 'until' in what ? what.until : new Promise((resolve) => setTimeout(resolve, what.lateMs));
        void over.then(() => {
          this.#isLate = false;
          this.#write(message);
          this.#deliver();
        });
      }
    }
  }

  #write(message: Buffer): void {
    if (!this.to.destroyed) this.to.write(message);
  }
}
