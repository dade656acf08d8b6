/**
 * A node's gRPC port: hunt.v1.HuntState and health, for integrators inside the network. Any node takes the actions of any
 * hunt and routes them as a gateway does.
 *
 * Owns: the port, and what serves it. That is loaded with the first connection: nine idle nodes share a machine, and
 * most never see one. Does not own what becomes of an action: that is the owner's, here or on another node.
 */
import { createServer, type Socket } from 'node:net';
import type { Placement } from '../../gateway/act/route.ts';
import type { IngestParts } from '../../gateway/ingest/ingest-parts.ts';
import { connectTo } from './link-address.ts';
import type { Check } from './probe-http.ts';
import type { RoleContext } from './role-process.ts';

/** Connections that wait for the code to be loaded; more are refused. */
const waitingMax = 256;

export interface NodeIngestOptions {
  readonly context: RoleContext;
  readonly placement: Placement;
  /** A node has seen a newer view than ours: read it. */
  readonly newerView: () => void;
  readonly checks: () => readonly Check[];
}

interface Serving {
  take(socket: Socket): void;
  close(): void;
}

export class NodeIngest {
  readonly #server;
  readonly #open = new Set<Socket>();
  #waiting: Socket[] = [];
  #loading: Promise<void> | undefined;
  #serving: Serving | undefined;

  private constructor(private readonly options: NodeIngestOptions) {
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Resolves when it listens; with port 0, on any that is free. Throws what is wrong with the TLS pair. */
  static async listen(options: NodeIngestOptions): Promise<NodeIngest> {
    const { config } = options.context;
    // A pair that could not serve is a fault of the configuration: said at the start.
    if (config.tlsCert !== undefined) (await import('./secrets.ts')).readTlsPair(config);
    const ingest = new NodeIngest(options);
    await new Promise<void>((resolve, reject) => {
      ingest.#server.once('error', reject);
      ingest.#server.listen({ host: config.host, port: config.grpcPort }, () => {
        ingest.#server.off('error', reject);
        resolve();
      });
    });
    return ingest;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.#loading?.catch(() => undefined);
    this.#serving?.close();
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    this.#open.add(socket);
    socket.on('close', () => this.#open.delete(socket));
    socket.on('error', () => socket.destroy());
    if (this.#serving !== undefined) {
      this.#serving.take(socket);
      return;
    }
    if (this.#waiting.length >= waitingMax) {
      socket.destroy();
      return;
    }
    this.#waiting.push(socket);
    this.#loading ??= this.#load();
  }

  async #load(): Promise<void> {
    try {
      this.#serving = await serve(this.options);
    } catch (error) {
      // The next connection tries again: a key file, say, may be there by then.
      this.options.context.logger.error({ err: error }, 'the gRPC port cannot be served');
      this.#loading = undefined;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const socket of waiting) {
      if (this.#serving === undefined) socket.destroy();
      else if (!socket.destroyed) this.#serving.take(socket);
    }
  }
}

async function serve({ context, placement, newerView, checks }: NodeIngestOptions): Promise<Serving> {
  const { config, clock, timers, random, name, logger } = context;
  const [{ Router }, { HuntDirectory }, { Buckets }, { buildHuntState }, { Tokens }, secrets, grpc] = await Promise.all(
    [
      import('../../gateway/act/router.ts'),
      import('../../gateway/admin/hunt-directory.ts'),
      import('../../gateway/socket/bucket.ts'),
      import('../../gateway/ingest/hunt-state.ts'),
      import('../../gateway/token/tokens.ts'),
      import('./secrets.ts'),
      import('./grpc-credentials.ts'),
    ],
  );
  const tokens = new Tokens(clock, random, secrets.readTokenKeys(config));
  const router = new Router({ placement, connect: connectTo, clock, timers, random, name, newerView });
  const players = new Buckets(config.ratePlayer);
  const parts: IngestParts = {
    ports: {
      clock,
      timers,
      random,
      route: router,
      tokens,
      admitAct: (player) => players.take(player, clock.monotonic()),
      readiness: checks,
      journal: logger,
    },
    directory: new HuntDirectory(router),
  };
  const server = buildHuntState(parts);
  const injector = server.createConnectionInjector(await grpc.grpcCredentials(config));
  logger.info('the gRPC port is in use');
  return {
    take: (socket) => injector.injectConnection(socket),
    close: () => {
      router.close();
      injector.destroy();
      server.forceShutdown();
    },
  };
}
