/**
 * The servers that a cluster of some profile needs, and the environment that leads `hunt up` to them. Test code.
 *
 * Owns: servers that it started for one test (`privateServers`); those of the whole run are the harness's.
 */
import { systemRandom } from '../../../runtime/kernel/random.ts';
import { type KafkaOptions, kafkaBroker } from '../servers/kafka-broker.ts';
import { natsServer } from '../servers/nats-server.ts';
import { postgresServer } from '../servers/postgres-server.ts';
import type { PrivateServer } from '../servers/private-server.ts';
import { redisServer } from '../servers/redis-server.ts';
import { requireServer, type ServerKind } from '../servers/require-server.ts';
import { sharedServer } from '../servers/shared-server.ts';

export type Profile = 'embedded' | 'nats' | 'kafka';
export const profiles: readonly Profile[] = ['embedded', 'nats', 'kafka'];

/** What a cluster of that profile cannot be without. */
const kinds: Readonly<Record<Profile, readonly ServerKind[]>> = {
  embedded: [],
  nats: ['nats'],
  kafka: ['nats', 'kafka'],
};

/** First line of a `before` hook: skips it, or fails with REQUIRE_SERVICES=1, where a server is missing. */
export function requireProfile(context: Mocha.Context, profile: Profile, more: readonly ServerKind[] = []): void {
  for (const kind of [...kinds[profile], ...more]) requireServer(context, kind);
}

/** A cluster of its own on the servers that the whole run shares. */
export async function sharedServersEnv(profile: Profile): Promise<Readonly<Record<string, string>>> {
  const env: Record<string, string> = ownCluster(profile);
  for (const kind of kinds[profile]) env[addressKey[kind]] = (await sharedServer(kind)).url;
  // Many clusters reserve their share of one JetStream.
  if (profile !== 'embedded') env.HUNT_NATS_PAGE_BYTES = String(jetStreamBytes.pages);
  return env;
}

export interface PrivateServers {
  readonly env: Readonly<Record<string, string>>;
  /** By the name that faults give them. */
  readonly nats: PrivateServer;
  readonly kafka: PrivateServer;
  readonly postgres: PrivateServer;
  readonly cacheRedis: PrivateServer;
  readonly alarmRedis: PrivateServer;
  close(): Promise<void>;
}

/** So small that a test can fill it. */
const jetStreamBytes = { store: 256 * 1024 ** 2, pages: 32 * 1024 ** 2 } as const;

/** Everything that the profile has in production, for a test that breaks it. The embedded one has nothing of the kind. */
export async function privateServers(profile: Profile, kafkaOptions: KafkaOptions = {}): Promise<PrivateServers> {
  const isEmbedded = profile === 'embedded';
  const [nats, kafka, postgres, cacheRedis, alarmRedis] = await Promise.all([
    isEmbedded ? undefined : natsServer({ storeBytesMax: jetStreamBytes.store }),
    profile === 'kafka' ? kafkaBroker(kafkaOptions) : undefined,
    isEmbedded ? undefined : postgresServer(),
    isEmbedded ? undefined : redisServer({ maxMemory: '64mb', maxMemoryPolicy: 'allkeys-lru' }),
    isEmbedded ? undefined : redisServer({ appendOnly: true }),
  ]);
  const given: [string, PrivateServer | undefined][] = [
    ['HUNT_NATS_URL', nats],
    ['HUNT_KAFKA_BROKERS', kafka],
    ['HUNT_PG_URL', postgres],
    ['HUNT_REDIS_URL', cacheRedis],
    ['HUNT_ALARM_REDIS_URL', alarmRedis],
  ];
  const env = Object.fromEntries(
    given.flatMap(([key, server]) => (server === undefined ? [] : [[key, server.url] as const])),
  );
  const there = (server: PrivateServer | undefined): PrivateServer => {
    if (server === undefined) throw new Error(`profile ${profile} has no such server`);
    return server;
  };
  return {
    env: {
      ...ownCluster(profile),
      ...env,
      ...(isEmbedded ? {} : { HUNT_NATS_PAGE_BYTES: String(jetStreamBytes.pages) }),
    },
    get nats() {
      return there(nats);
    },
    get kafka() {
      return there(kafka);
    },
    get postgres() {
      return there(postgres);
    },
    get cacheRedis() {
      return there(cacheRedis);
    },
    get alarmRedis() {
      return there(alarmRedis);
    },
    close: async () => {
      await Promise.all(given.map(([, server]) => server?.close()));
    },
  };
}

const addressKey: Readonly<Record<ServerKind, string>> = {
  nats: 'HUNT_NATS_URL',
  kafka: 'HUNT_KAFKA_BROKERS',
  postgres: 'HUNT_PG_URL',
  redis: 'HUNT_REDIS_URL',
};

const ownCluster = (profile: Profile): Record<string, string> => ({
  HUNT_PROFILE: profile,
  HUNT_CLUSTER: `test-${systemRandom.token(6).replaceAll(/[^A-Za-z0-9]/g, 'x')}`,
});
