import { lineProbe } from './line-probe.ts';
import { freePort, GuardedServer, serverFolder } from './private-server.ts';
import { requireProgram } from './programs.ts';

export interface RedisOptions {
  /** Keeps its data over a kill (the one for alarms); without it a restart begins empty. */
  readonly appendOnly?: boolean;
  /** Bytes, or with a unit as Redis writes it: `3mb`. */
  readonly maxMemory?: string | number;
  /** What it does at that limit; `noeviction` unless said. */
  readonly maxMemoryPolicy?: string;
}

export async function redisServer(options: RedisOptions = {}): Promise<GuardedServer> {
  const folder = serverFolder('redis');
  const port = await freePort();
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir: `${folder}/data`,
    save: '',
    appendonly: options.appendOnly === true ? 'yes' : 'no',
    maxmemory: String(options.maxMemory ?? 0),
    'maxmemory-policy': options.maxMemoryPolicy ?? 'noeviction',
  };
  const server = new GuardedServer({
    name: 'redis-server',
    url: `redis://127.0.0.1:${port}`,
    folder,
    argv: [
      requireProgram('redis-server'),
      ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    ],
    // While it loads its file it answers -LOADING.
    serves: () => lineProbe(port, 'PING\r\n', /^\+PONG/),
  });
  await server.start();
  return server;
}
