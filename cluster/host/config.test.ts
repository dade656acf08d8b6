import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, environmentKeys, loadConfig, type Role } from './config.ts';
import { describeConfig } from './describe-config.ts';

/** Those of the contract, which nobody may rename, and those that came since. */
const named =
  'PROFILE CLUSTER DATA_DIR HOST HTTP_PORT GRPC_PORT NODE_ID WEIGHT TOKEN_KEY TOKEN_KEY_FILE TOKEN_JWKS_FILE ORIGINS PG_URL REDIS_URL ALARM_REDIS_URL NATS_URL KAFKA_BROKERS LOG_SYNC TLS_CERT TLS_KEY RATE_PLAYER RATE_SOCKET RATE_ADDRESS SOCKETS_MAX LOG_LEVEL URL TOKEN';
const ours =
  'PG_PORT PG_PASSWORD_FILE ADVERTISE LINK_PORT MEMBERS NATS_REPLICAS NATS_LOG_BYTES NATS_PAGE_BYTES KAFKA_REPLICATION ARCHIVE_DIR LOG_KEEP LOG_KEEP_BYTES LOG_SEGMENT_BYTES';

describe('the configuration', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'hunt-config-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));
  const load = (env: Record<string, string>, flags: object = {}, role: Role = 'up') =>
    loadConfig(role, { env, flags, cwd });
  const faults = (env: Record<string, string>, flags: object = {}, role: Role = 'up'): readonly string[] => {
    try {
      load(env, flags, role);
    } catch (error) {
      if (error instanceof ConfigError) return error.faults;
      throw error;
    }
    return assert.fail('it was accepted');
  };

  it('knows every name of the contract, and of its own only those listed here', () => {
    assert.deepEqual(
      [...environmentKeys.keys()].sort(),
      `${named} ${ours}`
        .split(' ')
        .map((name) => `HUNT_${name}`)
        .sort(),
    );
  });

  it('prefers the flag to the environment, that to the file, that to the default', () => {
    writeFileSync(join(cwd, 'hunt.yaml'), 'host: 1.1.1.1\ncluster: filed\nlog_level: warn\n');
    const { config } = load({ HUNT_HOST: '2.2.2.2', HUNT_CLUSTER: 'environed' }, { host: '3.3.3.3' });
    assert.deepEqual(
      [config.host, config.cluster, config.logLevel, config.profile],
      ['3.3.3.3', 'environed', 'warn', 'embedded'],
    );
  });

  it('gives each role its own ports', () => {
    const ports = (role: Role, flags = {}) => {
      const { config } = load({}, flags, role);
      return [config.httpPort, config.grpcPort];
    };
    assert.deepEqual(ports('gateway'), [8080, 9090]);
    assert.deepEqual(ports('node', { nodeId: 'n1' }), [7101, 7001]);
    assert.equal(ports('projector')[0], 7201);
    assert.deepEqual(ports('up', { httpPort: '0' }), [0, 9090]);
  });

  it('warns of unknown HUNT_ names, as Kubernetes injects them, and goes on', () => {
    const { warnings } = load({ HUNT_PORT: 'tcp://10.0.0.1:80', HUNT_SERVICE_HOST: '10.0.0.1', OTHER: 'x' });
    assert.equal(warnings.length, 2);
    assert.match(warnings[0] ?? '', /HUNT_PORT/);
  });

  it('names field, limit and remedy of every fault at once', () => {
    const found = faults(
      { HUNT_HTTP_PORT: '99999', HUNT_WEIGHT: '101', HUNT_RATE_PLAYER: '10', HUNT_TOKEN_KEY: 'short' },
      { nodes: '0' },
    );
    assert.equal(found.length, 5);
    assert.match(found.join('\n'), /HUNT_HTTP_PORT must be a whole number from 0 to 65535/);
    assert.match(found.join('\n'), /--nodes must be a whole number from 1 to 64/);
    assert.match(found.join('\n'), /HUNT_RATE_PLAYER must be N\/s:burst, such as/);
  });

  it('refuses an unknown key in the file, and a file that is not YAML', () => {
    writeFileSync(join(cwd, 'hunt.yaml'), 'hosst: 1.1.1.1\n');
    assert.match(faults({})[0] ?? '', /hosst is no setting/);
    writeFileSync(join(cwd, 'hunt.yaml'), 'host: [\n');
    assert.match(faults({})[0] ?? '', /hunt\.yaml/);
  });

  it('has no default key outside the embedded profile', () => {
    assert.match(faults({ HUNT_PROFILE: 'nats', HUNT_NATS_URL: 'nats://127.0.0.1:4222' }).join(), /no default key/);
  });

  it('keeps three copies where three servers are named, unless something else is asked for', () => {
    const kafka = (brokers: string, more = {}) =>
      load({ HUNT_PROFILE: 'kafka', HUNT_NATS_URL: 'nats://a:1', HUNT_KAFKA_BROKERS: brokers, ...keyed, ...more })
        .config;
    const keyed = { HUNT_TOKEN_KEY: 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I' };
    assert.deepEqual([kafka('a:1').kafkaReplication, kafka('a:1').natsReplicas], [1, 1]);
    assert.equal(kafka('a:1,b:1,c:1').kafkaReplication, 3);
    assert.equal(kafka('a:1,b:1,c:1', { HUNT_KAFKA_REPLICATION: '2' }).kafkaReplication, 2);
  });

  it('refuses a cluster name that Kafka topics cannot have, with the limit and one that they can', () => {
    const kafka = { HUNT_PROFILE: 'kafka', HUNT_NATS_URL: 'nats://a:1', HUNT_KAFKA_BROKERS: 'a:1' };
    assert.match(
      faults({ ...kafka, HUNT_CLUSTER: 'team:east' }).join(),
      /HUNT_CLUSTER team:east .* 1 to 64 characters of A-Z a-z 0-9 _ \. - \(such as team-east\)/,
    );
    assert.match(faults({ ...kafka, HUNT_CLUSTER: 'x'.repeat(65) }).join(), /HUNT_CLUSTER must be 1 to 64 characters/);
    assert.doesNotMatch(faults({ ...kafka, HUNT_CLUSTER: 'team-east.2_b' }).join(), /HUNT_CLUSTER/);
    assert.equal(load({ HUNT_CLUSTER: 'team:east' }).config.cluster, 'team:east');
  });

  it('wants a name for a node that listens for links, and that node among the members', () => {
    const node = (env: Record<string, string>) => faults(env, { nodeId: 'n1' }, 'node').join();
    assert.match(node({ HUNT_LINK_PORT: '7301' }), /HUNT_LINK_PORT needs HUNT_ADVERTISE/);
    assert.match(node({ HUNT_MEMBERS: 'n2,n3' }), /HUNT_MEMBERS does not name n1/);
  });

  it('reads durations, and prints them so that they can be read again', () => {
    const keep = (text: string) => load({ HUNT_LOG_KEEP: text }).config.logKeep;
    assert.deepEqual(
      [keep('90m'), keep('7d'), keep('0'), load({}).config.logKeep],
      [5_400_000, 604_800_000, 0, 86_400_000],
    );
    assert.match(faults({ HUNT_LOG_KEEP: '24' }).join(), /HUNT_LOG_KEEP must be a duration such as/);
    for (const text of ['90m', '7d', '24h', '15s', '0'])
      assert.equal(keep(String(describeConfig(load({ HUNT_LOG_KEEP: text }).config).log_keep)), keep(text));
  });

  it('reads rates, and 0 as no limit', () => {
    const { config } = load({ HUNT_RATE_PLAYER: '2.5/s:7', HUNT_RATE_SOCKET: '0' });
    assert.deepEqual(config.ratePlayer, { perSecond: 2.5, burst: 7 });
    assert.deepEqual(config.rateSocket, { perSecond: 0, burst: 0 });
    assert.deepEqual(config.rateAddress, { perSecond: 200, burst: 1_000 });
  });

  it('prints itself with every secret masked', () => {
    const env = {
      HUNT_TOKEN_KEY: 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I',
      HUNT_PG_URL: 'postgres://me:hidden@db/hunt',
      HUNT_TOKEN: 'e.y.z',
    };
    const printed = JSON.stringify(describeConfig(load(env).config));
    for (const secret of ['c2VjcmV0', 'hidden', 'e.y.z']) assert.ok(!printed.includes(secret), printed);
    assert.match(printed, /postgres:\/\/me:\*\*\*@db\/hunt/);
  });
});
