/**
 * Every setting there is, from four places: flag, then environment, then `hunt.yaml`, then default. Parsed once, validated
 * as a whole, then one frozen object that the roles are composed from. Nothing else in the project reads the environment.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { idPattern } from '../../proto/ids.ts';
import { duration, list, nodeId, origin, port, rate, text, url, weight, whole, yesNo } from './setting-forms.ts';

/** tool: a command that reaches log and store by itself, as a process of the cluster does. client: one that asks a gateway. */
export type Role = 'up' | 'node' | 'gateway' | 'log' | 'postgres' | 'projector' | 'relay' | 'tool' | 'client';

const portDefaults: Readonly<Record<Role, { http: number; grpc: number }>> = {
  up: { http: 8080, grpc: 9090 },
  gateway: { http: 8080, grpc: 9090 },
  node: { http: 7101, grpc: 7001 },
  log: { http: 7100, grpc: 0 },
  projector: { http: 7201, grpc: 0 },
  relay: { http: 7202, grpc: 0 },
  postgres: { http: 7203, grpc: 0 },
  tool: { http: 0, grpc: 0 },
  client: { http: 8080, grpc: 9090 },
};

/** What Kafka takes of a cluster's name: JetStream and the rest take a colon too. */
const topicName = /^[A-Za-z0-9_.-]+$/;
const nodesMax = 64;
const gatewaysMax = 64;
const keyBytesMin = 32;
const minBytes = 1_048_576;
const segmentBytes = { min: 16 * 1024, max: 1024 ** 3 };

const schema = z.object({
  profile: z.enum(['embedded', 'nats', 'kafka'], { error: 'must be embedded, nats or kafka' }).default('embedded'),
  cluster: text('a name of up to 64 characters')
    .regex(idPattern, 'must be 1 to 64 characters of A-Z a-z 0-9 _ . : -')
    .default('local'),
  dataDir: text('a folder that this user may write').default('.hunt'),
  host: text('an address to listen on, such as 127.0.0.1 or 0.0.0.0').default('127.0.0.1'),
  advertise: text('a host name or address under which other machines reach this process')
    .regex(/^[A-Za-z0-9_.:-]{1,253}$/, 'must be a host name or an address, without port')
    .optional(),
  httpPort: port.optional(),
  grpcPort: port.optional(),
  linkPort: whole(
    1,
    65_535,
    'where gateways reach this node over TCP; absent: a Unix socket in the data folder',
  ).optional(),
  nodeId: nodeId.optional(),
  members: list.pipe(z.array(nodeId)).default([]),
  weight: weight.default(1),
  tokenKey: z
    .string()
    .refine((t) => /^[A-Za-z0-9_-]+={0,2}$/.test(t) && Buffer.from(t, 'base64url').length >= keyBytesMin, {
      error: `must be at least ${keyBytesMin} random bytes in base64url: openssl rand 32 | basenc --base64url makes one`,
    })
    .optional(),
  tokenKeyFile: text('a file with a key in base64url').optional(),
  tokenJwksFile: text('a file with a JSON Web Key Set').optional(),
  origins: list.pipe(z.array(origin)).default([]),
  /** The primary and its standbys, in any order. */
  pgUrl: list.pipe(z.array(url(['postgres://', 'postgresql://']))).optional(),
  pgPort: whole(0, 65_535, 'of the PostgreSQL of profile embedded; 0 = without one').default(7432),
  pgPasswordFile: text('a file with the password of the user in HUNT_PG_URL').optional(),
  redisUrl: url(['redis://', 'rediss://']).optional(),
  alarmRedisUrl: url(['redis://', 'rediss://']).optional(),
  natsUrl: list.pipe(z.array(url(['nats://', 'tls://']))).optional(),
  kafkaBrokers: list.pipe(z.array(z.string().regex(/^[^\s:]+:\d{1,5}$/, 'each must be host:port'))).optional(),
  natsReplicas: whole(1, 5, 'copies of each stream: 3 in production, 1 on a single server').optional(),
  natsLogBytes: whole(minBytes, Number.MAX_SAFE_INTEGER, 'bytes that the log may take on the NATS servers').optional(),
  natsPageBytes: whole(minBytes, Number.MAX_SAFE_INTEGER, 'bytes that player pages may take there').optional(),
  kafkaReplication: whole(1, 9, 'copies of each partition: 3 in production, 1 on a single broker').optional(),
  archiveDir: text('a folder that every process of the cluster reaches').optional(),
  logKeep: duration.default(24 * 3_600_000),
  logKeepBytes: whole(
    0,
    Number.MAX_SAFE_INTEGER,
    'bytes that the log keeps of all history; 0 = no limit by size',
  ).optional(),
  logSync: z
    .enum(['process', 'power'], { error: 'must be power (survives power loss) or process (faster)' })
    .default('power'),
  logSegmentBytes: whole(
    segmentBytes.min,
    segmentBytes.max,
    'bytes of one file of the embedded log; the archive lets go of whole ones',
  ).optional(),
  tlsCert: text('a PEM file').optional(),
  tlsKey: text('a PEM file').optional(),
  ratePlayer: rate.default({ perSecond: 10, burst: 30 }),
  rateSocket: rate.default({ perSecond: 50, burst: 100 }),
  rateAddress: rate.default({ perSecond: 200, burst: 1_000 }),
  socketsMax: whole(1, 1_000_000, 'sockets that one gateway holds').default(18_000),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'must be trace, debug, info, warn, error, fatal or silent',
    })
    .default('info'),
  url: url(['http://', 'https://']).optional(),
  token: text('a token that `hunt token` made').optional(),
  nodes: whole(1, nodesMax, 'nodes of this cluster').default(9),
  gateways: whole(1, gatewaysMax, 'gateways of this cluster').default(1),
  respawn: yesNo.default(true),
  demo: yesNo.default(true),
});

