/** Which cluster a command talks to: `--url`, HUNT_URL or `cluster.json` of the data folder; and with whose token. */
import { HttpApi } from '../../gateway/sdk/http-api.ts';
import { HuntClient } from '../../gateway/sdk/hunt-client.ts';
import { HuntError } from '../../gateway/sdk/hunt-error.ts';
import { type ClusterFile, readClusterFile } from '../host/cluster-file.ts';
import { type Config, loadConfig } from '../host/config.ts';
import { UsageError } from './exit-code.ts';
import { nodeSocket } from './node-socket.ts';

export interface TargetFlags {
  readonly url?: string;
  readonly token?: string;
  readonly dataDir?: string;
  readonly config?: string;
}

/** Tries before the first answer; once connected, a stream comes back for ever. */
const firstTriesMax = 3;

export class Target {
  readonly config: Config;
  readonly file: ClusterFile | undefined;
  readonly #flags: TargetFlags;

  constructor(flags: TargetFlags) {
    this.#flags = flags;
    const { url, token, dataDir } = flags;
    this.config = loadConfig('client', {
      flags: { url, token, dataDir },
      ...(flags.config ? { file: flags.config } : {}),
    }).config;
    this.file = readClusterFile(this.config.dataDir);
  }

  /** For commands that reach log and store themselves: the cluster of the data folder, unless another one is named. */
  tool(): Config {
    const { dataDir, config: file } = this.#flags;
    const named = (key: 'profile' | 'cluster') =>
      this.config.sources[key] === undefined ? this.file?.[key] : undefined;
    return loadConfig('tool', {
      flags: { dataDir, profile: named('profile'), cluster: named('cluster') },
      ...(file ? { file } : {}),
    }).config;
  }

  get http(): string {
    const url = this.config.url ?? this.#gateways()[0] ?? this.file?.urls.http;
    if (url !== undefined) return url.replace(/\/+$/, '');
    throw new HuntError(
      'UNREACHABLE',
      `no cluster is known: give --url or HUNT_URL, or --data-dir of a running one (there is no cluster.json in ${this.config.dataDir})`,
    );
  }
  /** Where sockets can be opened: a client goes from one to the next when it has to come back. */
  get sockets(): readonly string[] {
    const urls = this.config.url === undefined ? this.#gateways() : [];
    return (urls.length > 0 ? urls : [this.http]).map((url) => `${url.replace(/^http/, 'ws')}/v1/socket`);
  }
  /** Of the cluster of the data folder: those that run. */
  #gateways(): string[] {
    const rows = this.file?.processes.filter((row) => row.role === 'gateway' && row.state === 'up') ?? [];
    return rows.flatMap((row) => (row.http === undefined ? [] : [row.http]));
  }
  get grpc(): string {
    const address = this.file?.urls.grpc;
    if (address !== undefined) return address;
    throw new UsageError(
      `where gRPC listens is not known: give --grpc host:port (there is no cluster.json in ${this.config.dataDir})`,
    );
  }
  /** The token given, else the one of that role in cluster.json; a token of the file is only for the cluster of the file. */
  token(role: 'operator' | 'designer' = 'operator'): string {
    const token = this.config.token ?? (this.config.url === undefined ? this.file?.tokens[role] : undefined);
    if (token !== undefined) return token;
    throw new UsageError('no token: give --token or HUNT_TOKEN (`hunt token` mints one from the key)');
  }
  api(role: 'operator' | 'designer' | 'none' = 'operator'): HttpApi {
    return new HttpApi({ url: this.http, ...(role === 'none' ? {} : { token: this.token(role) }) });
  }
  client(token: string, url: string | readonly string[] = this.sockets): HuntClient {
    return new HuntClient({ url, token, connect: nodeSocket, firstTriesMax });
  }
}
