import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { connect, nanos } from 'nats';
import { eventsTopic } from '../../runtime/log/kafka/topic.ts';
import { Names } from '../../runtime/log/nats/names.ts';
import { type Backend, connectBackend } from './backend.ts';
import { until } from './black-box/deadline.ts';
import { sharedServersEnv } from './black-box/profile-servers.ts';
import { ConfigError, loadConfig } from './config.ts';
import { natsServer } from './servers/nats-server.ts';
import { freePort } from './servers/private-server.ts';
import { requireServer } from './servers/require-server.ts';

const silent = { info: () => undefined, warn: () => undefined };
const waitMs = 1_500;
/** kafkajs's ConfigResourceTypes.TOPIC. */
const topicResource = 2;

describe('the start of a process', function () {
  this.timeout(30_000);
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'hunt-backend-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));

  async function start(env: Readonly<Record<string, string>>): Promise<Backend> {
    const { config } = loadConfig('tool', { env, flags: { dataDir }, cwd: dataDir });
    return await connectBackend(config, silent, waitMs);
  }
  async function refusal(env: Readonly<Record<string, string>>): Promise<string> {
    try {
      await (await start(env)).close();
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      return error.message;
    }
    return assert.fail('it was accepted');
  }

  it('waits for servers that are not up yet, for a bounded time, and then names them', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const begun = performance.now();
    await assert.rejects(start({ HUNT_PROFILE: 'nats', HUNT_NATS_URL: `nats://${address}` }), (error: Error) => {
      assert.ok(!(error instanceof ConfigError), 'what may get better is no fault of the configuration');
      assert.match(error.message, new RegExp(`no NATS server answers at .*${address}`));
      return true;
    });
    assert.ok(performance.now() - begun >= waitMs / 2);
  });

  it('serves as soon as a late NATS server does', async function () {
    requireServer(this, 'nats');
    const nats = await natsServer();
    await nats.stop();
    const starting = start({ HUNT_PROFILE: 'nats', HUNT_NATS_URL: nats.url });
    await nats.start();
    const backend = await starting;
    assert.equal(await backend.log.head({ kind: 'cluster', id: 0 }), 0);
    await backend.close();
    await nats.close();
  });

  it('refuses a NATS server that is too old for three replicas, in a sentence', async function () {
    requireServer(this, 'nats');
    const env = await sharedServersEnv('nats');
    const faults = await refusal({ ...env, HUNT_NATS_REPLICAS: '3' });
    assert.match(faults, /HUNT_NATS_URL: .*(must not hold the log on 3 servers|replicas)/);
  });

  it('refuses streams that somebody changed', async function () {
    requireServer(this, 'nats');
    const env = await sharedServersEnv('nats');
    await (await start(env)).close();
    const client = await connect({ servers: env.HUNT_NATS_URL as string });
    const manager = await client.jetstreamManager();
    const { log } = new Names(env.HUNT_CLUSTER);
    await manager.streams.update(log, { max_age: nanos(3_600_000) });
    await client.close();
    assert.match(await refusal(env), new RegExp(`HUNT_NATS_URL: stream ${log} has max_age`));
  });

  it('refuses a Kafka topic that forgets by itself, that compacts, or that elects whoever is there', async function () {
    requireServer(this, 'nats');
    requireServer(this, 'kafka');
    const env = await sharedServersEnv('kafka');
    await (await start(env)).close();
    const kafka = new Kafka({ brokers: (env.HUNT_KAFKA_BROKERS ?? '').split(','), logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    const name = eventsTopic(env.HUNT_CLUSTER);
    const configEntries = [
      { name: 'retention.ms', value: '86400000' },
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'unclean.leader.election.enable', value: 'true' },
    ];
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: topicResource, name, configEntries }] });
    const isSet = async () => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: topicResource, name }],
      });
      return resources[0]?.configEntries.some((entry) => entry.configValue === 'compact');
    };
    await until('the broker to know of the change', 10_000, isSet);
    await admin.disconnect();
    const faults = await refusal(env);
    for (const setting of ['retention.ms=86400000', 'cleanup.policy=compact', 'unclean.leader.election.enable=true'])
      assert.ok(faults.includes(`HUNT_KAFKA_BROKERS: Topic ${name} has ${setting}`), faults);
  });
});
