/** Clusters of their own on one NATS server, and a plain client beside them. Test code. */
import { connect, type Msg, type NatsConnection } from 'nats';
import { systemRandom } from '../../kernel/random.ts';
import type { TcpProxy } from '../tcp-proxy.fixture.ts';
import { Names } from './names.ts';
import { connectNatsLog, type NatsLog, type NatsLogOptions } from './nats-log.ts';

const askMs = 10_000;

export class NatsCluster {
  readonly names: Names;
  readonly options: NatsLogOptions;
  readonly #opened: NatsLog[] = [];
  #plain: NatsConnection | undefined;

  constructor(url: string, more: Partial<NatsLogOptions> = {}) {
    const cluster = `test-${systemRandom.token(6)}`;
    this.names = new Names(cluster);
    this.options = {
      servers: [url],
      cluster,
      logBytesMax: 64 * 1024 * 1024,
      pageBytesMax: 32 * 1024 * 1024,
      ...more,
    };
  }

  async open(more: Partial<NatsLogOptions> = {}): Promise<NatsLog> {
    const log = await connectNatsLog({ ...this.options, ...more });
    this.#opened.push(log);
    return log;
  }

  openThrough(proxy: TcpProxy, more: Partial<NatsLogOptions> = {}): Promise<NatsLog> {
    return this.open({ servers: [`nats://127.0.0.1:${proxy.port}`], ...more });
  }

  /** A client that knows nothing of us. */
  async plain(): Promise<NatsConnection> {
    this.#plain ??= await connect({ servers: this.#servers });
    return this.#plain;
  }

  async streamState(name: string): Promise<{ messages: number; bytes: number; first_seq: number; last_seq: number }> {
    const reply = await this.#ask(`$JS.API.STREAM.INFO.${name}`);
    return (reply.json() as { state: { messages: number; bytes: number; first_seq: number; last_seq: number } }).state;
  }

  async deleteStream(name: string): Promise<void> {
    await this.#ask(`$JS.API.STREAM.DELETE.${name}`);
  }

  /** Over a connection of its own: one that breaks loses what is asked through it. */
  async #ask(subject: string): Promise<Msg> {
    const nc = await connect({ servers: this.#servers });
    try {
      return await nc.request(subject, '', { timeout: askMs });
    } finally {
      await nc.close();
    }
  }

  get #servers(): string[] {
    return this.options.servers.map((server) => new URL(server).host);
  }

  /** Closes all clients and removes the streams. */
  async close(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((log) => log.close()));
    for (const name of [this.names.log, this.names.slots, this.names.pages]) await this.deleteStream(name);
    await this.#plain?.close();
    this.#plain = undefined;
  }
}

export const hostOf = (url: string): { host: string; port: number } => {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
};