type Parsed = z.output<typeof schema>;
export type ConfigKey = keyof Parsed;
export interface Config
  extends Readonly<Omit<Parsed, 'httpPort' | 'grpcPort' | 'archiveDir' | 'natsReplicas' | 'kafkaReplication'>> {
  readonly role: Role;
  readonly archiveDir: string;
  readonly natsReplicas: number;
  readonly kafkaReplication: number;
  readonly httpPort: number;
  readonly grpcPort: number;
  /** The file that was read, if there was one. */
  readonly file?: string;
  /** Where each value came from, for `hunt config`. */
  readonly sources: Readonly<Partial<Record<ConfigKey, string>>>;
}

/** Settings that only make sense as flags of `hunt up`, or in the file: they have no name in the environment. */
const withoutEnvironment: ReadonlySet<ConfigKey> = new Set(['nodes', 'gateways', 'respawn', 'demo']);
export const snake = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
export const configKeys = Object.keys(schema.shape) as ConfigKey[];
const fileKeys = new Map(configKeys.map((key) => [snake(key), key]));
export const environmentKeys: ReadonlyMap<string, ConfigKey> = new Map(
  configKeys.filter((key) => !withoutEnvironment.has(key)).map((key) => [`HUNT_${snake(key).toUpperCase()}`, key]),
);

/** Exit code of usage and configuration errors. */
export const exitUsage = 2;

/** What is wrong with the configuration, all of it at once: each fault names field, limit and remedy. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly faults: readonly string[]) {
    super(faults.join('\n'));
  }
}

export interface ConfigSources {
  /** By the names of {@link Config}, as commander gives them; undefined: not given. */
  readonly flags?: Readonly<Partial<Record<ConfigKey, unknown>>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Another file than `hunt.yaml` in the working directory; must exist then. */
  readonly file?: string;
}

/** Throws {@link ConfigError}. Warnings are for the log: nothing that they name has an effect. */
export function loadConfig(role: Role, from: ConfigSources = {}): { config: Config; warnings: readonly string[] } {
  const env = from.env ?? process.env;
  const cwd = from.cwd ?? process.cwd();
  const given: Partial<Record<ConfigKey, unknown>> = {};
  const sources: Partial<Record<ConfigKey, string>> = {};
  const warnings: string[] = [];
  const put = (key: ConfigKey, value: unknown, source: string) => {
    given[key] = value;
    sources[key] = source;
  };

  const file = readFile(from, cwd);
  for (const [name, value] of Object.entries(file.values)) {
    const key = fileKeys.get(name);
    if (key === undefined) throw new ConfigError([`${file.path}: ${name} is no setting: \`hunt config\` lists them`]);
    if (value !== null) put(key, value, file.path);
  }
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('HUNT_') || value === undefined) continue;
    const key = environmentKeys.get(name);
    if (key === undefined) warnings.push(`${name} in the environment is no setting and has no effect`);
    else if (value !== '') put(key, value, name);
  }
  for (const [name, value] of Object.entries(from.flags ?? {})) {
    if (value !== undefined) put(name as ConfigKey, value, `--${snake(name).replaceAll('_', '-')}`);
  }

  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.map((issue) => {
        const key = issue.path[0] as ConfigKey;
        return `${sources[key] ?? snake(key)}${sources[key] === file.path ? `: ${snake(key)}` : ''} ${issue.message}`;
      }),
    );
  }
  const values = parsed.data;
  const faults = conflicts(role, values);
  if (faults.length > 0) throw new ConfigError(faults);
  const config: Config = {
    ...values,
    role,
    dataDir: resolve(cwd, values.dataDir),
    archiveDir: resolve(cwd, values.archiveDir ?? join(values.dataDir, 'archive')),
    natsReplicas: values.natsReplicas ?? copiesOn(values.natsUrl),
    kafkaReplication: values.kafkaReplication ?? copiesOn(values.kafkaBrokers),
    httpPort: values.httpPort ?? portDefaults[role].http,
    grpcPort: values.grpcPort ?? portDefaults[role].grpc,
    ...(existsSync(file.path) ? { file: file.path } : {}),
    sources,
  };
  return { config: Object.freeze(config), warnings };
}

