import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lineProbe } from './line-probe.ts';
import { freePort, GuardedServer, serverFolder } from './private-server.ts';
import { requireProgram, versionOf } from './programs.ts';

export interface NatsOptions {
  /** When JetStream syncs its files; servers know the setting from 2.10 on, an older one is refused. */
  readonly syncInterval?: string;
  /** What all streams together may take on disk, and in memory. */
  readonly storeBytesMax?: number;
  readonly memoryBytesMax?: number;
  /** More lines for the configuration file. */
  readonly config?: string;
}

const storeBytesDefault = 4 * 1024 ** 3;
const memoryBytesDefault = 256 * 1024 ** 2;

/** nats-server with JetStream on files. */
export async function natsServer(options: NatsOptions = {}): Promise<GuardedServer & { readonly version: string }> {
  const program = requireProgram('nats-server');
  const version = versionOf(program);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (options.syncInterval !== undefined && (major < 2 || (major === 2 && minor < 10)))
    throw new Error(`nats-server ${version} has no sync_interval: that came with 2.10`);
  const folder = serverFolder('nats');
  const port = await freePort();
  const config = join(folder, 'nats.conf');
  writeFileSync(
    config,
    `host: 127.0.0.1
port: ${port}
jetstream {
  store_dir: ${JSON.stringify(join(folder, 'data'))}
  max_file_store: ${options.storeBytesMax ?? storeBytesDefault}
  max_memory_store: ${options.memoryBytesMax ?? memoryBytesDefault}
${options.syncInterval === undefined ? '' : `  sync_interval: ${JSON.stringify(options.syncInterval)}\n`}}
${options.config ?? ''}
`,
  );
  const server = new GuardedServer({
    name: 'nats-server',
    url: `nats://127.0.0.1:${port}`,
    folder,
    argv: [program, '-c', config],
    // The greeting comes before JetStream has recovered its streams, the answer to a ping after it.
    serves: () => lineProbe(port, 'CONNECT {"verbose":false}\r\nPING\r\n', /PONG/),
  });
  await server.start();
  return Object.assign(server, { version });
}