function readFile(from: ConfigSources, cwd: string): { path: string; values: Record<string, unknown> } {
  const path = resolve(cwd, from.file ?? 'hunt.yaml');
  if (!existsSync(path)) {
    if (from.file === undefined) return { path, values: {} };
    throw new ConfigError([`${path} does not exist: name an existing file, or leave --config out`]);
  }
  try {
    const values: unknown = parseYaml(readFileSync(path, 'utf8')) ?? {};
    if (typeof values !== 'object' || Array.isArray(values)) throw new Error('must be a map of settings');
    return { path, values: values as Record<string, unknown> };
  } catch (error) {
    throw new ConfigError([`${path}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

/** Three copies where there are servers for them, unless something else was asked for. */
const copiesOn = (servers: readonly string[] | undefined): number => ((servers?.length ?? 0) >= 3 ? 3 : 1);

/** What single fields cannot know. */
function conflicts(role: Role, values: Parsed): string[] {
  const faults: string[] = [];
  if (role === 'node' && values.nodeId === undefined)
    faults.push('--id (or HUNT_NODE_ID) is missing: give this node a name, such as n1');
  if (values.members.length > 0 && role === 'node' && !values.members.includes(values.nodeId ?? ''))
    faults.push(`HUNT_MEMBERS does not name ${values.nodeId}: list every node of the cluster, this one too`);
  if (values.linkPort !== undefined && values.advertise === undefined && role === 'node')
    faults.push('HUNT_LINK_PORT needs HUNT_ADVERTISE: the name under which gateways on other machines reach this node');
  if (values.pgPasswordFile !== undefined && values.pgUrl === undefined)
    faults.push('HUNT_PG_PASSWORD_FILE belongs to HUNT_PG_URL: give that too');
  if ((values.tlsCert === undefined) !== (values.tlsKey === undefined))
    faults.push('HUNT_TLS_CERT and HUNT_TLS_KEY belong together: give both or neither');
  if (values.profile === 'nats' && values.natsUrl === undefined && role !== 'client')
    faults.push('profile nats needs HUNT_NATS_URL: give the addresses of its servers');
  if (values.profile === 'kafka' && role !== 'client') {
    if (values.natsUrl === undefined)
      faults.push('profile kafka needs HUNT_NATS_URL (the relay and the view live there)');
    if (!topicName.test(values.cluster))
      faults.push(
        `HUNT_CLUSTER ${values.cluster} cannot be part of a Kafka topic's name: in profile kafka give 1 to 64 characters of A-Z a-z 0-9 _ . - (such as ${values.cluster.replaceAll(/[^A-Za-z0-9_.-]/g, '-')})`,
      );
    if (values.kafkaBrokers === undefined)
      faults.push('profile kafka needs HUNT_KAFKA_BROKERS: give host:port of its brokers');
  }
  const servesTokens = role === 'gateway' || role === 'up' || role === 'node';
  if (
    servesTokens &&
    values.profile !== 'embedded' &&
    values.tokenKey === undefined &&
    values.tokenKeyFile === undefined &&
    values.tokenJwksFile === undefined
  ) {
    faults.push(
      'outside the embedded profile there is no default key: give HUNT_TOKEN_KEY, HUNT_TOKEN_KEY_FILE or HUNT_TOKEN_JWKS_FILE',
    );
  }
  return faults;
}
